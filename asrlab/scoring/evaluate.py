"""A recogniser measured on a corpus: every way of decoding, its error rate with interval, and all that was heard."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from tqdm import tqdm

from asrlab.core import ranks
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.decode.attention import AttentionOptions
from asrlab.recognizer import Heard, Recognizer, Way, batches
from asrlab.scoring import score
from asrlab.scoring.journal import Journal
from asrlab.scoring.score import Interval
from asrlab.text import unspaced

T = TypeVar("T")


@dataclass(frozen=True)
class Evaluation:
    """What was said, and what was heard by each way of decoding (`Recognizer.searches`)."""

    references: dict[str, str]  # utterance id -> words
    hypotheses: dict[str, dict[str, str]]  # way of decoding -> utterance id -> words
    speakers: dict[str, str]  # utterance id -> speaker
    search: str = ""  # the way that the recogniser answers with, empty: the last

    @property
    def answers(self) -> dict[str, str]:
        """Utterance id -> words, by the recogniser's own search."""
        return self.hypotheses[self.own]

    @property
    def own(self) -> str:
        """The recogniser's own search, by name."""
        return self.search or list(self.hypotheses)[-1]

    def wer(self, way: str) -> Interval:
        """Word error rate of a way of decoding; its interval is over speakers, where there are several."""
        return self._measure(way, "word")

    @cached_property
    def unit(self) -> str:
        """What errors are counted in: "word", or "character" where words are not spaced."""
        return "character" if unspaced(self.references.values()) else "word"

    def error(self, way: str) -> Interval:
        """Error rate of a way of decoding, in words or, where they are not spaced, in characters."""
        return self._measure(way, self.unit)

    def _measure(self, way: str, unit: str) -> Interval:
        groups = self.speakers if len(set(self.speakers.values())) > 1 else None
        return score.measure(self.references, self.hypotheses[way], unit, groups=groups)

    def metrics(self) -> dict[str, float]:
        """`{"wer.WAY": ..., "wer.WAY.low": ..., "wer.WAY.high": ...}`, fractions, as a receipt holds them; `wer` is
        that of the recogniser's own search. Where words are not spaced, the same of `cer` too."""
        found: dict[str, float] = {}
        for name, unit in (("wer", "word"), ("cer", "character"))[: 2 if self.unit == "character" else 1]:
            found[name] = self._measure(self.own, unit).value
            for way in self.hypotheses:
                found |= self._measure(way, unit).as_metrics(f"{name}.{way}")
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def report(self, examples: int = 3) -> str:
        """The error rates and a few utterances as said and as heard, the misheard first."""
        lines = []
        for way in self.hypotheses:
            own = "  (its own search)" if way == self.own and len(self.hypotheses) > 1 else ""
            name = "WER" if self.unit == "word" else "CER"
            lines.append(f"{way:<12} {name} {score.shown(self.error(way))}{own}")
        heard = self.answers
        wrong = [i for i in self.references if heard[i] != self.references[i]]
        right = [i for i in self.references if heard[i] == self.references[i]]
        for i in [*wrong[: (examples + 1) // 2], *right][:examples]:
            lines += [f"  said   {self.references[i]}", f"  heard  {heard[i]}"]
        return "\n".join(lines)


def evaluate(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    progress: bool = False,
    further: Mapping[str, Way] | None = None,
    journal: Journal | None = None,
) -> Evaluation:
    """Decode `utterances` in every way that the recogniser has, and in `further` ones by name, of which the last then
    is the recogniser's answer. A minute of sound at a time is in memory. What the journal knows is not decoded again.

    Under torchrun each process decodes its share, and each gets all of the result; so all must call this.
    Raises AsrlabError if there are no utterances, or two of one id.
    """
    if not utterances:
        raise AsrlabError("no utterances to decode: choose another split")
    if len({u.id for u in utterances}) < len(utterances):
        twice = next(i for i, count in Counter(u.id for u in utterances).items() if count > 1)
        raise AsrlabError(f"two utterances have the id {twice!r}; ids must differ")
    ways = {**recognizer.searches(), **(further or {})}

    def decode(heard: Heard) -> dict[str, str]:
        return {name: way(heard).text for name, way in ways.items()}

    known = {u.id: journal.known[u.id] for u in utterances if u.id in journal.known} if journal else {}
    todo = [u for u in utterances if u.id not in known]
    found = known | of_each(recognizer, todo, decode, progress, journal.note if journal else None)
    hypotheses = {name: {u.id: found[u.id][name] for u in utterances} for name in ways}
    said, speakers = ({u.id: getattr(u, name) for u in utterances} for name in ("text", "speaker"))
    return Evaluation(said, hypotheses, speakers, list(further)[-1] if further else recognizer.search)


def of_each(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    what: Callable[[Heard], T],
    progress: bool = False,
    note: Callable[[str, T], object] | None = None,
) -> dict[str, T]:
    """`what` of every utterance as the model hears it, by id; under torchrun divided by duration among the processes,
    which all get all of it. `note` is told each as soon as it is found."""
    own = [utterances[i] for i in ranks.mine([u.seconds for u in utterances])]
    rank, world = ranks.rank_and_world()
    found: dict[str, T] = {}
    name = "decode" if world == 1 else f"decode, share of process 0 of {world}"
    with tqdm(total=len(own), desc=name, disable=rank > 0 or not progress, leave=False) as bar:
        for group in batches([u.seconds for u in own]):
            heard = recognizer.hear([recognizer.read(own[i]) for i in group])
            for i, one in zip(group, heard, strict=True):
                found[own[i].id] = what(one)
                bar.update()
                if note:
                    note(own[i].id, found[own[i].id])
    return ranks.merged(found)


def choose_search(recognizer: Recognizer, dev: Sequence[Utterance], progress: bool = False) -> str:
    """The search with the fewest errors on `dev` (see `Evaluation.unit`); of equals the simplest."""
    result = evaluate(recognizer, dev, progress)
    return min(result.hypotheses, key=lambda way: result.error(way).value)


def dev_metrics(recognizer: Recognizer, utterances: Sequence[Utterance]) -> dict[str, float]:
    """For the training log: WER of the greediest search (of phones, for a phone tokenizer), CER, `variety`, and with
    CTC the share of blank frames. Under torchrun all processes must call this.

    `variety` is how many different answers there are for each different text: near 0 all answers are alike.
    """
    if not utterances:
        return {}

    def look(heard: Heard) -> tuple[str, int, int]:
        """Text, blank frames, frames."""
        if recognizer.model.ctc is None:
            return recognizer.attend(heard, AttentionOptions(beam=1))[0].text, 0, 0
        return recognizer.greedy(heard.ctc).text, int((heard.ctc.argmax(axis=1) == 0).sum()), len(heard.ctc)

    looked = of_each(recognizer, utterances, look)
    said = {u.id: recognizer.tokenizer.spoken(u.text) for u in utterances}
    found = {u.id: looked[u.id][0] for u in utterances}
    silent, frames = sum(one[1] for one in looked.values()), sum(one[2] for one in looked.values())
    blank = {"blank": silent / frames} if frames else {}
    variety = len(set(found.values())) / len(set(said.values()))
    return {"dev_wer": score.wer(said, found), "dev_cer": score.cer(said, found), "variety": variety, **blank}
