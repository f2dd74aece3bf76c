"""How the book is built; book/build.py runs the steps in order."""
