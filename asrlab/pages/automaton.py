"""The picture of a small automaton: circles for its states, arrows with the words that lead on."""

from __future__ import annotations

import html
import math

from asrlab.core.errors import AsrlabError
from asrlab.language.automaton import OTHER, WordAutomaton
from asrlab.language.grammar import SOMETHING, Grammar
from asrlab.pages.plot import Picture

MOST = 14  # states that can still be told apart
ACROSS, DOWN, RADIUS, LINE = 124, 78, 15, 15  # pixels: between columns and rows, of a circle, between lines of words
BEND = 100  # pixels by which an arrow bends for each column that it leaps over


def drawn(language: Grammar | WordAutomaton, alt: str, caption: str = "") -> Picture:
    """An automaton without failure arcs, from left to right; a double circle may end the sentence.

    A word's probability stands behind it where there is a choice. `alt` and `caption` as of `plot.picture`.
    Raises AsrlabError for one of more than 14 states.
    """
    a, words = language.automaton, {label: word for word, label in language.labels.items()} | {OTHER: SOMETHING}
    states = len(a.final)
    if states > MOST:
        raise AsrlabError(f"automaton of {states} states: a picture holds {MOST}; draw a smaller one")
    column = _columns(a, states)
    rows = [[s for s in range(states) if column[s] == c] for c in range(max(column) + 1)]
    tallest = max(map(len, rows))
    leaps = [column[after] - column[s] for s in range(states) for after in a.next[a.first[s] : a.first[s + 1]].tolist()]
    top = 50 + BEND * max(0, max(leaps, default=0) - 1) // 2  # for arrows over other states
    place = {
        s: (40 + ACROSS * c, top + DOWN * (k + (tallest - len(of_column)) / 2))
        for c, of_column in enumerate(rows) for k, s in enumerate(of_column)
    }  # fmt: skip
    parts = []
    for s in range(states):
        arrows: dict[int, list[str]] = {}
        for arc in range(int(a.first[s]), int(a.first[s + 1])):
            p = math.exp(float(a.weight[arc]))
            shown = words[int(a.label[arc])] + (f" {p:.2g}" if p < 0.995 else "")
            arrows.setdefault(int(a.next[arc]), []).append(shown)
        parts += [_arrow(place[s], place[after], column[after] - column[s], said) for after, said in arrows.items()]
    parts += [_circle(place[s], s, math.exp(float(a.final[s]))) for s in range(states)]
    width, height = 80 + ACROSS * max(column), top + 80 + DOWN * (tallest - 1)
    svg = (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{html.escape(alt)}" '
        'style="max-width:100%;min-width:34rem;height:auto;font:13px sans-serif" fill="none" stroke="currentColor">'
        '<defs><marker id="automaton-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0 8 4 0 8z" fill="currentColor" stroke="none"/></marker></defs>'
        f"{''.join(parts)}</svg>"
    )
    caption = f"<figcaption>{html.escape(caption or alt)}</figcaption>"
    return Picture(f'<figure class="plot"><div style="overflow-x:auto" tabindex="0">{svg}</div>{caption}</figure>')


def _columns(a, states: int) -> list[int]:
    """How many words the longest way to each state has, no circle walked."""
    column = [0] * states
    waiting: list[tuple[int, tuple[int, ...]]] = [(int(a.start[0]), (int(a.start[0]),))]
    while waiting:
        s, way = waiting.pop()
        for after in set(a.next[a.first[s] : a.first[s + 1]].tolist()) - set(way):
            if len(way) > column[after]:
                column[after] = len(way)
                waiting.append((after, (*way, after)))
    return column


def _circle(at: tuple[float, float], state: int, ends: float) -> str:
    x, y = at
    inner = f'<circle cx="{x}" cy="{y}" r="{RADIUS - 4}"/>' if ends > 0 else ""
    share = f'<text x="{x}" y="{y + RADIUS + 14}" {_TEXT}>end {ends:.2g}</text>' if 0 < ends < 0.995 else ""
    number = f'<text x="{x}" y="{y + 4}" {_TEXT}>{state}</text>'
    return f'<circle cx="{x}" cy="{y}" r="{RADIUS}"/>{inner}{number}{share}'


def _arrow(begin: tuple[float, float], end: tuple[float, float], columns: int, words: list[str]) -> str:
    (x, y), (u, v) = begin, end
    if columns == 0 and begin == end:
        path = f"M{x - 7} {y + RADIUS - 1}C{x - 26} {y + 48} {x + 26} {y + 48} {x + 7} {y + RADIUS}"
        middle = x, y + 56
    else:
        bend = 0 if columns == 1 else -BEND * max(0.6, abs(columns) - 1)
        mx, my = (x + u) / 2, (y + v) / 2 + bend
        first, last = math.atan2(my - y, mx - x), math.atan2(v - my, u - mx)
        x, y = x + RADIUS * math.cos(first), y + RADIUS * math.sin(first)
        u, v = u - RADIUS * math.cos(last), v - RADIUS * math.sin(last)
        path = f"M{x:.1f} {y:.1f}Q{mx:.1f} {my:.1f} {u:.1f} {v:.1f}"
        middle = mx, (my + (y + v) / 2) / 2 - 6
    below = columns == 1 and v == y  # a straight arrow's words, away from those that bend over it
    x, top = middle[0], y + LINE + 2 if below else middle[1] - LINE * (len(words) - 1)
    lines = "".join(
        f'<text x="{x:.1f}" y="{top + LINE * k:.1f}" {_TEXT}>{html.escape(word)}</text>' for k, word in enumerate(words)
    )
    return f'<path d="{path}" marker-end="url(#automaton-tip)"/>{lines}'


_TEXT = 'text-anchor="middle" fill="currentColor" stroke="none"'
