"""A grammar to edit, and sentences that it accepts or rejects."""

from __future__ import annotations

from collections.abc import Sequence

import traitlets

from asrlab.core.errors import AsrlabError
from asrlab.language.grammar import Grammar
from asrlab.widgets.base import Widget

LONGEST = 4000  # letters of a grammar


class GrammarEditor(Widget, module="grammar_editor", height=(820, 1060)):
    """Change a grammar and type sentences: where each leaves the grammar, what it means, how probable it is.

    The parser, its errors and the arithmetic are those of `asrlab.language.jsgf` and `network` in JavaScript.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, grammar: str, sentences: Sequence[str], **options):
        """grammar  in the notation of `asrlab.language.jsgf`; sentences  the first is shown, all are offered.

        Raises AsrlabError for a grammar that does not parse or is over 4,000 letters long, or no sentence.
        """
        if len(grammar) > LONGEST:
            raise AsrlabError(f"grammar of {len(grammar)} letters: the editor holds {LONGEST}; shorten it")
        if not sentences:
            raise AsrlabError("no sentences; give at least one to try")
        Grammar.parse(grammar)
        super().__init__(data={"grammar": grammar, "sentences": list(sentences)}, **options)
