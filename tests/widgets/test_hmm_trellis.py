"""The trellis widget: its JavaScript gives what asrlab.scratch.hmm gives."""

from itertools import combinations

import numpy as np
import pytest
from node import run_many

from asrlab.core.errors import AsrlabError
from asrlab.scratch import hmm

widget = pytest.importorskip("asrlab.widgets.hmm_trellis", reason="anywidget is not installed")
RANDOM = np.random.default_rng(3)
CASES = [
    (RANDOM.normal(-20, 8, (T, S)).round(2), stay)
    for T, S in [(2, 2), (4, 4), (3, 4), (9, 3), (14, 5)]
    for stay in (0.05, 0.6, 0.95)
]
CALLS = [(log_b.tolist(), stay) for log_b, stay in CASES]


def array(values):
    """JSON has no infinity: null, which NumPy reads as NaN, stands for -inf."""
    return np.nan_to_num(np.array(values, dtype=float), nan=-np.inf)


def test_alpha_and_the_likelihood_are_pythons():
    tables, totals = (run_many("hmm_trellis", name, CALLS) for name in ("forward", "total"))
    for (log_b, stay), table, total in zip(CASES, tables, totals, strict=True):
        pi, A, end = hmm.left_to_right(log_b.shape[1], stay)
        np.testing.assert_allclose(array(table), hmm.forward(pi, A, log_b), atol=1e-9)
        assert array(total) == pytest.approx(hmm.log_likelihood(pi, A, log_b, end), abs=1e-9)


def test_viterbi_is_pythons():
    for (log_b, stay), found in zip(CASES, run_many("hmm_trellis", "viterbi", CALLS), strict=True):
        pi, A, end = hmm.left_to_right(log_b.shape[1], stay)
        path, score = hmm.viterbi(pi, A, log_b, end)
        if not np.isfinite(score):
            assert found["path"] is None and found["score"] is None
            continue
        assert found["path"] == path.tolist()
        assert found["score"] == pytest.approx(score, abs=1e-9)
        assert found["delta"][-1][-1] + np.log(1 - stay) == pytest.approx(score, abs=1e-9)


def test_shares_of_what_flows_in_add_up_to_the_sum():
    calls, expected = [], []
    for log_b, stay in CASES:
        pi, A, _ = hmm.left_to_right(log_b.shape[1], stay)
        alpha = hmm.forward(pi, A, log_b)
        if not np.isfinite(alpha[0, 0]) or log_b.shape[1] > len(log_b):
            continue
        t, j = len(log_b) - 1, log_b.shape[1] - 1
        came = alpha[t - 1, [j - 1, j]] + np.log([1 - stay, stay])
        finite = np.where(np.isfinite(alpha), alpha, -1e300)  # JSON has no infinity
        calls.append((finite.tolist(), t, j, stay))
        expected.append(np.exp(came - np.logaddexp.reduce(came)))
    for found, shares in zip(run_many("hmm_trellis", "inflow", calls), expected, strict=True):
        np.testing.assert_allclose([share for _, share in found], shares, atol=1e-9)


def test_sharper_emissions_and_the_number_of_paths():
    log_b = CASES[0][0]
    (found,) = run_many("hmm_trellis", "sharpened", [(log_b.tolist(), 1.5)])
    np.testing.assert_allclose(found, 1.5 * log_b)
    sizes = [(T, S) for T in range(1, 15) for S in range(1, 7)]
    listed = [sum(1 for _ in combinations(range(T - 1), S - 1)) for T, S in sizes]
    assert run_many("hmm_trellis", "countPaths", sizes) == listed
    # Where all frames fit all states alike, the sum counts paths, each of S moves and T - S stays.
    T, S = 9, 3
    (total,) = run_many("hmm_trellis", "total", [(np.zeros((T, S)).tolist(), 0.5)])
    assert np.exp(total) * 2**T == pytest.approx(listed[sizes.index((T, S))])


def test_the_data_is_small_and_rounded_and_bad_takes_are_refused():
    samples = (0.1 * RANDOM.standard_normal(9600)).astype(np.float32)
    data = widget.HmmTrellis("seven", [widget.Take("a voice", samples, CASES[-1][0])], 0.05, 0.62).data
    assert data["states"] == 5 and data["stay"] == 0.6 and data["recordings"][0]["seconds"] == 0.6
    np.testing.assert_allclose(data["recordings"][0]["log_b"], CASES[-1][0], atol=0.006)
    for takes, stay, message in [
        ([], 0.5, "none given"),
        ([widget.Take("long", samples, np.zeros((17, 3)))], 0.5, "long: 17 frames for 3 states"),
        ([widget.Take("short", samples, np.zeros((2, 3)))], 0.5, "short: 2 frames"),
        ([widget.Take("flat", samples, np.zeros(3))], 0.5, "expected \\(T, S\\)"),
        ([widget.Take("odd", samples, np.full((5, 3), np.nan))], 0.5, "odd: log_b holds NaN"),
        ([widget.Take("fine", samples, np.zeros((5, 3)))], 1.0, "stay=1.0"),
    ]:
        with pytest.raises(AsrlabError, match=message):
            widget.HmmTrellis("seven", takes, 0.05, stay)
