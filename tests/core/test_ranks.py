"""Work divided among processes: all of it once, about the same for each."""

import numpy as np
import pytest
import torch.distributed as dist

from asrlab.core import ranks
from asrlab.core.errors import AsrlabError


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_every_index_once_and_no_share_much_heavier(count):
    seconds = np.random.default_rng(count).lognormal(1.0, 0.8, 200).tolist()
    found = ranks.shares(seconds, count)
    assert sorted(i for own in found for i in own) == list(range(200))
    totals = [sum(seconds[i] for i in own) for own in found]
    # Of two shares the heavier was, before its last one came, no heavier than the other.
    assert max(totals) - min(totals) <= max(seconds)
    assert max(totals) <= 4 / 3 * max(sum(seconds) / count, max(seconds))  # Graham's bound
    assert found == ranks.shares(seconds, count)


def test_fewer_pieces_than_processes():
    assert sorted(ranks.shares([3.0, 1.0], 4)) == [[], [], [0], [1]]
    assert ranks.shares([], 2) == [[], []]


def test_alone_everything_is_ones_own():
    assert ranks.rank_and_world() == (0, 1)
    assert ranks.mine([1.0, 2.0]) == [0, 1]
    assert ranks.merged({"a": 1}) == {"a": 1}


@pytest.fixture
def one_of_two(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)


def test_what_others_found_comes_together(one_of_two, monkeypatch):
    def gather(everything, own):
        everything[:] = [{"a": 1}, own]

    monkeypatch.setattr(dist, "all_gather_object", gather)
    assert ranks.merged({"b": 2}) == {"a": 1, "b": 2}
    with pytest.raises(AssertionError, match="the same work"):
        ranks.merged({"a": 2})
    assert ranks.mine([1.0, 1.0, 5.0]) == [0, 1]  # the other has the long one


def test_a_process_that_died_is_told(one_of_two, monkeypatch):
    def gather(everything, own):
        raise RuntimeError("Connection closed by peer\nand much more")

    monkeypatch.setattr(dist, "all_gather_object", gather)
    with pytest.raises(AsrlabError, match=r"another of the 2 processes died .*\(Connection closed by peer\); look"):
        ranks.merged({})
