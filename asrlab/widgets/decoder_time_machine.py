"""Prefix beam search to walk through, forwards and backwards: which beginnings live, merge, die and are rescued."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.language import NGram
from asrlab.pages.listen import sound, spectrogram
from asrlab.recognizer import Recognizer
from asrlab.scratch.prefix_beam import Table
from asrlab.widgets.base import Widget

FLOOR = -16.0  # nats; what is less likely is drawn and searched as if it were this likely
DIGITS = 2  # of a log-probability, nats
LONGEST = 12.0  # seconds of a recording


class DecoderTimeMachine(Widget, module="decoder_time_machine", height=(1138, 1380)):
    """One recording, frame by frame: the beginnings in the beam with their scores, and those that have just died.

    Beam, weight of the language model and word bonus can be changed; the search runs anew at once. It is
    `asrlab.scratch.prefix_beam` in JavaScript, on the recogniser's own probabilities rounded to a hundredth of a nat.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        recognizer: Recognizer,
        utterances: Sequence[Utterance],
        lm: NGram | None = None,
        titles: Sequence[str] = (),
        beam: int = 8,
        lm_weight: float = 0.0,
        word_bonus: float = 0.0,
        **options,
    ):
        """The recogniser needs a CTC head and tokens that mark words; `lm` may be another than its own.

        Raises AsrlabError for a recording of more than 12 seconds, or for tokens without word marks.
        """
        tokens = recognizer.tokenizer.tokens
        if not any(token.startswith("▁") for token in tokens):
            raise AsrlabError("these tokens do not say where words begin; pass a recogniser of letters or word pieces")
        for u in utterances:
            if u.seconds > LONGEST:
                raise AsrlabError(f"{u.id}: {u.seconds:.1f} s are too long to walk through; at most {LONGEST:g} s")
        waves = [u.load(recognizer.sample_rate) for u in utterances]
        titles = titles or [u.text for u in utterances]
        examples = [
            {
                "title": title,
                "text": u.text,
                "truth": recognizer.tokenizer.encode(u.text),
                "seconds": round(len(wave) / recognizer.sample_rate, 3),
                "log_y": rounded(log_y).tolist(),
                "sound": sound(wave, recognizer.sample_rate),
                "picture": spectrogram(wave, recognizer.sample_rate),
            }
            for u, wave, log_y, title in zip(utterances, waves, recognizer.log_probs(waves), titles, strict=True)
        ]
        super().__init__(
            data={
                "tokens": list(tokens),
                "frame_seconds": recognizer.frame_seconds,
                "examples": examples,
                "lm": table_for_page(lm) if lm else None,
                "search": {"beam": beam, "lm_weight": lm_weight, "word_bonus": word_bonus},
            },
            **options,
        )


def rounded(log_y: np.ndarray) -> np.ndarray:
    """Log-probabilities (T, V) as the page gets them."""
    return np.maximum(np.asarray(log_y, dtype=float), FLOOR).round(DIGITS)


def flat_table(lm: NGram) -> Table:
    """All n-grams of a model in one table, as `asrlab.scratch.prefix_beam.backoff` takes them."""
    return {gram: values for part in lm.entries() for gram, values in part.items()}


def table_for_page(lm: NGram) -> dict:
    """{"order": n, "grams": {"red circle": [log p, back-off weight]}}; a weight of 0 is left out, and so is -inf."""
    grams = {}
    for gram, (logp, weight) in flat_table(lm).items():
        shown = None if logp == -np.inf else round(logp, 3)
        grams[" ".join(gram)] = [shown, round(weight, 3)] if weight else [shown]
    return {"order": lm.order, "grams": grams}
