"""The lattice of CTC and the grid of the transducer: walk a path, and watch the tables add all paths up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.pages.listen import sound
from asrlab.widgets.base import Widget

BLANK, OTHERS = "∅", "…"
MOST_FRAMES = 14  # that the picture has room for
DIGITS = 3  # of a log-probability, nats
FLOOR = -18.0  # nats; what is less likely is shown as if it were this likely
ALPHABET = (BLANK, *"aceht")  # of the probabilities that no recording gives
INVENTED = (("undecided", "undecided", "cat"), ("peaks", "peaks", "cat"), ("chance", "by chance", "tee"))


@dataclass(frozen=True)
class Heard:
    """A word as a recogniser heard it."""

    name: str  # on the menu
    text: str  # the word, in letters of `tokens`
    tokens: tuple[str, ...]  # V, the blank first
    log_y: np.ndarray  # (T, V), nats
    samples: np.ndarray | None = None  # (N,) in [-1, 1], to be heard
    sample_rate: int = 16000  # Hz


def narrow(log_y: np.ndarray, tokens: Sequence[str], text: str) -> tuple[tuple[str, ...], np.ndarray]:
    """(tokens, log_y) with the blank, the letters of `text` in order, and all other tokens added up as one.

    log_y (T, V), nats; `text` as a word, whose first letter stands as "▁s" among the tokens. Raises AsrlabError for a
    letter that is not there.
    """
    names = ["▁" + text[0], *text[1:]]
    for name in names:
        if name not in tokens:
            raise AsrlabError(f"{text!r}: {name!r} is no token; pass a word that the recogniser can spell")
    letters = sorted(dict.fromkeys(names), key=names.index)
    shown = [name.removeprefix("▁") for name in letters]
    if len(set(shown)) < len(shown):
        raise AsrlabError(f"{text!r}: its first letter comes again, as another token; pass another word")
    kept = [0, *(list(tokens).index(name) for name in letters)]
    rest = np.delete(np.asarray(log_y, dtype=float), kept, axis=1)
    folded = np.column_stack([log_y[:, kept], np.logaddexp.reduce(rest, axis=1)])
    return (BLANK, *shown, OTHERS), folded


class CtcLattice(Widget, module="ctc_lattice", height=(1166, 1692)):
    """Probabilities, a text, and every path that reads it: one to walk, all of them to add up.

    Shows the forward and the backward table step by step, the share of the paths at each node and the gradient, for
    CTC and for the transducer. The arithmetic is `asrlab.scratch.ctc` and `asrlab.scratch.transducer` in JavaScript.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, recordings: Sequence[Heard] = (), **options):
        """Raises AsrlabError for a recording of no frame or of more than 14, or whose tokens do not fit its log_y."""
        sources = [_source(one) for one in recordings]
        sources += [
            {"name": name, "kind": kind, "tokens": list(ALPHABET), "target": text} for kind, name, text in INVENTED
        ]
        super().__init__(data={"sources": sources}, **options)


def _source(one: Heard) -> dict:
    log_y = np.asarray(one.log_y, dtype=float)
    if log_y.ndim != 2 or not 1 <= len(log_y) <= MOST_FRAMES or log_y.shape[1] != len(one.tokens):
        raise AsrlabError(
            f"{one.name}: log_y has the shape {log_y.shape} for {len(one.tokens)} tokens; pass (T, V) with T up to"
            f" {MOST_FRAMES}, a stretch of the recording"
        )
    if np.isnan(log_y).any():
        raise AsrlabError(f"{one.name}: log_y holds NaN; mend it before drawing")
    return {
        "name": one.name,
        "kind": "heard",
        "tokens": list(one.tokens),
        "target": one.text,
        "log_y": np.maximum(log_y, FLOOR).round(DIGITS).tolist(),
        "sound": sound(np.asarray(one.samples, dtype=np.float32), one.sample_rate) if one.samples is not None else None,
    }
