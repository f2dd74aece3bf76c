"""From utterances to padded batches: what to load together, in which order, and on which process.

A plan of batches is made once an epoch from the seed alone, the same on every process; each process then takes its
share of every batch. So any number of processes sees the same global batches in the same order, as long as each batch
has an utterance for each of them.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.signals.augment import speed_perturb
from asrlab.text import Tokenizer


@dataclass(frozen=True)
class Item:
    """One utterance, ready to be padded."""

    id: str
    samples: Tensor  # (N,) float32
    target: Tensor  # (L,) token ids


@dataclass(frozen=True)
class Batch:
    """Utterances padded to a common length; the true lengths travel beside them."""

    ids: tuple[str, ...]
    waveforms: Tensor  # (B, N) float32, padded with 0
    lengths: Tensor  # (B,) samples
    targets: Tensor  # (B, L) token ids, padded with 0
    target_lengths: Tensor  # (B,) tokens

    def to(self, device: torch.device | str) -> "Batch":
        tensors = (self.waveforms, self.lengths, self.targets, self.target_lengths)
        return Batch(self.ids, *(t.to(device, non_blocking=True) for t in tensors))

    def twice(self) -> "Batch":
        """Every utterance two times: all of them, then all of them again."""
        tensors = (self.waveforms, self.lengths, self.targets, self.target_lengths)
        return Batch(self.ids * 2, *(torch.cat([t, t]) for t in tensors))


def collate(items: Sequence[Item]) -> Batch:
    """Pad items to a batch."""
    pad = torch.nn.utils.rnn.pad_sequence
    return Batch(
        tuple(item.id for item in items),
        pad([item.samples for item in items], batch_first=True),
        torch.tensor([len(item.samples) for item in items]),
        pad([item.target for item in items], batch_first=True),
        torch.tensor([len(item.target) for item in items]),
    )


Entry = tuple[int, float]  # which utterance, at which speed


class Speech(Dataset):
    """Utterances as items; `dataset[index, speed]` is one of them, spoken `speed` times as fast.

    With `keep` the samples stay in memory once read, at every speed that was asked for: 4 bytes a sample, so 230 MB an
    hour and speed at 16 kHz.
    """

    def __init__(self, utterances: Sequence[Utterance], tokenizer: Tokenizer, sample_rate: int, keep: bool = True):
        self.utterances = tuple(utterances)
        self.tokenizer = tokenizer
        self.sample_rate = sample_rate
        self.targets = [_encode(tokenizer, utterance) for utterance in self.utterances]
        self.spoken = [(0,) * len(utterance.text.split()) for utterance in self.utterances]
        self.kept: dict[Entry, Tensor] | None = {} if keep else None

    def __len__(self) -> int:
        return len(self.utterances)

    def digest(self) -> str:
        """A name for these utterances: other ids, texts or durations give another."""
        found = [(u.id, u.text, u.seconds) for u in self.utterances]
        return hashlib.sha256(repr(found).encode()).hexdigest()[:16]

    def speak(self, index: int, chosen: Sequence[int]) -> None:
        """Say which pronunciation each word of an utterance has, for a phone tokenizer; at first it is the first."""
        self.spoken[index] = tuple(chosen)
        self.targets[index] = torch.tensor(self.tokenizer.encode(self.utterances[index].text, self.spoken[index]))

    def shards(self) -> list[object] | None:
        """The tar shard that each utterance lies in; None if they are files."""
        found = [u.audio for u in self.utterances]
        return found if any(path.suffix == ".tar" for path in found) else None

    def seconds(self) -> list[float]:
        """Duration of each utterance at its own speed."""
        return [u.seconds for u in self.utterances]

    def __getitem__(self, entry: Entry) -> Item:
        index = entry[0]
        return Item(self.utterances[index].id, self._samples(entry), self.targets[index])

    def _samples(self, entry: Entry) -> Tensor:
        if self.kept is not None and entry in self.kept:
            return self.kept[entry]
        index, speed = entry
        if speed == 1.0:
            samples = torch.from_numpy(np.ascontiguousarray(self.utterances[index].load(self.sample_rate)))
        else:
            samples = speed_perturb(self._samples((index, 1.0)), speed, self.sample_rate)
        if self.kept is not None:
            self.kept[entry] = samples
        return samples


def plan_epoch(
    seconds: Sequence[float],
    batch_seconds: float,
    speeds: Sequence[float],
    seed: int,
    epoch: int,
    world: int = 1,
    shards: Sequence[object] | None = None,
) -> list[list[Entry]]:
    """The batches of one epoch: neighbours in length together, at most `batch_seconds` of padded sound each.

    Every utterance comes once, at a speed drawn from `speeds`. Lengths are jittered by a tenth so that neighbours
    change from epoch to epoch, and the batches are shuffled. A batch has at least `world` utterances, so that no
    process is without one: a smaller last batch joins the one before.
    `shards` names the shard that each utterance lies in: then the epoch goes through the shards one after the other,
    shuffled, and a batch comes from one alone.
    Raises AsrlabError if an utterance is longer than a batch may be, or there are fewer utterances than processes.
    """
    draw = random.Random(f"{seed}/{epoch}")
    members: dict[object, list[int]] = {}
    for i in range(len(seconds)):
        members.setdefault(shards[i] if shards else None, []).append(i)
    order = list(members)
    draw.shuffle(order)
    plan: list[list[Entry]] = []
    for shard in order:
        if len(members[shard]) < world:
            where = f"shard {shard}: " if shards else ""
            raise AsrlabError(f"{where}{len(members[shard])} utterances for {world} processes: use fewer processes")
        entries = [(i, draw.choice(list(speeds))) for i in members[shard]]
        plan += _bucket(entries, seconds, batch_seconds, draw, world)
    return plan


def _bucket(
    entries: list[Entry], seconds: Sequence[float], batch_seconds: float, draw: random.Random, world: int
) -> list[list[Entry]]:
    """Batches of neighbours in length, shuffled."""
    spoken = {i: seconds[i] / speed for i, speed in entries}
    jittered = {i: spoken[i] * draw.uniform(0.9, 1.1) for i in spoken}
    entries.sort(key=lambda entry: jittered[entry[0]])
    batches: list[list[Entry]] = [[]]
    longest = 0.0
    for entry in entries:
        length = spoken[entry[0]]
        longest = max(longest, length)
        if length > batch_seconds:
            raise AsrlabError(
                f"utterance {entry[0]} lasts {length:.1f} s, more than batch_seconds={batch_seconds:g}: "
                "raise batch_seconds, or cut the recording into shorter utterances"
            )
        if len(batches[-1]) >= world and longest * (len(batches[-1]) + 1) > batch_seconds:
            batches.append([])
            longest = length
        batches[-1].append(entry)
    if len(batches) > 1 and len(batches[-1]) < world:
        batches[-2:] = [batches[-2] + batches[-1]]
    draw.shuffle(batches)
    return batches


def load_batches(dataset: Speech, plan: Sequence[Sequence[Entry]], workers: int = 0) -> Iterator[Batch]:
    """The planned batches, read by `workers` processes ahead of time (0: read here, when wanted)."""
    try:
        yield from DataLoader(dataset, batch_sampler=plan, collate_fn=collate, num_workers=workers)
    except AsrlabError as error:  # from a worker it comes wrapped in a traceback
        raise AsrlabError(str(error).rpartition("AsrlabError: ")[2].strip()) from None


def _encode(tokenizer: Tokenizer, utterance: Utterance) -> Tensor:
    if not utterance.text.strip():
        raise AsrlabError(f"utterance {utterance.id!r} ({utterance.audio}): empty text; leave it out or transcribe it")
    try:
        return torch.tensor(tokenizer.encode(utterance.text))
    except AsrlabError as error:
        raise AsrlabError(f"utterance {utterance.id!r} ({utterance.audio}): {error}") from error
