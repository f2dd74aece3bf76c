"""A recogniser measured on a corpus: every way of decoding, its error rate with interval, and all that was heard."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from asrlab import score
from asrlab.corpora import Utterance
from asrlab.errors import AsrlabError
from asrlab.recognizer import Recognizer
from asrlab.score import Interval
from asrlab.text import PhoneTokenizer


@dataclass(frozen=True)
class Evaluation:
    """What was said, and what was heard by each way of decoding."""

    references: dict[str, str]  # utterance id -> words
    hypotheses: dict[str, dict[str, str]]  # way of decoding -> utterance id -> words
    speakers: dict[str, str]  # utterance id -> speaker

    def wer(self, way: str) -> Interval:
        """Word error rate of a way of decoding, as `measure` gives it."""
        return measure(self.references, self.hypotheses[way])

    def metrics(self) -> dict[str, float]:
        """`{"wer.WAY": ..., "wer.WAY.low": ..., "wer.WAY.high": ...}`, fractions, as a receipt holds them."""
        found = {}
        for way in self.hypotheses:
            interval = self.wer(way)
            found |= {f"wer.{way}": interval.value, f"wer.{way}.low": interval.low, f"wer.{way}.high": interval.high}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def report(self, examples: int = 3) -> str:
        """The error rates and a few utterances as said and as heard, the misheard first."""
        lines = []
        for way in self.hypotheses:
            lines.append(f"{way:<12} WER {shown(self.wer(way))}")
        heard = self.hypotheses[way]
        wrong = [i for i in self.references if heard[i] != self.references[i]]
        right = [i for i in self.references if heard[i] == self.references[i]]
        for i in [*wrong[: (examples + 1) // 2], *right][:examples]:
            lines += [f"  said   {self.references[i]}", f"  heard  {heard[i]}"]
        return "\n".join(lines)


def measure(references: Mapping[str, str], hypotheses: Mapping[str, str], unit: str = "word") -> Interval:
    """Error rate, a fraction, with its 95% bootstrap interval; for one utterance alone the interval is NaN."""
    if len(references) > 1:
        return score.bootstrap(references, hypotheses, unit=unit)
    rate = score.wer if unit == "word" else score.cer
    return Interval(rate(references, hypotheses), math.nan, math.nan)


def shown(interval: Interval) -> str:
    """An error rate as text: `12.34%   95% interval 11.20% to 13.50%`."""
    between = f"   95% interval {interval.low:.2%} to {interval.high:.2%}"
    return f"{interval.value:.2%}" + ("" if math.isnan(interval.low) else between)


def ways(recognizer: Recognizer) -> dict[str, Recognizer]:
    """The ways in which a recogniser can be decoded, from the simplest to all that it has.

    `greedy` is the best path. A phone tokenizer has no words without its lexicon: there the simplest is `lexicon`, a
    beam search over the words of the lexicon.
    """
    found = {}
    if not isinstance(recognizer.tokenizer, PhoneTokenizer):
        found["greedy"] = recognizer
        found["beam"] = recognizer.with_decoder()
    if recognizer.lexicon is not None:
        found["lexicon"] = recognizer.with_decoder(lexicon=recognizer.lexicon)
    if recognizer.lm is not None:
        name = "lexicon_lm" if recognizer.lexicon is not None else "lm"
        found[name] = recognizer.with_decoder(lm=recognizer.lm, lexicon=recognizer.lexicon)
    return found


def evaluate(recognizer: Recognizer, utterances: Sequence[Utterance], progress: bool = False) -> Evaluation:
    """Decode `utterances` in every way that the recogniser offers. Raises AsrlabError if there are none."""
    if not utterances:
        raise AsrlabError("no utterances to decode: choose another split")
    outputs = recognizer.log_probs([u.load(recognizer.sample_rate) for u in utterances])
    hypotheses = {
        way: {
            u.id: decode(other, way, log_probs)
            for u, log_probs in zip(tqdm(utterances, way, disable=not progress, leave=False), outputs, strict=True)
        }
        for way, other in ways(recognizer).items()
    }
    return Evaluation({u.id: u.text for u in utterances}, hypotheses, {u.id: u.speaker for u in utterances})


def decode(recognizer: Recognizer, way: str, log_probs: np.ndarray) -> str:
    """The words in `log_probs (T, V)`."""
    return recognizer.greedy(log_probs).text if way == "greedy" else recognizer.decode(log_probs)[0].text


def dev_metrics(recognizer: Recognizer, utterances: Sequence[Utterance]) -> dict[str, float]:
    """For the training log: greedy WER (of phones, for a phone tokenizer), CER and the share of blank frames."""
    if not utterances:
        return {}
    outputs = recognizer.log_probs([u.load(recognizer.sample_rate) for u in utterances])
    said = {u.id: recognizer.spoken(u.text) for u in utterances}
    heard = {u.id: recognizer.greedy(log_probs).text for u, log_probs in zip(utterances, outputs, strict=True)}
    blank = sum(int((o.argmax(axis=1) == 0).sum()) for o in outputs) / sum(len(o) for o in outputs)
    return {"dev_wer": score.wer(said, heard), "dev_cer": score.cer(said, heard), "blank": blank}
