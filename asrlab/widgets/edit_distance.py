"""Two texts and the cheapest way to turn one into the other, one cell of the table at a time."""

from __future__ import annotations

import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.widgets.base import Widget

UNITS = ("word", "character")
LONGEST = 200  # letters of a text


class EditDistance(Widget, module="edit_distance", height=(753, 1039)):
    """Type what was said and what was heard, and watch the table of edit distances fill and the alignment be found.

    The arithmetic is `asrlab.scratch.edit_distance` in JavaScript: the table, the same choice among equally cheap
    steps, the counts and the error rate.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        reference: str = "turn the light on",
        hypothesis: str = "turn light on please",
        unit: str = "word",
        examples: tuple[tuple[str, str, str], ...] = (),
        **options,
    ):
        """examples  (name, reference, hypothesis) that a menu offers. Raises AsrlabError for a text of over 200
        letters."""
        if unit not in UNITS:
            raise AsrlabError(f"unit={unit!r}; pass one of {', '.join(UNITS)}")
        for text in (reference, hypothesis, *(text for _, *pair in examples for text in pair)):
            if len(text) > LONGEST:
                raise AsrlabError(f"{text[:30]!r}...: {len(text)} letters do not fit the table; pass at most {LONGEST}")
        named = [{"name": name, "reference": said, "hypothesis": heard} for name, said, heard in examples]
        super().__init__(
            data={"reference": reference, "hypothesis": hypothesis, "unit": unit, "examples": named}, **options
        )
