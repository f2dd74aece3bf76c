"""What two weights of a score do: the errors for every pair of them, and the texts that win at the pair you choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.scoring.surface import word_errors
from asrlab.widgets.base import Widget


class WeightSurface(Widget, module="weight_surface", height=(720, 980)):
    """A map of word errors over two weights, from lists of hypotheses that were searched once.

    Move the weights, or press a place of the map: the texts are chosen anew in the browser, and those that are better
    or worse than without the first model are shown. The arithmetic is `asrlab.scoring.surface` in JavaScript.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        surface: Mapping,
        labels: Mapping[str, str],
        start: Mapping[str, float] | None = None,
        title: str = "The weights of a score",
        **options,
    ):
        """surface  as the receipts of `benchmarks.neighbours` hold it: weights of two parts, fixed ones, lists
        labels   what each of the two parts is called
        start    the weights to begin with, by part; by default the first of each

        Raises AsrlabError for a surface of another number of parts, without lists, or of unnamed parts.
        """
        names = list(surface["weights"])
        if len(names) != 2 or not surface["lists"]:
            raise AsrlabError(f"a surface over {', '.join(names) or 'nothing'}: give one over two parts, with lists")
        missing = [name for name in names if name not in labels]
        if missing:
            raise AsrlabError(f"labels: none for {missing[0]!r}; say what the page calls it")
        weights = {name: [float(w) for w in surface["weights"][name]] for name in names}
        begin = {name: _nearest(weights[name], (start or {}).get(name, weights[name][0])) for name in names}
        super().__init__(
            data={
                "title": title,
                "axes": [{"label": labels[n], "weights": weights[n], "start": begin[n]} for n in names],
                "lists": [_list(one, names, surface["fixed"]) for one in surface["lists"]],
            },
            **options,
        )


def _nearest(weights: Sequence[float], value: float) -> int:
    return int(np.abs(np.asarray(weights) - value).argmin())


def _list(one: Mapping, names: Sequence[str], fixed: Mapping[str, float]) -> dict:
    """An utterance: what was said, and of each text its errors, the steady part of its score and the two others."""
    at = {name: k + 1 for k, name in enumerate(one["parts"])}
    texts = [
        {
            "text": row[0],
            "errors": word_errors(one["said"], row[0]),
            "base": sum(weight * row[at[name]] for name, weight in fixed.items()),
            "parts": [row[at[name]] for name in names],
        }
        for row in one["texts"]
    ]
    return {"said": one["said"], "words": len(one["said"].split()), "texts": texts}
