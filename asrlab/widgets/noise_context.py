"""Turn up the noise: what a recogniser reads from the sound alone, and what words and a language model make of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.pages.listen import sound, spectrogram
from asrlab.pages.names import voice
from asrlab.recognizer import Recognizer
from asrlab.scoring import score
from asrlab.signals.effects import add_noise
from asrlab.widgets.base import Widget

LEVELS = (None, 20, 15, 12, 10, 8, 6, 4, 2, 0, -5)  # dB of the voice over the noise; None is without noise
LOUDEST = 0.9  # of what is played


class NoiseContext(Widget, module="noise_context", height=(546, 588)):
    """A slider for noise, a recording to hear with it, and the words of a recogniser with and without its context.

    The answers are the recogniser's own, for every level: the best path over its tokens, and its search with lexicon
    and language model. The page mixes sound and noise as they were mixed for the recogniser.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, recognizer: Recognizer, utterance: Utterance, levels: Sequence[int | None] = LEVELS, **options):
        """levels  dB of the voice over the noise, from quiet to loud. Raises AsrlabError without a CTC head."""
        samples, noise = utterance.load(recognizer.sample_rate), white(utterance, recognizer.sample_rate)
        rate = recognizer.sample_rate
        heard = answers(recognizer, utterance, levels)
        shown = []
        for level, (alone, context) in zip(levels, heard, strict=True):
            mixture = mixed(samples, noise, level)
            gain = 0.0 if level is None else float(np.sqrt(np.mean((mixture - samples) ** 2) / np.mean(noise**2)))
            texts = {"alone": alone, "context": context}
            shown.append(
                {
                    "db": level,
                    "gain": round(gain, 5),
                    "picture": spectrogram(mixture, rate),
                    **{name: _operations(utterance.text, text) for name, text in texts.items()},
                }
            )
        rescued = [k for k, (alone, context) in enumerate(heard) if alone != utterance.text == context]
        super().__init__(
            data={
                "said": utterance.text, "voice": voice(utterance.speaker), "rate": rate, "levels": shown,
                "start": rescued[-1] if rescued else 0, "loudest": LOUDEST,
                "sound": sound(samples, rate), "noise": sound(noise, rate),
            },
            **options,
        )  # fmt: skip


def white(utterance: Utterance, rate: int) -> np.ndarray:
    """Noise for a recording, always the same: (N,), as loud as 16 bits hold without clipping."""
    noise = np.random.default_rng(0).normal(size=len(utterance.load(rate)))
    return (np.clip(0.25 * noise, -1, 1)).astype(np.float32)


def mixed(samples: np.ndarray, noise: np.ndarray, level: int | None) -> np.ndarray:
    return samples if level is None else add_noise(samples, noise, level)


def answers(
    recognizer: Recognizer, utterance: Utterance, levels: Sequence[int | None] = LEVELS
) -> list[tuple[str, str]]:
    """(best path, best of the search) at each level, as texts."""
    if recognizer.model.ctc is None:
        raise AsrlabError("this recogniser has no CTC head, so there is no best path; pass one that has")
    samples, noise = utterance.load(recognizer.sample_rate), white(utterance, recognizer.sample_rate)
    found = recognizer.log_probs([mixed(samples, noise, level) for level in levels])
    searched = [recognizer.decode(one)[0].text for one in found]
    return [(recognizer.greedy(one).text, text) for one, text in zip(found, searched, strict=True)]


def telling(recognizer: Recognizer, utterances: Sequence[Utterance]) -> Utterance:
    """Of recordings that are right without noise, the one whose words the context saves at the most levels."""

    def saved(utterance: Utterance) -> int:
        heard = answers(recognizer, utterance)
        if heard[0] != (utterance.text, utterance.text):
            return -1
        return sum(alone != utterance.text == context for alone, context in heard)

    return max(utterances, key=saved)


def _operations(said: str, heard: str) -> list[list[str | None]]:
    return [[op.kind, op.reference, op.hypothesis] for op in score.align(said, heard)]
