"""Batches: every utterance once, none too long, the same on every process, and the same samples by every way."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
import toy

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Source, Utterance
from asrlab.signals.augment import speed_perturb
from asrlab.text import CharTokenizer, PhoneTokenizer
from asrlab.training.batching import Item, Speech, collate, in_parts, load_batches, plan_epoch, share

SECONDS = np.random.default_rng(0).lognormal(1.0, 0.5, 200).clip(0.5, 12.0).tolist()
SPEEDS = (0.9, 1.0, 1.1)


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    return toy.corpus(tmp_path_factory.mktemp("toy"), train=9, dev=1, test=1)["train"]


@pytest.fixture(scope="module")
def tokenizer(said):
    return CharTokenizer.fit([u.text for u in said])


# --- the plan ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "world", "epoch"), [*itertools.product((15.0, 60.0, 1e9), (1, 2, 3), (0, 7))])
def test_every_utterance_comes_once_at_one_of_the_speeds(limit, world, epoch):
    plan = plan_epoch(SECONDS, limit, SPEEDS, seed=1, epoch=epoch, world=world)
    assert Counter(index for batch in plan for index, _ in batch) == Counter(range(len(SECONDS)))
    assert {speed for batch in plan for _, speed in batch} == set(SPEEDS)
    assert min(map(len, plan)) >= world


def padded(batch) -> float:
    return len(batch) * max(SECONDS[i] / speed for i, speed in batch)


@pytest.mark.parametrize("epoch", range(4))
def test_batches_pad_to_at_most_the_limit_and_are_well_filled(epoch):
    plan = plan_epoch(SECONDS, 60.0, SPEEDS, seed=1, epoch=epoch)
    assert max(map(padded, plan)) <= 60.0
    spoken = sum(SECONDS[i] / speed for batch in plan for i, speed in batch)
    assert sum(map(padded, plan)) < 1.25 * spoken  # neighbours in length: little of it is padding
    assert len(plan) < 1.35 * spoken / 60.0 + 1


def test_a_plan_depends_on_seed_and_epoch_alone_and_changes_with_both():
    def plan(seed, epoch):
        return plan_epoch(SECONDS, 60.0, SPEEDS, seed, epoch)

    assert plan(1, 3) == plan(1, 3)
    plans = [plan(1, 3), plan(1, 4), plan(2, 3)]
    assert all(a != b for a, b in itertools.combinations(plans, 2))
    together = [{frozenset(i for i, _ in batch) for batch in p} for p in plans]
    assert len(together[0] & together[1]) < len(together[0]) / 4  # not the same company in another order


@pytest.mark.parametrize("world", [2, 3])
def test_any_number_of_processes_shares_the_same_global_batches(world):
    alone = plan_epoch(SECONDS, 60.0, SPEEDS, 1, 0)
    assert min(map(len, alone)) >= world  # as long as a batch has an utterance for each
    plan = plan_epoch(SECONDS, 60.0, SPEEDS, 1, 0, world)
    assert plan == alone
    shares = [[batch[rank::world] for batch in plan] for rank in range(world)]
    for step, batch in enumerate(plan):
        assert Counter(itertools.chain.from_iterable(share[step] for share in shares)) == Counter(batch)
        assert all(share[step] for share in shares)  # nobody waits for a process without work


def test_no_process_is_left_without_an_utterance():
    for count, world in itertools.product((3, 4, 5, 7), (2, 3)):
        plan = plan_epoch([10.0] * count, 10.0, (1.0,), 1, 0, world)
        assert min(map(len, plan)) >= world
        assert sorted(i for batch in plan for i, _ in batch) == list(range(count))
    with pytest.raises(AsrlabError, match="2 utterances for 3 processes"):
        plan_epoch([1.0, 1.0], 10.0, (1.0,), 1, 0, 3)


def test_an_epoch_goes_from_shard_to_shard():
    shards = [i * 7 % 5 for i in range(len(SECONDS))]
    plan = plan_epoch(SECONDS, 30.0, SPEEDS, 1, 0, shards=shards)
    assert sorted(i for batch in plan for i, _ in batch) == list(range(len(SECONDS)))
    visited = [{shards[i] for i, _ in batch} for batch in plan]
    assert all(len(one) == 1 for one in visited)
    order = [next(iter(one)) for one in visited]
    assert len([s for s, _ in itertools.groupby(order)]) == 5  # each is opened once
    other = plan_epoch(SECONDS, 30.0, SPEEDS, 1, 1, shards=shards)
    assert [shards[batch[0][0]] for batch in other] != order


@pytest.mark.parametrize(("world", "lanes", "count"), [(2, 0, 6), (2, 4, 9), (3, 3, 7), (1, 4, 4), (4, 0, 11)])
def test_a_shard_is_read_by_one_process_alone(world, lanes, count):
    shards = [i % count for i in range(len(SECONDS))]
    plan = plan_epoch(SECONDS, 30.0, SPEEDS, 1, 0, world, shards, lanes)
    shares = [[share(batch, rank, world) for batch in plan] for rank in range(world)]
    heard = [i for own in shares for part in own for i, _ in part]
    assert sorted(heard) == list(range(len(SECONDS)))  # every utterance once
    assert all(part for own in shares for part in own)  # nobody waits for a process without work
    readers = [{rank for rank, own in enumerate(shares) for part in own for i, _ in part if shards[i] == s}
               for s in range(count)]  # fmt: skip
    assert all(len(ranks) == 1 for ranks in readers)
    for own in shares:  # and not twice: once it is left it is not visited again
        visits = [frozenset(shards[i] for i, _ in part) for part in own]
        last = {s: max(k for k, v in enumerate(visits) if s in v) for v in visits for s in v}
        first = {s: min(k for k, v in enumerate(visits) if s in v) for v in visits for s in v}
        together = lanes // world if lanes else 1
        for k in range(len(visits)):
            # the last round may hold two shards a lane
            assert sum(first[s] <= k <= last[s] for s in last) <= 2 * together
    too_long = [batch for batch in plan if padded([entry for entry in batch if entry]) > 30.0]
    rounds = count // (lanes or world)
    assert len(too_long) <= rounds or count % (lanes or world)  # in a round, the last that joined the one before


def test_lanes_decide_and_processes_do_not():
    shards = [i % 12 for i in range(len(SECONDS))]
    alone, two, four = (plan_epoch(SECONDS, 30.0, SPEEDS, 1, 0, world, shards, 4) for world in (1, 2, 4))
    assert alone != plan_epoch(SECONDS, 30.0, SPEEDS, 1, 0, 1, shards, 2)
    for plan in (two, four):  # a small batch joins another where it has nothing for some process
        assert {e for b in plan for e in b} - {None} == {e for b in alone for e in b} - {None}
    assert two == alone == four  # here none does


def test_shards_that_do_not_fit_the_processes():
    seconds = [1.0] * 103
    with pytest.raises(AsrlabError, match="1 shards for 2 lanes: write more and smaller shards"):
        plan_epoch(seconds, 30.0, SPEEDS, 1, 0, 2, ["a"] * 103)
    with pytest.raises(AsrlabError, match="lanes=3: 2 processes share them; give a multiple of 2, or 0"):
        plan_epoch(seconds, 30.0, SPEEDS, 1, 0, 2, ["a", "b", "c", *"d" * 100], 3)
    with pytest.raises(AsrlabError, match="2 utterances for 3 processes"):
        plan_epoch([1.0, 1.0], 30.0, SPEEDS, 1, 0, 3)


def test_parts_of_a_share_are_neighbours_and_none_is_empty():
    entries = [(i, 1.0) for i in range(7)]
    assert in_parts(entries, 1) == [entries]
    assert [len(part) for part in in_parts(entries, 3)] == [2, 2, 3]
    assert in_parts(entries, 9) == [[entry] for entry in entries]
    assert list(itertools.chain.from_iterable(in_parts(entries, 4))) == entries


def test_an_utterance_that_fits_no_batch_is_told():
    with pytest.raises(AsrlabError, match=r"utterance 1 lasts 12.5 s, more than batch_seconds=12: raise"):
        plan_epoch([3.0, 10.0], 12.0, (0.8,), 1, 0)


# --- samples and targets ----------------------------------------------------------------------------------------------


def test_a_batch_is_its_items_padded_with_zeros():
    rng = np.random.default_rng(0)
    items = [
        Item(f"u{n}", {"sound": torch.from_numpy(rng.normal(size=n).astype(np.float32))}, torch.arange(1, length + 1))
        for n, length in ((5, 2), (9, 1), (3, 4))
    ]
    batch = collate(items)
    assert batch.ids == ("u5", "u9", "u3")
    assert batch.inputs["sound"].values.shape == (3, 9)
    assert batch.targets["text"].values.shape == (3, 4)
    for row, item in enumerate(items):
        n, length = len(item.inputs["sound"]), len(item.target)
        assert batch.inputs["sound"].lengths[row] == n
        assert batch.targets["text"].lengths[row] == length
        assert torch.equal(batch.inputs["sound"].values[row, :n], item.inputs["sound"])
        assert torch.equal(batch.targets["text"].values[row, :length], item.target)
        assert not batch.inputs["sound"].values[row, n:].any()
        assert not batch.targets["text"].values[row, length:].any()
    assert batch.inputs["sound"].lengths.dtype == batch.targets["text"].lengths.dtype == torch.int64
    assert batch.to("cpu").ids == batch.ids


def test_speech_is_what_the_utterances_hold(said, tokenizer):
    speech = Speech(said, tokenizer, {"sound": toy.RATE})
    assert len(speech) == len(said)
    assert speech.seconds() == [u.seconds for u in said]
    for i, utterance in enumerate(said):
        item = speech[i, 1.0]
        assert item.id == utterance.id
        assert np.array_equal(item.inputs["sound"].numpy(), utterance.load(toy.RATE))
        assert tokenizer.decode(item.target.tolist()) == utterance.text
        assert torch.equal(speech[i, 0.9].inputs["sound"], speed_perturb(item.inputs["sound"], 0.9, toy.RATE))
    half = Speech(said, tokenizer, {"sound": 8000})[0, 1.0]
    assert abs(len(half.inputs["sound"]) - len(speech[0, 1.0].inputs["sound"]) / 2) <= 1


def test_keeping_audio_changes_nothing_but_the_reading(said, tokenizer, monkeypatch):
    kept, read = (Speech(said, tokenizer, {"sound": toy.RATE}, keep) for keep in (True, False))
    entries = [(i, speed) for i in range(len(said)) for speed in SPEEDS]
    for entry in entries:
        assert torch.equal(kept[entry].inputs["sound"], read[entry].inputs["sound"])
    count = Counter()
    load = Utterance.load
    monkeypatch.setattr(Utterance, "load", lambda self, *how: count.update([self.id]) or load(self, *how))
    for entry in entries:
        kept[entry]
    assert not count
    for entry in entries:
        read[entry]
    assert set(count.values()) == {len(SPEEDS)}


def test_workers_read_the_same_batches_in_the_same_order(said, tokenizer):
    speech = Speech(said, tokenizer, {"sound": toy.RATE})
    plan = plan_epoch(speech.seconds(), 3.0, SPEEDS, 1, 0)
    assert len(plan) > 3
    here, ahead = (list(load_batches(speech, plan, workers)) for workers in (0, 2))
    assert len(here) == len(ahead) == len(plan)
    for a, b, planned in zip(here, ahead, plan, strict=True):
        assert a.ids == b.ids == tuple(said[i].id for i, _ in planned)
        for x, y in ((a.inputs["sound"], b.inputs["sound"]), (a.targets["text"], b.targets["text"])):
            assert torch.equal(x.values, y.values) and torch.equal(x.lengths, y.lengths)


def test_what_workers_read_is_kept_here(said, tokenizer, monkeypatch):
    speech = Speech(said, tokenizer, {"sound": toy.RATE})
    plan = plan_epoch(speech.seconds(), 3.0, SPEEDS, 1, 0)
    first = list(load_batches(speech, plan, workers=1))
    assert set(speech.kept) == {entry for entries in plan for entry in entries}
    monkeypatch.setattr(Utterance, "load", None)  # nobody reads a file again
    for a, b in zip(first, load_batches(speech, plan, workers=1), strict=True):
        assert torch.equal(a.inputs["sound"].values, b.inputs["sound"].values)
    careless = Speech(said, tokenizer, {"sound": toy.RATE}, keep=False)
    assert careless.kept is None


@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_wrong_with_a_file_is_told_alike_by_a_worker(said, tokenizer, tmp_path, workers):
    gone = Utterance.recorded("gone", tmp_path / "gone.wav", said[0].text, "s", 1.0)
    with pytest.raises(AsrlabError, match=rf"^{tmp_path}/gone.wav: no such file; check the path$"):
        list(load_batches(Speech([gone], tokenizer, {"sound": toy.RATE}), [[(0, 1.0)]], workers))


def test_texts_that_cannot_be_targets_name_utterance_and_file(said, tokenizer):
    u = said[0]
    with pytest.raises(
        AsrlabError, match=rf"utterance 'u1' \({u.source().path}\): empty text; leave it out or transcribe it"
    ):
        Speech([Utterance.recorded("u1", u.source().path, "  ", "s", 1.0)], tokenizer, {"sound": toy.RATE})
    with pytest.raises(AsrlabError, match=rf"utterance 'u1' \({u.source().path}\): character 'ß' in 'ß'"):
        Speech([Utterance.recorded("u1", u.source().path, "ß", "s", 1.0)], tokenizer, {"sound": toy.RATE})


def test_a_word_can_be_given_another_pronunciation(said):
    tokenizer = PhoneTokenizer({"a": (("AH",), ("EY", "H")), "b": (("B",),)})
    speech = Speech(
        [Utterance.recorded("u", said[0].source().path, "a b a", "s", said[0].seconds)], tokenizer, {"sound": toy.RATE}
    )
    assert speech.spoken == [(0, 0, 0)]
    assert tokenizer.decode(speech[0, 1.0].target.tolist()) == "AH B AH"
    speech.speak(0, [1, 0, 0])
    assert speech.spoken == [(1, 0, 0)]
    assert tokenizer.decode(speech[0, 1.0].target.tolist()) == "EY H B AH"


def test_a_repeated_batch_is_all_and_then_all_again():
    batch = collate(
        [
            Item("a", {"sound": torch.ones(3), "lips": torch.zeros(0)}, torch.tensor([1])),
            Item("b", {"sound": torch.ones(2), "lips": torch.ones(1, 4, 5)}, torch.tensor([2, 3])),
        ]
    )
    assert batch.inputs["lips"].values.shape == (2, 1, 4, 5) and batch.inputs["lips"].lengths.tolist() == [0, 1]
    both = batch.repeat(2)
    assert both.ids == ("a", "b", "a", "b")
    for streams, once in ((both.inputs, batch.inputs), (both.targets, batch.targets)):
        for name, stream in streams.items():
            for values, before in zip(stream, once[name], strict=True):
                first, second = values.chunk(2)
                assert torch.equal(first, before) and torch.equal(second, before)


def test_every_modality_is_read_at_its_rate_and_an_absent_one_is_empty(said, tokenizer, tmp_path):
    pictures = np.arange(30 * 4 * 5, dtype=np.uint8).reshape(30, 4, 5)
    np.save(tmp_path / "lips.npy", pictures)
    seen = said[0].moved(Source(tmp_path / "lips.npy", seconds=said[0].seconds), "lips")
    speech = Speech([seen, said[1]], tokenizer, {"sound": toy.RATE, "lips": 25.0})
    first, second = speech[0, 1.0].inputs, speech[1, 1.0].inputs
    assert first["lips"].shape == (round(25 * seen.seconds), 4, 5) and second["lips"].shape == (0,)
    assert torch.equal(first["lips"][0], torch.from_numpy(pictures[0]))
    faster = speech[0, 1.25].inputs
    assert len(faster["lips"]) == round(len(first["lips"]) / 1.25)
    assert len(faster["sound"]) == pytest.approx(len(first["sound"]) / 1.25, abs=1)
    assert speech[1, 1.25].inputs["lips"].shape == (0,)
    with pytest.raises(AsrlabError, match=r"inputs\.lips: no utterance of the corpus has lips, only sound"):
        Speech(said, tokenizer, {"lips": 25.0})
