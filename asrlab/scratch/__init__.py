"""The textbook versions, one file per idea, in NumPy and plain Python: written to be read, and held equal to the
fast ones."""
