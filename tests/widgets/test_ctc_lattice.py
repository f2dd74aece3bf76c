"""The lattice widget: its JavaScript gives what asrlab.scratch.ctc and asrlab.scratch.transducer give."""

from itertools import product

import numpy as np
import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.scratch import ctc, transducer

RANDOM = np.random.default_rng(11)
# (T, V, target): empty, feasible, doubles, just feasible, infeasible.
CASES = [(1, 2, []), (5, 3, []), (1, 2, [1]), (9, 4, [1, 2, 3]), (6, 3, [1, 1, 2]), (4, 3, [1, 2, 2]), (3, 3, [2, 2]),
         (2, 3, [1, 1]), (3, 5, [4, 3, 2, 1]), (14, 6, [5, 1, 1, 4, 2, 2])]  # fmt: skip


def log_softmax(z):
    return z - np.logaddexp.reduce(z, axis=-1, keepdims=True)


TABLES = [(log_softmax(2 * RANDOM.standard_normal((T, V))), target) for T, V, target in CASES]
CALLS = [(log_y.tolist(), target) for log_y, target in TABLES]


def js(name, calls=CALLS):
    return run_many("ctc_lattice", name, calls)


def array(values):
    """JSON has no infinity: null, which NumPy reads as NaN, stands for -inf."""
    return np.nan_to_num(np.array(values, dtype=float), nan=-np.inf)


@pytest.mark.parametrize("name", ["forward", "backward"])
def test_tables_are_pythons(name):
    for (log_y, target), found in zip(TABLES, js(name), strict=True):
        np.testing.assert_allclose(array(found), getattr(ctc, name)(log_y, target), atol=1e-9)


def test_probability_shares_and_gradient_are_pythons():
    names = ("logProbability", "occupancy", "gradient", "bestPath")
    for (log_y, target), *found in zip(TABLES, *map(js, names), strict=True):
        total, gamma, gradient, best = found
        if ctc.frames_needed(target) > len(log_y):
            assert found == [None] * 4  # minus infinity and nothing
            continue
        assert -total == pytest.approx(ctc.loss(log_y, target), abs=1e-9)
        np.testing.assert_allclose(gamma, ctc.posteriors(log_y, target), atol=1e-9)
        np.testing.assert_allclose(gradient, ctc.gradient_logits(log_y, target), atol=1e-9)
        assert best == ctc.best_path(log_y, target).tolist()


def test_counts_collapse_and_states_are_pythons():
    for (T, _, target), count in zip(CASES, js("countPaths", [(T, target) for T, _, target in CASES]), strict=True):
        assert count == ctc.count_paths(T, target)
    targets = [(target,) for _, _, target in CASES]
    assert js("framesNeeded", targets) == [ctc.frames_needed(*one) for one in targets]
    assert js("withBlanks", targets) == [ctc.with_blanks(*one).tolist() for one in targets]
    paths = [(list(path),) for path in product(range(3), repeat=4)]
    assert js("collapse", paths) == [ctc.collapse(*path) for path in paths]
    logs = [([-3.0, -1.5],), ([-4000.0, -4001.0],), ([],)]
    assert [-np.inf if x is None else x for x in js("logAdd", logs)] == pytest.approx([ctc.log_add(*x) for x in logs])


def test_moves_are_allowed_exactly_where_the_sum_has_them():
    """A path of the right states reads the target if and only if no move of it is forbidden and it ends at the end."""
    T, target = 4, [1, 2, 2]
    states = ctc.with_blanks(target).tolist()
    moves = [(a, b) for a in range(-1, len(states)) for b in range(len(states))]
    allowed = js("allowed", [(states, a, b) for a, b in moves])
    fine = {move for move, fits in zip(moves, allowed, strict=True) if fits}
    found = sum(
        all(move in fine for move in zip([-1, *path], path, strict=False)) and path[-1] >= len(states) - 2
        for path in product(range(len(states)), repeat=T + 1)
    )
    assert found == ctc.count_paths(T + 1, target)


def test_drawn_paths_read_the_target_as_often_as_their_probability():
    log_y, target = TABLES[4]
    uniforms = RANDOM.random((3000, len(log_y)))
    states = ctc.with_blanks(target)
    paths = np.array(js("drawPath", [(log_y.tolist(), target, u.tolist()) for u in uniforms]))
    assert all(ctc.collapse(states[path]) == target for path in paths)
    visits = np.stack([(paths == s).mean(axis=0) for s in range(len(states))], axis=1)
    np.testing.assert_allclose(visits, ctc.posteriors(log_y, target), atol=0.04)


def grids():
    for (log_y, target), grid in zip(TABLES, js("predict", [(*call, 1.5) for call in CALLS]), strict=True):
        yield log_y, target, np.array(grid)


def test_the_predictor_lifts_the_next_letter():
    for log_y, target, grid in grids():
        expected = np.repeat(log_y[:, None], len(target) + 1, axis=1)
        for u, token in enumerate(target):
            expected[:, u, token] += 1.5
        np.testing.assert_allclose(grid, log_softmax(expected), atol=1e-9)


def test_the_grid_is_the_transducer():
    cases = list(grids())
    calls = [(grid.tolist(), target) for _, target, grid in cases]
    names = ("gridForward", "gridBackward", "gridLogProbability", "gridOccupancy")
    for (_, target, grid), alpha, beta, total, shares in zip(cases, *(js(n, calls) for n in names), strict=True):
        np.testing.assert_allclose(array(alpha), transducer.forward(grid, target), atol=1e-9)
        np.testing.assert_allclose(array(beta), transducer.backward(grid, target), atol=1e-9)
        assert -total == pytest.approx(transducer.loss(grid, target), abs=1e-9)
        right, up = transducer.steps(grid, target)
        leaving = right + np.pad(up, ((0, 0), (0, 1)))
        np.testing.assert_allclose(shares, leaving, atol=1e-9)
    counts = js("gridCount", [(T, target) for T, _, target in CASES])
    assert counts == [transducer.count_paths(T, target) for T, _, target in CASES]


def test_drawn_walks_are_walks():
    _, target, grid = list(grids())[4]
    uniforms = RANDOM.random((300, len(grid) + len(target))).tolist()
    walks = js("gridDraw", [(grid.tolist(), target, u) for u in uniforms])
    all_walks = {tuple(int(k > 0) for k in path) for path in transducer.paths(len(grid), target)}
    assert {tuple(walk) for walk in walks} <= all_walks
    logs = js("gridLog", [(grid.tolist(), target, walk) for walk in walks[:20]])
    for walk, log in zip(walks[:20], logs, strict=True):
        t = u = 0
        score = 0.0
        for move in walk:
            score += grid[t, u, target[u] if move else 0]
            t, u = t + 1 - move, u + move
        assert log == pytest.approx(score, abs=1e-9)


@pytest.mark.parametrize("kind", ["undecided", "peaks", "chance"])
def test_invented_probabilities_are_probabilities(kind):
    found = np.exp(run_many("ctc_lattice", "invent", [(kind, 9, 6, [1, 2, 5], 3), (kind, 9, 6, [1, 2, 5], 4)]))
    np.testing.assert_allclose(found.sum(axis=-1), 1, atol=1e-12)
    assert np.ptp(found[0]) == (pytest.approx(0) if kind == "undecided" else pytest.approx(np.ptp(found[0])))
    assert (kind == "chance") == bool(np.abs(found[0] - found[1]).max() > 0.01)
    if kind == "peaks":
        assert ctc.collapse(found[0].argmax(axis=1)) == [1, 2, 5]


def test_what_the_picture_cannot_hold_is_told():
    module = pytest.importorskip("asrlab.widgets.ctc_lattice", reason="anywidget is not installed")
    log_y = log_softmax(RANDOM.standard_normal((20, 4)))
    with pytest.raises(AsrlabError, match="T up to 14"):
        module.CtcLattice([module.Heard("long", "ab", ("∅", "a", "b", "…"), log_y)])
    with pytest.raises(AsrlabError, match="'z' is no token"):
        module.narrow(log_y, ["∅", "▁a", "b", "c"], "az")
    with pytest.raises(AsrlabError, match="comes again"):
        module.narrow(log_y, ["∅", "▁a", "a", "c"], "aca")


def test_narrowed_probabilities_give_the_same_loss():
    module = pytest.importorskip("asrlab.widgets.ctc_lattice", reason="anywidget is not installed")
    log_y = log_softmax(RANDOM.standard_normal((9, 7)))
    tokens, few = module.narrow(log_y, ["<blank>", "b", "▁c", "t", "x", "a", "y"], "cat")
    assert tokens == ("∅", "c", "a", "t", "…")
    np.testing.assert_allclose(np.exp(few).sum(axis=1), 1)
    assert ctc.loss(few, [1, 2, 3]) == pytest.approx(ctc.loss(log_y, [2, 5, 3]))
    widget = module.CtcLattice([module.Heard("cat", "cat", tokens, few, np.zeros(1600))])
    assert [one["name"] for one in widget.data["sources"]] == ["cat", "undecided", "peaks", "by chance"]
