"""Notebooks for the tests: made of cells, of a set's own cells, of one function put in the place of the solution."""

import inspect
import json
import re
import textwrap

from asrlab.grading import authoring

IMPORTS = "import collections, functools, itertools, math, random\nimport numpy as np\n"


def write(path, cells, set_name=None):
    """A notebook of code cells in a file; returns its path."""
    about = {"asrlab": {"set": set_name}} if set_name else {}
    made = [
        {"cell_type": "code", "id": f"c{k}", "metadata": {}, "execution_count": None, "outputs": [], "source": source}
        for k, source in enumerate(cells)
    ]
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": about, "cells": made}))
    return path


def source_of(function, name):
    """The source of a function of a set, by the name that the exercise asks for."""
    source = textwrap.dedent(inspect.getsource(function))
    return IMPORTS + re.sub(rf"\b{function.__name__}\b", name, source)


def cells_of(group, answers=None, solved=True):
    """The code cells of a set's notebook: solved, or with holes, or with other answers {function's name: source}."""
    cells = []
    for cell in authoring.code_cells(authoring.page_of(group).read_text(encoding="utf-8")):
        if authoring.is_exercise(cell):
            name = authoring.function_of(cell)
            cell = (answers or {}).get(name) or (authoring.solved(cell) if solved else authoring.stub(cell))
        cells.append(cell)
    return cells
