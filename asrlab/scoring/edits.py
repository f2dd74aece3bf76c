"""Alignments of a reference with a hypothesis: as data, as coloured text, as HTML."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from asrlab.core.errors import AsrlabError

ANSI = {"substitute": "\033[33m", "delete": "\033[31m", "insert": "\033[34m"}
MARKS = {"equal": "", "substitute": "S", "delete": "D", "insert": "I"}
# Tints under the page's own text colour read on light and dark alike; the line through or below tells without colour.
TINTS = {
    "substitute": "background:rgba(230,159,0,.28);text-decoration:underline 2px",
    "delete": "background:rgba(213,94,0,.28);text-decoration:line-through 2px",
    "insert": "background:rgba(0,114,178,.28);text-decoration:underline dotted 2px",
}


@dataclass(frozen=True)
class Op:
    """One step of an alignment; positions count from 0, and where a side has no unit its position is the next one's."""

    kind: str  # "equal", "substitute", "delete" or "insert"
    reference: str | None  # the unit that was said; None at an insertion
    hypothesis: str | None  # the unit that was recognised; None at a deletion
    reference_index: int
    hypothesis_index: int


def align(reference: str, hypothesis: str, unit: str = "word") -> list[Op]:
    """A cheapest alignment of two texts (either may be empty), from left to right.

    unit  "word", or "character" (the space between two words counts as one)
    """
    if unit not in ("word", "character"):
        raise AsrlabError(f'unit={unit!r}; pass "word" or "character"')
    said, heard = reference.split(), hypothesis.split()
    if unit == "word":
        chunks = jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]
    else:
        said, heard = list(" ".join(said)), list(" ".join(heard))
        chunks = jiwer.process_characters("".join(said), "".join(heard)).alignments[0]
    ops = []
    for chunk in chunks:
        i, j = chunk.ref_start_idx, chunk.hyp_start_idx
        while i < chunk.ref_end_idx or j < chunk.hyp_end_idx:
            spoken = said[i] if chunk.type != "insert" else None
            recognised = heard[j] if chunk.type != "delete" else None
            ops.append(Op(chunk.type, spoken, recognised, i, j))
            i, j = i + (spoken is not None), j + (recognised is not None)
    return ops


def to_text(ops: Sequence[Op], colour: bool = True, width: int = 100) -> str:
    """An alignment as lines REF, HYP and the errors' letters (S, D, I) below, in at most `width` columns.

    Terminal colours (ANSI) with colour=True; without, the letters and the stars in the gaps say the same.
    """
    columns = []  # (kind, width, the three cells)
    for op in ops:
        said, heard = _printable(op.reference), _printable(op.hypothesis)
        size = max(display_width(said), display_width(heard), 1)
        columns.append((op.kind, size, (said or "*" * size, heard or "*" * size, MARKS[op.kind])))
    blocks, start, used = [], 0, len("REF:")
    for end, (_, size, _) in enumerate(columns):
        if used + 1 + size > width and end > start:
            blocks.append(columns[start:end])
            start, used = end, len("REF:")
        used += 1 + size
    blocks.append(columns[start:])
    lines = []
    for block in blocks:
        for row, head in enumerate(("REF:", "HYP:", "    ")):
            cells = [
                pad(texts[row], size).join((ANSI[kind], "\033[0m") if colour and kind in ANSI else ("", ""))
                for kind, size, texts in block
            ]
            lines.append(" ".join([head, *cells]).rstrip())
    return "\n".join(line for line in lines if line)


def to_html(ops: Sequence[Op]) -> str:
    """An alignment as an HTML table of two rows, all text escaped, that reads on light and dark pages as it is.

    Each cell has the class `asrlab-<kind>` and, at an error, the kind as a tooltip.
    """
    rows = []
    for head, texts in (("said", [op.reference for op in ops]), ("heard", [op.hypothesis for op in ops])):
        cells = [f'<th scope="row" style="text-align:left;padding:.1em .6em .1em 0;font-weight:600">{head}</th>']
        for op, text in zip(ops, texts, strict=True):
            style = "padding:.1em .4em;text-align:center;" + (TINTS.get(op.kind, "") if text is not None else "")
            title = "" if op.kind == "equal" else f' title="{op.kind}"'
            shown = html.escape(_printable(text)) if text is not None else "·"
            cells.append(f'<td class="asrlab-{op.kind}" style="{style}"{title}>{shown}</td>')
        rows.append('<tr style="background:none">' + "".join(cells) + "</tr>")
    return (
        '<div class="asrlab-alignment" style="overflow-x:auto"><table style="border-collapse:collapse;color:inherit;'
        'background:none;border:0"><tbody>' + "".join(rows) + "</tbody></table></div>"
    )


def _printable(text: str | None) -> str:
    """Control characters could repaint a terminal."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "�", text or "")


def display_width(text: str) -> int:
    """Columns of a terminal that a text takes: two for a Chinese character, none for a combining mark."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    marks = sum(unicodedata.combining(character) > 0 for character in text)
    return len(text) + wide - marks


def pad(text: str, width: int, left: bool = True) -> str:
    """A text filled up with spaces to `width` columns, at its left or its right edge."""
    space = " " * (width - display_width(text))
    return text + space if left else space + text
