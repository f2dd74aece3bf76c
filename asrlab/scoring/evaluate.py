"""A recogniser measured on a corpus: every way of decoding, its error rate with interval, and all that was heard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tqdm import tqdm

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.decode.attention import AttentionOptions
from asrlab.recognizer import Recognizer, Way
from asrlab.scoring import score
from asrlab.scoring.score import Interval


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
        groups = self.speakers if len(set(self.speakers.values())) > 1 else None
        return score.measure(self.references, self.hypotheses[way], groups=groups)

    def metrics(self) -> dict[str, float]:
        """`{"wer.WAY": ..., "wer.WAY.low": ..., "wer.WAY.high": ...}`, fractions, as a receipt holds them; `wer` is
        that of the recogniser's own search."""
        found = {"wer": self.wer(self.own).value}
        for way in self.hypotheses:
            found |= self.wer(way).as_metrics(f"wer.{way}")
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def report(self, examples: int = 3) -> str:
        """The error rates and a few utterances as said and as heard, the misheard first."""
        lines = []
        for way in self.hypotheses:
            own = "  (its own search)" if way == self.own and len(self.hypotheses) > 1 else ""
            lines.append(f"{way:<12} WER {score.shown(self.wer(way))}{own}")
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
) -> Evaluation:
    """Decode `utterances` in every way that the recogniser has, and in `further` ones by name, of which the last then
    is the recogniser's answer. Raises AsrlabError if there are no utterances."""
    if not utterances:
        raise AsrlabError("no utterances to decode: choose another split")
    everything = recognizer.hear([recognizer.read(u) for u in utterances])
    hypotheses = {
        name: {
            u.id: way(heard).text
            for u, heard in zip(tqdm(utterances, name, disable=not progress, leave=False), everything, strict=True)
        }
        for name, way in {**recognizer.searches(), **(further or {})}.items()
    }
    said, speakers = ({u.id: getattr(u, name) for u in utterances} for name in ("text", "speaker"))
    return Evaluation(said, hypotheses, speakers, list(further)[-1] if further else recognizer.search)


def choose_search(recognizer: Recognizer, dev: Sequence[Utterance], progress: bool = False) -> str:
    """The search with the fewest word errors on `dev`; of equals the simplest."""
    result = evaluate(recognizer, dev, progress)
    return min(result.hypotheses, key=lambda way: result.wer(way).value)


def dev_metrics(recognizer: Recognizer, utterances: Sequence[Utterance]) -> dict[str, float]:
    """For the training log: WER of the greediest search (of phones, for a phone tokenizer), CER, and with CTC the share
    of blank frames."""
    if not utterances:
        return {}
    everything = recognizer.hear([recognizer.read(u) for u in utterances])
    said = {u.id: recognizer.tokenizer.spoken(u.text) for u in utterances}
    blank: dict[str, float] = {}
    if recognizer.model.ctc is not None:
        answers = [recognizer.greedy(heard.ctc) for heard in everything]
        silent = sum(int((heard.ctc.argmax(axis=1) == 0).sum()) for heard in everything)
        blank = {"blank": silent / sum(len(heard.ctc) for heard in everything)}
    else:
        answers = [recognizer.attend(heard, AttentionOptions(beam=1))[0] for heard in everything]
    found = {u.id: answer.text for u, answer in zip(utterances, answers, strict=True)}
    return {"dev_wer": score.wer(said, found), "dev_cer": score.cer(said, found), **blank}
