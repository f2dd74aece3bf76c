"""Graded exercises: `check` an answer in the notebook, ask for a `hint`, look at the `solution` once it passes.

How to write an exercise
------------------------
1. In a module of `asrlab/grading/sets/` (one module a set, each with a `SET`), an `Exercise`: what is asked, fresh
   inputs from a random generator, an oracle of its own, three hints, and plain functions of two kinds. *Mistakes* are
   typical wrong answers; the docstring of each is the hint that names it. *Right answers* are at least three that
   differ in structure. All of them are self-contained: they use np, math, itertools, functools, collections and what
   they define inside themselves, and nothing else.
2. In `book/exercises/SET.md`, a notebook of the same name as the set: the statement in prose, then one code cell that
   defines the function, tagged `hide-input`, with the solution between the lines `### BEGIN SOLUTION` and
   `### END SOLUTION`, then a cell with `check("name", function)`. The page goes into `_toc.yml`.

All else follows: the student's notebook with the holes, the page on which the solution unfolds, the releases for
courses, and every test in `tests/grading/` (the stub scores nothing, the solution everything, each mistake gets its own
hint, each right answer passes, mutants of the solution are caught). If a mutant survives, kill it by a better case, or
say in `survivors` why it is as right as the solution.
"""

from asrlab.grading.check import check, hint, solution

__all__ = ["check", "hint", "solution"]
