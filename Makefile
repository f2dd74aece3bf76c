# `make book` and `make test` are all that a reader needs: each makes the environment first, if it is not there yet.
# Everything happens in .venv and in folders that git ignores; PIP_*, UV_* and ASRLAB_* variables are honoured.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
RUN := .venv/Scripts/python
else
RUN := .venv/bin/python
endif
PORT ?= 8000

.PHONY: help environment book pdf test lint site archive lab serve bench clean

help:
	@echo "make book   build the book, every notebook executed, and say where it is"
	@echo "make pdf    the built book as one PDF (needs Chromium)"
	@echo "make test   run the tests of the package"
	@echo "make lint   check style, types and JavaScript"
	@echo "make lab    open the chapters as notebooks in JupyterLab"
	@echo "make serve  show the built book at http://localhost:$(PORT)"
	@echo "make site   drive the built book in a real browser (needs Chromium)"
	@echo "make archive  run the notebooks that readers download in an empty environment"
	@echo "make bench  measure against other software, side by side"
	@echo "make clean  remove what was built; the environment and the corpora stay"

environment:
	@$(PYTHON) book/tools/environment.py

book: environment
	@$(RUN) book/build.py

pdf: environment
	@test -f _build/html/index.html || $(RUN) book/build.py
	@$(RUN) book/tools/pdf.py

test: environment
	@$(RUN) -m pytest -m "not site and not archive"

lint: environment
	@$(RUN) book/tools/lint.py

site: environment
	@$(RUN) -m pytest -m site tests/site

archive: environment
	@$(RUN) -m pytest -m archive tests/book

lab: environment
	@$(RUN) book/tools/lab.py

serve: environment
	@test -f _build/html/index.html || $(RUN) book/build.py
	@echo "The book is at http://localhost:$(PORT) (stop with Ctrl-C)"
	@$(RUN) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

bench: environment
	@$(RUN) -m benchmarks

clean:
	@$(PYTHON) -c "import shutil; [shutil.rmtree(f, True) for f in \
	('_build', '.cache', 'node_modules', 'book/static/vendor', 'book/static/notebooks')]"
