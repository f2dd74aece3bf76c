"""From utterances to padded batches: what to load together, in which order, and on which process.

A plan of batches is made once an epoch from the seed alone, the same on every process; each process then takes its
share of every batch. So any number of processes sees the same global batches in the same order, as long as each batch
has an utterance for each of them. A share can be computed in several parts, where it does not fit the memory at once.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Stream, stack
from asrlab.corpora import SOUND, Utterance
from asrlab.corpora.base import word_times
from asrlab.corpora.read import at_rate
from asrlab.signals.augment import speed_perturb
from asrlab.text import PhoneTokenizer, Tokenizer


@dataclass(frozen=True)
class Item:
    """One utterance, ready to be padded."""

    id: str
    inputs: Mapping[str, Tensor]  # modality -> (N, ...), empty where the utterance lacks it
    target: Tensor  # (L,) token ids
    path: Tensor | None = None  # (N,) the token that is said at each moment, PATH_RATE a second; None: nobody asks


@dataclass(frozen=True)
class Batch:
    """Utterances padded to a common length; the true lengths travel beside them."""

    ids: tuple[str, ...]
    inputs: Mapping[str, Stream]  # modality -> values (B, N, ...), lengths (B,)
    targets: Mapping[str, Stream]  # "text" -> token ids (B, L), lengths (B,); "path" -> token ids at each moment

    def to(self, device: torch.device | str) -> "Batch":
        """The same on another device."""
        inputs, targets = (
            {name: stream.to(device) for name, stream in streams.items()} for streams in (self.inputs, self.targets)
        )
        return Batch(self.ids, inputs, targets)

    def repeat(self, times: int) -> "Batch":
        """Every utterance so many times: all of them, then all of them again, and so on."""
        inputs, targets = (
            {name: stream.repeat(times) for name, stream in streams.items()} for streams in (self.inputs, self.targets)
        )
        return Batch(self.ids * times, inputs, targets)


def collate(items: Sequence[Item]) -> Batch:
    """Pad items to a batch."""
    inputs = {name: stack([item.inputs[name] for item in items]) for name in items[0].inputs}
    targets = {"text": stack([item.target for item in items])}
    if paths := [item.path for item in items if item.path is not None]:
        targets["path"] = stack(paths)
    return Batch(tuple(item.id for item in items), inputs, targets)


PATH_RATE = 100  # moments a second for which a path says what is said

Entry = tuple[int, float]  # which utterance, at which speed
Plan = list[Entry | None]  # a batch, over all processes; None: a gap, where one shard has fewer utterances than others


class Speech(Dataset):
    """Utterances as items; `dataset[index, speed]` is one of them, spoken `speed` times as fast.

    rates  values a second of each modality to read: {"sound": 16000, "lips": 25}
    keep   what was read stays in memory, at every speed that was asked for: of sound 4 bytes a sample, so 230 MB an
           hour and speed at 16 kHz
    paths  items also say which token is said when, from the times of the words; nothing where these are not known

    Raises AsrlabError for a text that cannot be a target, and if no utterance has one of the modalities.
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        tokenizer: Tokenizer,
        rates: Mapping[str, float],
        keep: bool = True,
        paths: bool = False,
    ):
        self.utterances = tuple(utterances)
        self.tokenizer = tokenizer
        self.rates = dict(rates)
        for modality in self.rates:
            if self.utterances and not any(modality in u.sources for u in self.utterances):
                there = sorted({name for u in self.utterances for name in u.sources})
                raise AsrlabError(
                    f"inputs.{modality}: no utterance of the corpus has {modality}, only {', '.join(there) or 'text'}; "
                    f"give inputs.{modality}=null, or another corpus"
                )
        self.targets = [_encode(tokenizer, utterance) for utterance in self.utterances]
        self.spoken = [(0,) * len(utterance.text.split()) for utterance in self.utterances]
        self.kept: dict[Entry, Mapping[str, Tensor]] | None = {} if keep else None
        self.timed = [_timed(tokenizer, utterance) for utterance in self.utterances] if paths else None

    def __len__(self) -> int:
        return len(self.utterances)

    def named(self, ids: Sequence[str]) -> list[str]:
        """Utterances as error messages name them: with the files that they lie in."""
        known = {u.id: str(u) for u in self.utterances}
        return [known[i] for i in ids]

    def speak(self, index: int, chosen: Sequence[int]) -> None:
        """Say which pronunciation each word of an utterance has, for a phone tokenizer; at first it is the first."""
        self.spoken[index] = tuple(chosen)
        self.targets[index] = torch.tensor(self.spell(index, chosen))

    def spell(self, index: int, chosen: Sequence[int]) -> list[int]:
        """Token ids of an utterance whose words are said so; tokens that are no phones know one way alone."""
        text = self.utterances[index].text
        if isinstance(self.tokenizer, PhoneTokenizer):
            return self.tokenizer.encode(text, chosen)
        return self.tokenizer.encode(text)

    def shards(self) -> Sequence[object] | None:
        """The tar shard that each utterance lies in; None if they are files."""
        found = [next((s.path for s in u.sources.values() if s.member), None) for u in self.utterances]
        return found if any(found) else None

    def seconds(self) -> list[float]:
        """Duration of each utterance at its own speed."""
        return [u.seconds for u in self.utterances]

    def __getitem__(self, entry: Entry) -> Item:
        index, speed = entry
        path = None
        if self.timed is not None:
            path = token_path(self.timed[index], self.utterances[index].seconds, speed)
        return Item(self.utterances[index].id, self._inputs(entry), self.targets[index], path)

    def _inputs(self, entry: Entry) -> Mapping[str, Tensor]:
        if self.kept is not None and entry in self.kept:
            return self.kept[entry]
        index, speed = entry
        if speed == 1.0:
            inputs = {modality: self._read(self.utterances[index], modality) for modality in self.rates}
        else:
            own = self._inputs((index, 1.0))
            inputs = {modality: self._faster(values, modality, speed) for modality, values in own.items()}
        if self.kept is not None:
            self.kept[entry] = inputs
        return inputs

    def _read(self, utterance: Utterance, modality: str) -> Tensor:
        if modality not in utterance.sources:
            return torch.zeros(0)
        return torch.from_numpy(np.ascontiguousarray(utterance.load(self.rates[modality], modality)))

    def _faster(self, values: Tensor, modality: str, speed: float) -> Tensor:
        if not len(values):
            return values
        if modality == SOUND:
            return speed_perturb(values, speed, round(self.rates[modality]))
        rate = self.rates[modality]
        return torch.from_numpy(at_rate(values.numpy(), len(values) / rate / speed, rate))

    def remember(self, entries: Sequence[Entry], batch: Batch) -> None:
        """Keep what another process has read, so that it is not read again."""
        for row, entry in enumerate(entries):
            if self.kept is not None and entry not in self.kept:
                self.kept[entry] = {
                    name: values[row, : int(lengths[row])].clone() for name, (values, lengths) in batch.inputs.items()
                }


def token_path(timed: Sequence[tuple[int, float, float]], seconds: float, speed: float = 1.0) -> Tensor:
    """Tokens with the seconds where they begin and end -> (N,) the token of each moment, `PATH_RATE` a second.

    Blank, 0, lies between them; of nothing timed comes nothing, (0,).
    """
    if not timed:
        return torch.zeros(0, dtype=torch.long)
    path = torch.zeros(max(1, round(seconds / speed * PATH_RATE)), dtype=torch.long)
    for token, start, end in timed:
        path[round(start / speed * PATH_RATE) : round(end / speed * PATH_RATE)] = token
    return path


def plan_epoch(
    seconds: Sequence[float],
    batch_seconds: float,
    speeds: Sequence[float],
    seed: int,
    epoch: int,
    world: int = 1,
    shards: Sequence[object] | None = None,
    lanes: int = 0,
) -> list[Plan]:
    """The batches of one epoch: neighbours in length together, at most `batch_seconds` of padded sound each.

    Every utterance comes once, at a speed drawn from `speeds`. Lengths are jittered by a tenth so that neighbours
    change from epoch to epoch, and the batches are shuffled. Of a batch each process takes its `share`, and no process
    is without one: a last batch too small for that joins the one before.
    `shards` names the shard that each utterance lies in: then the epoch goes through them in shuffled order, `lanes` at
    a time side by side (0: one for each process), and whatever lies in one shard is for one process. The result depends
    on the number of lanes, and not on that of the processes.
    Raises AsrlabError if an utterance is longer than a batch may be, if there are fewer utterances than processes or
    shards than lanes, if shards that meet are too unequal, and if the lanes are no multiple of the processes.
    """
    draw = random.Random(f"{seed}/{epoch}")
    if not shards:
        if len(seconds) < world:
            raise AsrlabError(f"{len(seconds)} utterances for {world} processes: use fewer processes")
        rounds = [[list(range(len(seconds)))]]
    else:
        rounds = _rounds(shards, lanes or world, world, draw)
    plan: list[Plan] = []
    for columns in rounds:
        drawn = [[(i, draw.choice(list(speeds))) for i in column] for column in columns]
        plan += _bucket(drawn, seconds, batch_seconds, draw, world)
    return plan


def share(batch: Plan, rank: int, world: int) -> list[Entry]:
    """What a process takes of a planned batch: all of them together take every entry once."""
    return [entry for entry in batch[rank::world] if entry is not None]


def in_parts(entries: list[Entry], parts: int) -> list[list[Entry]]:
    """The entries in so many parts of neighbours, equal as far as they go; none is empty, so there may be fewer."""
    count = len(entries)
    cut = [entries[k * count // parts : (k + 1) * count // parts] for k in range(parts)]
    return [part for part in cut if part]


def _rounds(shards: Sequence[object], lanes: int, world: int, draw: random.Random) -> list[list[list[int]]]:
    """Shards in shuffled order, `lanes` at a time; those left over join the last round. Each is a list of indices."""
    if lanes % world:
        raise AsrlabError(f"lanes={lanes}: {world} processes share them; give a multiple of {world}, or 0")
    members: dict[object, list[int]] = {}
    for i, shard in enumerate(shards):
        members.setdefault(shard, []).append(i)
    order = list(members)
    draw.shuffle(order)
    if len(order) < lanes:
        raise AsrlabError(f"{len(order)} shards for {lanes} lanes: write more and smaller shards, or use fewer lanes")
    rounds = [[members[shard] for shard in order[k : k + lanes]] for k in range(0, len(order) - lanes + 1, lanes)]
    for lane, shard in enumerate(order[len(rounds) * lanes :]):
        rounds[-1][lane] = rounds[-1][lane] + members[shard]
    return rounds


def _bucket(
    columns: list[list[Entry]], seconds: Sequence[float], batch_seconds: float, draw: random.Random, world: int
) -> list[Plan]:
    """Batches of neighbours in length, shuffled. The columns lie side by side in them: see `share`."""
    spoken = {i: seconds[i] / speed for column in columns for i, speed in column}
    jittered = {i: spoken[i] * draw.uniform(0.9, 1.1) for i in spoken}
    for i, length in spoken.items():
        if length > batch_seconds:
            raise AsrlabError(
                f"utterance {i} lasts {length:.1f} s, more than batch_seconds={batch_seconds:g}: "
                "raise batch_seconds, or cut the recording into shorter utterances"
            )
    for column in columns:
        column.sort(key=lambda entry: jittered[entry[0]])
    batches: list[Plan] = [[]]
    longest = 0.0
    for row in _rows(columns):
        lengths = [spoken[entry[0]] for entry in row if entry is not None]
        longest = max(longest, *lengths)
        if _for_all(batches[-1], world) and longest * (_count(batches[-1]) + len(lengths)) > batch_seconds:
            batches.append([])
            longest = max(lengths)
        batches[-1] += row
    if len(batches) > 1 and not _for_all(batches[-1], world):
        batches[-2:] = [batches[-2] + batches[-1]]
    if not _for_all(batches[0], world):
        sizes = sorted(map(len, columns))
        raise AsrlabError(f"shards of {sizes[0]} and of {sizes[-1]} utterances side by side: write them of equal size")
    draw.shuffle(batches)
    return batches


def _rows(columns: list[list[Entry]]) -> Iterator[Plan]:
    """Columns side by side, row for row; those that are shorter than the longest have gaps, evenly spread."""
    rows = max(map(len, columns))
    for k in range(rows):
        # Of a column with n entries, entry number k * n // rows comes when that number grows.
        places = [(k * len(column) // rows, (k + 1) * len(column) // rows) for column in columns]
        yield [column[a] if b > a else None for column, (a, b) in zip(columns, places, strict=True)]


def _count(batch: Plan) -> int:
    return sum(entry is not None for entry in batch)


def _for_all(batch: Plan, world: int) -> bool:
    """Whether each process has an utterance of it."""
    return all(share(batch, rank, world) for rank in range(world))


def load_batches(dataset: Speech, plan: Sequence[list[Entry]], workers: int = 0) -> Iterator[Batch]:
    """The planned batches, read by `workers` processes ahead of time (0: read here, when wanted).

    What they read is kept here, if the dataset keeps anything; once it holds all of the plan, nobody has to read ahead.
    """
    if dataset.kept is not None and all(entry in dataset.kept for entries in plan for entry in entries):
        workers = 0
    loader = DataLoader(dataset, batch_sampler=plan, collate_fn=collate, num_workers=workers)
    try:
        for entries, batch in zip(plan, loader, strict=True):
            if workers:
                dataset.remember(entries, batch)
            yield batch
    except AsrlabError as error:  # from a worker it comes wrapped in a traceback
        raise AsrlabError(str(error).rpartition("AsrlabError: ")[2].strip()) from None


def _encode(tokenizer: Tokenizer, utterance: Utterance) -> Tensor:
    if not utterance.text.strip():
        raise AsrlabError(f"{utterance}: empty text; leave it out or transcribe it")
    try:
        return torch.tensor(tokenizer.encode(utterance.text))
    except AsrlabError as error:
        raise AsrlabError(f"{utterance}: {error}") from error


def _timed(tokenizer: Tokenizer, utterance: Utterance) -> list[tuple[int, float, float]]:
    """The token of each word with its times. Raises AsrlabError if a word has more tokens than one."""
    found = []
    for word, start, end in word_times(utterance):
        tokens = tokenizer.encode(word)
        if len(tokens) != 1:
            raise AsrlabError(
                f"objectives.path: {word!r} of {utterance} is {len(tokens)} tokens, their times are not known; give "
                "tokenizer=word"
            )
        found.append((tokens[0], start, end))
    return found
