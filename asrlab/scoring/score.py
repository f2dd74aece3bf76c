"""Error rates with their uncertainty: WER and CER, confusions, the bootstrap, tables by group; alignments to look at.

Everywhere `references` and `hypotheses` are two dictionaries {utterance id: text} with the same ids, or two sequences
of texts in the same order, or two single texts. Texts are compared as they are, split at white space: normalise first.
Rates are fractions of the reference's words (or characters, spaces between words included) and can exceed 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.core.files import shown as shown_text
from asrlab.scoring.edits import Op, align, display_width, pad, to_html, to_text

if TYPE_CHECKING:
    from asrlab.corpora import Utterance

__all__ = [
    "Comparison", "Confusion", "Errors", "GroupRow", "Interval", "Op", "align", "bootstrap", "by_tag", "cer",
    "confusions", "errors", "format_table", "paired_bootstrap", "tag_values", "to_html", "to_text", "wer",
]  # fmt: skip

Texts = Mapping[str, str] | Sequence[str] | str


@dataclass(frozen=True)
class Errors:
    """Errors of one or many utterances; they add up with `+`."""

    substitutions: int = 0  # units replaced by another
    deletions: int = 0  # units of the reference that are missing
    insertions: int = 0  # units of the hypothesis that nobody said
    length: int = 0  # units (words or characters) of the reference

    @property
    def total(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        return self.total / self.length

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.length + other.length,
        )


@dataclass(frozen=True)
class Confusion:
    """How often a reference unit was misrecognised as another; None stands for nothing (a deletion or an insertion)."""

    reference: str | None
    hypothesis: str | None
    count: int


@dataclass(frozen=True)
class Interval:
    """An error rate with its bootstrap interval, all three as fractions."""

    value: float
    low: float
    high: float

    def as_metrics(self, name: str) -> dict[str, float]:
        """As receipts hold it: `{"NAME": ..., "NAME.low": ..., "NAME.high": ...}`."""
        return {name: self.value, f"{name}.low": self.low, f"{name}.high": self.high}

    @classmethod
    def from_metrics(cls, metrics: Mapping[str, float], name: str) -> Interval:
        """The interval that a receipt's metrics hold under `name`. Raises KeyError if there is none."""
        return cls(metrics[name], metrics[f"{name}.low"], metrics[f"{name}.high"])


@dataclass(frozen=True)
class Comparison:
    """A paired bootstrap of two systems on the same utterances. Negative differences mean that the system is better."""

    baseline: float  # error rate of the baseline
    system: float  # error rate of the system
    difference: float  # system - baseline
    low: float  # interval of the difference
    high: float
    probability_of_improvement: float  # share of the resampled test sets on which the system makes fewer errors


@dataclass(frozen=True)
class GroupRow:
    """One line of a table by group."""

    group: str  # the speaker, the accent, ...
    utterances: int
    errors: Errors
    interval: Interval | None  # None for one utterance: resampling it says nothing

    @property
    def rate(self) -> float:
        return self.errors.rate


# --- counting -------------------------------------------------------------------------------------


def wer(references: Texts, hypotheses: Texts) -> float:
    """Word error rate, a fraction: all errors over all reference words.

    Raises AsrlabError for ids or lengths that do not match, and for an empty reference."""
    return _sum(errors(references, hypotheses).values()).rate


def cer(references: Texts, hypotheses: Texts) -> float:
    """Character error rate, a fraction; the space between two words counts as a character. Raises as `wer`."""
    return _sum(errors(references, hypotheses, unit="character").values()).rate


def errors(references: Texts, hypotheses: Texts, unit: str = "word") -> dict[Hashable, Errors]:
    """The errors of each utterance, {id or position: Errors}, in the references' order; unit: "word" or "character"."""
    counts = {}
    for key, reference, hypothesis in zip(*_paired(references, hypotheses), strict=True):
        if not reference:
            raise AsrlabError(
                f"utterance {key!r}: the reference is empty, so its error rate is undefined; leave the utterance out"
            )
        kinds = Counter(op.kind for op in align(reference, hypothesis, unit))
        length = kinds["equal"] + kinds["substitute"] + kinds["delete"]
        counts[key] = Errors(kinds["substitute"], kinds["delete"], kinds["insert"], length)
    return counts


def confusions(references: Texts, hypotheses: Texts, unit: str = "word", correct: bool = False) -> list[Confusion]:
    """What was misrecognised as what, most frequent first (then by spelling); correct=True counts the right too."""
    pairs: Counter[tuple[str | None, str | None]] = Counter()
    for _, reference, hypothesis in zip(*_paired(references, hypotheses), strict=True):
        for op in align(reference, hypothesis, unit):
            if correct or op.kind != "equal":
                pairs[op.reference, op.hypothesis] += 1
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0][0] or "", item[0][1] or ""))
    return [Confusion(reference, hypothesis, count) for (reference, hypothesis), count in ordered]


# --- uncertainty ----------------------------------------------------------------------------------


def bootstrap(
    references: Texts,
    hypotheses: Texts,
    groups: Mapping[str, Hashable] | Sequence[Hashable] | None = None,
    unit: str = "word",
    samples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The error rate and its percentile bootstrap interval (Bisani & Ney, ICASSP 2004).

    groups  {id: speaker} (or a sequence beside sequences): whole speakers are drawn instead of utterances, since errors
            of one voice come together. With fewer than about 20 speakers the interval is too narrow all the same.

    Without a single error there is nothing to resample: there the upper end is Wilson's (1927), as if the words were
    independent. The same test set gives the same interval in whatever order its utterances come.
    """
    counts = errors(references, hypotheses, unit)
    blocks = _blocks(np.array([[e.total, e.length] for e in counts.values()]), counts, groups)
    total = _sum(counts.values())
    if total.total == 0:
        z = NormalDist().inv_cdf(0.5 + confidence / 2)
        return Interval(0.0, 0.0, z**2 / (total.length + z**2))
    drawn = _resample(blocks, samples, seed)
    low, high = _percentiles(drawn[:, 0] / drawn[:, 1], confidence)
    return Interval(total.rate, low, high)


def measure(
    references: Texts,
    hypotheses: Texts,
    unit: str = "word",
    groups: Mapping[str, Hashable] | Sequence[Hashable] | None = None,
) -> Interval:
    """The error rate with its 95% bootstrap interval; of one utterance alone the interval is NaN. Raises as `wer`.

    groups  as in `bootstrap`
    """
    if len(references) > 1:
        return bootstrap(references, hypotheses, groups, unit)
    return Interval(_sum(errors(references, hypotheses, unit).values()).rate, math.nan, math.nan)


def shown(interval: Interval) -> str:
    """What `measure` found, as text: `12.34%   95% interval 11.20% to 13.50%`."""
    between = "" if math.isnan(interval.low) else f"   95% interval {interval.low:.2%} to {interval.high:.2%}"
    return f"{interval.value:.2%}{between}"


def paired_bootstrap(
    references: Texts,
    baseline: Texts,
    system: Texts,
    groups: Mapping[str, Hashable] | Sequence[Hashable] | None = None,
    unit: str = "word",
    samples: int = 10_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Is `system` better than `baseline`? Both are scored on the same resampled test sets (Bisani & Ney, ICASSP 2004).

    What makes an utterance hard for both cancels out: a difference can be certain where the two intervals overlap.
    A resampled set on which both make as many errors counts one half, so that two equal systems are at 0.5.
    `groups` as in `bootstrap`.
    """
    before, after = errors(references, baseline, unit), errors(references, system, unit)
    table = np.array([[b.total, after[key].total, b.length] for key, b in before.items()])
    drawn = _resample(_blocks(table, before, groups), samples, seed)
    differences = (drawn[:, 1] - drawn[:, 0]) / drawn[:, 2]
    low, high = _percentiles(differences, confidence)
    first, second = _sum(before.values()).rate, _sum(after.values()).rate
    improvement = float(np.mean(differences < 0) + 0.5 * np.mean(differences == 0))
    return Comparison(first, second, second - first, low, high, improvement)


def _blocks(
    table: np.ndarray, counts: Collection[Hashable], groups: Mapping[str, Hashable] | Sequence[Hashable] | None
) -> np.ndarray:
    """Rows of counts added up by group, in an order that depends on the counts alone."""
    if groups is not None:
        labels = list(_labels(counts, groups, "groups").values())
        index = {label: k for k, label in enumerate(dict.fromkeys(labels))}
        sums = np.zeros((len(index), table.shape[1]), dtype=table.dtype)
        np.add.at(sums, [index[label] for label in labels], table)
        table = sums
    if len(table) < 2:
        what = "utterance" if groups is None else "group"
        raise AsrlabError(f"bootstrap over {len(table)} {what}: resampling it says nothing; pass at least two")
    return table[np.lexsort(table.T)]


def _resample(blocks: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """(samples, columns): column sums over as many blocks as there are, drawn with replacement."""
    if samples < 1:
        raise AsrlabError(f"bootstrap: samples={samples}; pass at least 1, for a published interval 10,000")
    generator = np.random.default_rng(seed)
    drawn = np.empty((samples, blocks.shape[1]), dtype=np.int64)
    step = max(1, 2_000_000 // len(blocks))  # 16 MB of indices at a time
    for start in range(0, samples, step):
        chosen = generator.integers(len(blocks), size=(min(step, samples - start), len(blocks)))
        for column, values in enumerate(blocks.T):
            drawn[start : start + len(chosen), column] = values[chosen].sum(axis=1)
    return drawn


def _percentiles(values: np.ndarray, confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise AsrlabError(f"bootstrap: confidence={confidence}; pass a share between 0 and 1, such as 0.95")
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


# --- by group -------------------------------------------------------------------------------------


def tag_values(utterances: Iterable[Utterance], name: str) -> dict[str, str]:
    """{utterance id: its speaker or the value of a tag}; name: "speaker" or the tag's ("accent", "snr", ...)."""
    values = {}
    for utterance in utterances:
        if name != "speaker" and name not in utterance.tags:
            known = ", ".join(["speaker", *sorted(utterance.tags)])
            raise AsrlabError(f"utterance {utterance.id!r} has no tag {name!r}; it has {known}")
        values[utterance.id] = utterance.speaker if name == "speaker" else str(utterance.tags[name])
    return values


def by_tag(
    references: Texts,
    hypotheses: Texts,
    tags: Mapping[str, Hashable] | Sequence[Hashable],
    unit: str = "word",
    samples: int = 2_000,
    seed: int = 0,
) -> list[GroupRow]:
    """The error rate of each group of utterances, in the groups' alphabetical order.

    tags  {id: group} from `tag_values` (or a sequence beside sequences)

    The worst group is `max(rows, key=lambda row: row.rate)`; `format_table` prints the rows.
    """
    counts = errors(references, hypotheses, unit)
    members: dict[str, list[Errors]] = {}
    for key, label in _labels(counts, tags, "tags").items():
        members.setdefault(str(label), []).append(counts[key])
    rows = []
    for group, found in sorted(members.items()):
        interval = None
        if len(found) > 1:
            table = np.array([[e.total, e.length] for e in found])
            drawn = _resample(table[np.lexsort(table.T)], samples, seed)
            interval = Interval(_sum(found).rate, *_percentiles(drawn[:, 0] / drawn[:, 1], 0.95))
        rows.append(GroupRow(group, len(found), _sum(found), interval))
    return rows


def format_table(rows: Sequence[GroupRow], title: str = "group", unit: str = "words", markdown: bool = False) -> str:
    """Rows as an aligned text table, rates in per cent, with a last line for all; markdown=True for a page."""
    header = [shown_text(title), "utterances", unit, "sub", "del", "ins", "error %", "95% interval"]
    total = GroupRow("all", sum(row.utterances for row in rows), _sum(row.errors for row in rows), None)
    lines = [header]
    for row in [*rows, total] if len(rows) > 1 else rows:
        e, interval = row.errors, "-"
        if row.interval is not None:
            interval = f"{100 * row.interval.low:.1f} - {100 * row.interval.high:.1f}"
        numbers = (row.utterances, e.length, e.substitutions, e.deletions, e.insertions)
        lines.append([shown_text(row.group), *map(str, numbers), f"{100 * row.rate:.1f}", interval])
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(header))]
    padded = [
        [pad(cell, width, left=column == 0) for column, (cell, width) in enumerate(zip(line, widths, strict=True))]
        for line in lines
    ]
    if not markdown:
        return "\n".join("  ".join(line).rstrip() for line in padded)
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [padded[0], rule, *padded[1:]])


# --- input ----------------------------------------------------------------------------------------


def _paired(references: Texts, hypotheses: Texts) -> tuple[list[Hashable], list[str], list[str]]:
    """Ids and both sides' texts, white space evened out, in the references' order."""
    ids: list[Hashable]
    if isinstance(references, Mapping) and isinstance(hypotheses, Mapping):
        _same_ids(references, hypotheses, "hypotheses")
        ids = list(references)
        pairs = [(text, hypotheses[key]) for key, text in references.items()]
    elif isinstance(references, Mapping) or isinstance(hypotheses, Mapping):
        raise AsrlabError(
            f"references are a {type(references).__name__} and hypotheses a {type(hypotheses).__name__};"
            " pass two dictionaries {id: text} or two sequences"
        )
    else:
        said = [references] if isinstance(references, str) else list(references)
        heard = [hypotheses] if isinstance(hypotheses, str) else list(hypotheses)
        if len(said) != len(heard):
            raise AsrlabError(f"{len(said)} references, {len(heard)} hypotheses; pass one for each")
        ids, pairs = list(range(len(said))), list(zip(said, heard, strict=True))
    if not ids:
        raise AsrlabError("no utterance to score: references and hypotheses are empty; pass at least one")
    for key, pair in zip(ids, pairs, strict=True):
        for text in pair:
            if not isinstance(text, str):
                raise AsrlabError(f"utterance {key!r}: {text!r} is {type(text).__name__}, expected a text")
    return ids, [" ".join(said.split()) for said, _ in pairs], [" ".join(heard.split()) for _, heard in pairs]


def _same_ids(references: Collection[Hashable], others: Collection[Hashable], what: str) -> None:
    missing = [key for key in references if key not in others]
    unknown = [key for key in others if key not in references]
    if missing:
        raise AsrlabError(f"{what} lack {len(missing)} of {len(references)} utterances ({_some(missing)}); add them")
    if unknown:
        raise AsrlabError(f"{what} have {len(unknown)} utterances that nobody asked for ({_some(unknown)}); drop them")


def _labels(
    counts: Collection[Hashable], labels: Mapping[Any, Hashable] | Sequence[Hashable], what: str
) -> dict[Hashable, Hashable]:
    """{utterance id: label}; a dictionary may know more utterances than are scored."""
    if isinstance(labels, Mapping):
        _same_ids(counts, {key: labels[key] for key in counts if key in labels}, what)
        return {key: labels[key] for key in counts}
    if len(labels) != len(counts):
        raise AsrlabError(f"{len(labels)} {what} for {len(counts)} utterances; pass one for each")
    return dict(zip(counts, labels, strict=True))


def _some(ids: Sequence[Hashable]) -> str:
    return ", ".join(map(repr, ids[:3])) + (", ..." if len(ids) > 3 else "")


def _sum(found: Iterable[Errors]) -> Errors:
    return sum(found, Errors())
