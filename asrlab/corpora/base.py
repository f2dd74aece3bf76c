"""The vocabulary that every corpus shares: sources, an utterance that has some, a corpus of utterances in splits."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.signals.mouth import MouthOptions

SOUND = "sound"  # the modality that most corpora have; others: lips, scene


@dataclass(frozen=True)
class Source:
    """Where one modality of an utterance lies: a stretch of a file. `corpora.read` gives what is there."""

    path: Path  # a recording, a film, an array of frames (.npy), or a tar shard of many
    start: float = 0.0  # where in the file it begins, in seconds
    seconds: float | None = None  # how long it is, None: to the end of the file
    member: str = ""  # the file inside, for a tar shard
    mouth: MouthOptions | None = None  # of lips in a film: what is cut out, None: as a film's mouth usually is


@dataclass(frozen=True)
class Utterance:
    """Who said what, and where it lies. Holds no samples: `load()` reads them when they are wanted."""

    id: str  # unique in its corpus
    text: str  # what was said, already normalised
    speaker: str  # unique in its corpus; splits by speaker go by this
    seconds: float  # how long it is
    sources: Mapping[str, Source] = field(default_factory=dict, hash=False)  # modality -> where; none for text alone
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)  # accent, voice, ...: what scores group by
    notes: Mapping[str, str] = field(default_factory=dict, hash=False)  # meaning, phones with times, ...

    @classmethod
    def recorded(
        cls,
        id: str,
        path: Path,
        text: str,
        speaker: str,
        seconds: float,
        start: float = 0.0,
        tags: Mapping[str, str] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> Utterance:
        """An utterance of sound alone: `seconds` of the file `path`, from `start` on."""
        sources = {SOUND: Source(path, start, seconds)}
        return cls(id, text, speaker, seconds, sources, dict(tags or {}), dict(notes or {}))

    def source(self, modality: str = SOUND) -> Source:
        """Where a modality of this utterance lies. Raises AsrlabError naming what there is."""
        if modality not in self.sources:
            there = ", ".join(self.sources) or "text alone"
            raise AsrlabError(f"utterance {self.id!r}: has no {modality} ({there}); choose another corpus or modality")
        return self.sources[modality]

    def load(self, rate: float = 16000, modality: str = SOUND) -> np.ndarray:
        """What this utterance alone holds of a modality at `rate` a second, as `corpora.read` gives it: of sound the
        samples, float32 (N,) in [-1, 1], mono.

        Raises AsrlabError for a modality that it does not have, and naming the file if that is missing, holds something
        else, or ends before the utterance does.
        """
        from asrlab.corpora.read import read

        return read(self.source(modality), modality, rate)

    def moved(self, source: Source, modality: str = SOUND, **changes) -> Utterance:
        """The same utterance, with what it holds of a modality in another place; `changes` are further fields."""
        return replace(self, sources={**self.sources, modality: source}, **changes)

    def __str__(self) -> str:
        where = ", ".join(str(source.path) for source in self.sources.values())
        return f"utterance {self.id!r} ({where or 'text alone'})"


@dataclass(frozen=True)
class Corpus:
    """Utterances in named splits, one sample rate, and a pronunciation lexicon where the corpus has one."""

    name: str  # as in `corpora.load(name)`
    splits: Mapping[str, tuple[Utterance, ...]]  # split name -> utterances, in a fixed order
    sample_rate: int  # Hz, of the recordings as published
    lexicon: Mapping[str, tuple[tuple[str, ...], ...]] | None = None  # word -> its pronunciations, the commonest first

    def __getitem__(self, split: str) -> tuple[Utterance, ...]:
        if split not in self.splits:
            raise AsrlabError(f"corpus {self.name!r} has no split {split!r}; it has {', '.join(self.splits)}")
        return self.splits[split]

    def seconds(self, split: str) -> float:
        """Total duration of a split in seconds."""
        return float(sum(u.seconds for u in self[split]))

    def speakers(self, split: str) -> tuple[str, ...]:
        """The distinct speakers of a split, sorted."""
        return tuple(sorted({u.speaker for u in self[split]}))

    def word_counts(self, split: str) -> Counter[str]:
        """How often each word occurs in a split."""
        return Counter(word for u in self[split] for word in u.text.split())

    def words(self, split: str) -> tuple[str, ...]:
        """The distinct words of a split, sorted: its vocabulary."""
        return tuple(sorted(self.word_counts(split)))

    def summary(self) -> str:
        """One line a split: utterances, minutes, speakers, words."""
        return "\n".join(
            f"{self.name} {split}: {len(self[split])} utterances, {self.seconds(split) / 60:.1f} min, "
            f"{len(self.speakers(split))} speakers, {sum(self.word_counts(split).values())} words "
            f"({len(self.words(split))} distinct)"
            for split in self.splits
        )


def header(path: Path) -> tuple[float, int]:
    """(seconds, sample rate in Hz) of an audio file, from its header alone, or of the sound of a film.

    Raises AsrlabError naming the file if it is missing, is neither or holds no sample.
    """
    from asrlab.signals import audio, video

    if video.is_video(path):
        film = video.info(path)
        if not film.sample_rate:
            raise AsrlabError(f"{path}: a film without sound; name it under sources as lips, and its sound as audio")
        return film.seconds, film.sample_rate

    info = audio.info(path)
    if info.frames == 0:
        raise AsrlabError(f"{path}: holds no samples; record it again, or take the file out of the list")
    return info.seconds, info.sample_rate


WORDS = "words"  # the note that holds the times of the words


def note_of_times(words: Iterable[tuple[str, float, float]]) -> str:
    """Words with the seconds where they begin and end, as a note of an utterance: "bin 0.95 1.18, blue 1.18 1.36"."""
    return ", ".join(f"{word} {start:g} {end:g}" for word, start, end in words)


def word_times(utterance: Utterance) -> list[tuple[str, float, float]]:
    """(word, start, end) in seconds of every word, from the note `words`; none where there is no such note.

    Raises AsrlabError naming the utterance if the note is written otherwise, or holds other words than its text.
    """
    note = utterance.notes.get(WORDS, "")
    try:
        found = [(word, float(start), float(end)) for word, start, end in (x.split() for x in note.split(",") if x)]
    except ValueError:
        found = [(note, 0.0, -1.0)]
    sane = all(0 <= start <= end for _, start, end in found)
    if note and not (sane and [word for word, *_ in found] == utterance.text.split()):
        raise AsrlabError(
            f"{utterance}: the note {WORDS} is {note[:80]!r}; expected 'WORD START END, ...' in seconds for each word "
            f"of {utterance.text!r}"
        )
    return found


def hold_out_speakers(
    utterances: tuple[Utterance, ...], count: int
) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    """(kept, held out): takes `count` speakers out, evenly spaced in the sorted list of speakers.

    The choice depends on the names alone, so it is the same on every machine; another count gives another set.
    Raises AsrlabError unless 0 <= count < number of speakers.
    """
    speakers = sorted({u.speaker for u in utterances})
    if not 0 <= count < max(len(speakers), 1):
        raise AsrlabError(f"dev_speakers={count}: must be at least 0 and below the {len(speakers)} speakers of train")
    chosen = {speakers[(2 * i + 1) * len(speakers) // (2 * count)] for i in range(count)}
    return tuple(u for u in utterances if u.speaker not in chosen), tuple(u for u in utterances if u.speaker in chosen)


def draw_speakers(utterances: tuple[Utterance, ...], seed: int) -> tuple[tuple[Utterance, ...], tuple[Utterance, ...]]:
    """(train, test): one speaker in six, drawn with the seed, is in test. The same on every machine; the order of the
    utterances does not matter. Raises AsrlabError for fewer than two speakers, or a seed below 0."""
    speakers = sorted({u.speaker for u in utterances})
    if len(speakers) < 2 or seed < 0:
        raise AsrlabError(f"split_seed={seed}: takes a seed of 0 or more, and two speakers; there are {len(speakers)}")
    chosen = set(random.Random(seed).sample(speakers, max(1, round(len(speakers) / 6))))
    return tuple(u for u in utterances if u.speaker not in chosen), tuple(u for u in utterances if u.speaker in chosen)
