"""A recogniser measured on a corpus: every way of decoding, its error rate with interval, and all that was heard."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tqdm import tqdm

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.decode import Hypothesis
from asrlab.decode.attention import AttentionOptions
from asrlab.recognizer import Heard, Recognizer
from asrlab.scoring import score
from asrlab.scoring.score import Interval
from asrlab.text import PhoneTokenizer


@dataclass(frozen=True)
class Evaluation:
    """What was said, and what was heard by each way of decoding."""

    references: dict[str, str]  # utterance id -> words
    hypotheses: dict[str, dict[str, str]]  # way of decoding -> utterance id -> words
    speakers: dict[str, str]  # utterance id -> speaker

    def wer(self, way: str) -> Interval:
        """Word error rate of a way of decoding, as `score.measure` gives it."""
        return score.measure(self.references, self.hypotheses[way])

    def metrics(self) -> dict[str, float]:
        """`{"wer.WAY": ..., "wer.WAY.low": ..., "wer.WAY.high": ...}`, fractions, as a receipt holds them."""
        found = {}
        for way in self.hypotheses:
            found |= self.wer(way).as_metrics(f"wer.{way}")
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def report(self, examples: int = 3) -> str:
        """The error rates and a few utterances as said and as heard, the misheard first."""
        lines = []
        for way in self.hypotheses:
            lines.append(f"{way:<12} WER {score.shown(self.wer(way))}")
        heard = self.hypotheses[way]
        wrong = [i for i in self.references if heard[i] != self.references[i]]
        right = [i for i in self.references if heard[i] == self.references[i]]
        for i in [*wrong[: (examples + 1) // 2], *right][:examples]:
            lines += [f"  said   {self.references[i]}", f"  heard  {heard[i]}"]
        return "\n".join(lines)


Way = Callable[[Heard], Hypothesis]


def ways(recognizer: Recognizer) -> dict[str, Way]:
    """The ways in which a recogniser can be decoded, from the simplest to all that it has.

    `greedy` is CTC's best path. A phone tokenizer has no words without its lexicon: there the simplest is `lexicon`, a
    beam search over the words of the lexicon. `attention` is the attention head alone, `joint` both heads together.
    """
    found: dict[str, Way] = {}
    alone = replace(recognizer.beam, word_bonus=0.0)  # the bonus makes up for what each word costs a language model
    if recognizer.model.ctc is not None:
        if not isinstance(recognizer.tokenizer, PhoneTokenizer):
            found["greedy"] = lambda heard: recognizer.greedy(heard.log_probs)
            found["beam"] = recognizer.with_decoder(alone).best
        if recognizer.lexicon is not None:
            found["lexicon"] = recognizer.with_decoder(alone, lexicon=recognizer.lexicon).best
        if recognizer.lm is not None:
            name = "lexicon_lm" if recognizer.lexicon is not None else "lm"
            found[name] = recognizer.with_decoder(lm=recognizer.lm, lexicon=recognizer.lexicon).best
    if recognizer.model.decoder is not None:
        found["attention"] = lambda heard: recognizer.attend(heard, joint=False)[0]
        if recognizer.model.ctc is not None:
            found["joint"] = lambda heard: recognizer.attend(heard)[0]
    return found


def evaluate(recognizer: Recognizer, utterances: Sequence[Utterance], progress: bool = False) -> Evaluation:
    """Decode `utterances` in every way that the recogniser offers. Raises AsrlabError if there are none."""
    if not utterances:
        raise AsrlabError("no utterances to decode: choose another split")
    everything = recognizer.hear([u.load(recognizer.sample_rate) for u in utterances])
    hypotheses = {
        name: {
            u.id: way(heard).text
            for u, heard in zip(tqdm(utterances, name, disable=not progress, leave=False), everything, strict=True)
        }
        for name, way in ways(recognizer).items()
    }
    return Evaluation({u.id: u.text for u in utterances}, hypotheses, {u.id: u.speaker for u in utterances})


def dev_metrics(recognizer: Recognizer, utterances: Sequence[Utterance]) -> dict[str, float]:
    """For the training log: WER of the greediest search (of phones, for a phone tokenizer), CER, and with CTC the share
    of blank frames."""
    if not utterances:
        return {}
    everything = recognizer.hear([u.load(recognizer.sample_rate) for u in utterances])
    said = {u.id: recognizer.spoken(u.text) for u in utterances}
    blank = {}
    if recognizer.model.ctc is not None:
        answers = [recognizer.greedy(heard.log_probs) for heard in everything]
        silent = sum(int((heard.log_probs.argmax(axis=1) == 0).sum()) for heard in everything)
        blank = {"blank": silent / sum(len(heard.log_probs) for heard in everything)}
    else:
        answers = [recognizer.attend(heard, AttentionOptions(beam=1))[0] for heard in everything]
    found = {u.id: answer.text for u, answer in zip(utterances, answers, strict=True)}
    return {"dev_wer": score.wer(said, found), "dev_cer": score.cer(said, found), **blank}
