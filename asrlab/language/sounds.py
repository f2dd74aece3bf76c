"""How a word that is in no lexicon is probably said: a rule from letters to sounds, learned from a lexicon.

Each letter stands for no phone, one or two. Which ones is first found by EM over all ways of dividing the phones of a
word among its letters (Black, Lenzo and Pagel 1998, "Issues in building general letter to sound rules"); then a letter
is said as it was most often in the widest context of neighbours that the lexicon has.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from asrlab.core.errors import AsrlabError

Phones = tuple[str, ...]
Chances = dict[tuple[str, Phones], float]  # of the phones that a letter stands for
LONGEST = 2  # phones that a letter can stand for, as the x of box
ROUNDS = 10  # of EM
CONTEXTS = ((3, 3), (2, 2), (1, 2), (2, 1), (1, 1), (0, 1), (1, 0), (0, 0))  # neighbours to the left and right
EDGE = "#"


class LetterToSound:
    """A rule that says words as the lexicon does that it was learned from.

    Raises AsrlabError if the lexicon has no word of several letters that it can learn from.
    """

    def __init__(self, lexicon: Mapping[str, Sequence[Sequence[str]]]):
        pairs = [
            (w, tuple(p)) for w, said in lexicon.items() for p in said if len(w) > 1 and len(p) <= LONGEST * len(w)
        ]
        if not pairs:
            raise AsrlabError("letters to sounds: the lexicon has no word to learn from; give pronunciations")
        chances = _align(pairs)
        self._seen: dict[str, Counter[Phones]] = defaultdict(Counter)
        for word, phones in pairs:
            for place, chunk in enumerate(_likeliest(word, phones, chances)):
                for context in _contexts(word, place):
                    self._seen[context][chunk] += 1

    def say(self, word: str) -> Phones:
        """The phones of a word. Raises AsrlabError for a letter that the lexicon does not have, or if all is silent."""
        found: list[str] = []
        for place, letter in enumerate(word):
            known = next((self._seen[c] for c in _contexts(word, place) if c in self._seen), None)
            if known is None:
                raise AsrlabError(f"word {word!r}: the lexicon has no word with {letter!r}; give its pronunciation")
            # Of equally frequent ones the first by name, so that it is the same on every machine.
            found += min(known.items(), key=lambda seen: (-seen[1], seen[0]))[0]
        if not found:
            raise AsrlabError(f"word {word!r}: nothing of it would be heard; give its pronunciation")
        return tuple(found)


def pronounced(
    lexicon: Mapping[str, Sequence[Sequence[str]]], words: Mapping[str, Sequence[Sequence[str]]]
) -> dict[str, tuple[Phones, ...]]:
    """A lexicon with further words, or further pronunciations of its own; words that come without any are said as the
    others are. Raises AsrlabError for a phone that the lexicon does not have, and as `LetterToSound`."""
    found = {word: tuple(map(tuple, ways)) for word, ways in lexicon.items()}
    phones = {phone for ways in found.values() for way in ways for phone in way}
    rule = None
    for word, told in words.items():
        ways = tuple(map(tuple, told))
        if strange := [phone for way in ways for phone in way if phone not in phones]:
            raise AsrlabError(f"word {word!r}: no phone {strange[0]!r}; one of {' '.join(sorted(phones))}")
        if not ways and word not in found:
            rule = rule or LetterToSound(lexicon)
            ways = (rule.say(word),)
        found[word] = tuple(dict.fromkeys((*found.get(word, ()), *ways)))
    return found


def _contexts(word: str, place: int) -> Iterator[str]:
    """A letter among its neighbours, from the widest context to the letter alone."""
    padded, place = EDGE * 3 + word + EDGE * 3, place + 3
    for left, right in CONTEXTS:
        yield f"{left}{padded[place - left : place + right + 1]}{right}"


def _align(pairs: Sequence[tuple[str, Phones]]) -> Chances:
    """P(chunk | letter) by EM; at first all chunks are equally likely."""
    chances: Chances = defaultdict(lambda: 1.0)
    for _ in range(ROUNDS):
        counts: Chances = defaultdict(float)
        for word, phones in pairs:
            before, after = _sums(word, phones, chances), _sums(word, phones, chances, backwards=True)
            for i, j, size in _steps(len(word), len(phones)):
                edge = (word[i], phones[j : j + size])
                through = before[i][j] * chances[edge] * after[i + 1][j + size]
                if through:
                    counts[edge] += through / before[-1][-1]
        totals: dict[str, float] = defaultdict(float)
        for (letter, _), count in counts.items():
            totals[letter] += count
        chances = defaultdict(float, {edge: count / totals[edge[0]] for edge, count in counts.items()})
    return chances


def _steps(letters: int, phones: int) -> Iterator[tuple[int, int, int]]:
    """(letter, first phone, how many) of every step through the two, in order."""
    for i in range(letters):
        for j in range(phones + 1):
            for size in range(min(LONGEST, phones - j) + 1):
                yield i, j, size


def _sums(word: str, phones: Phones, chances: Chances, backwards: bool = False) -> list[list[float]]:
    """[i][j]: the chance of all ways in which the first i letters stand for the first j phones; backwards, in which the
    others stand for the other phones."""
    table = [[0.0] * (len(phones) + 1) for _ in range(len(word) + 1)]
    steps = list(_steps(len(word), len(phones)))
    if backwards:
        table[-1][-1] = 1.0
        for i, j, size in reversed(steps):
            table[i][j] += table[i + 1][j + size] * chances[word[i], phones[j : j + size]]
        return table
    table[0][0] = 1.0
    for i, j, size in steps:
        table[i + 1][j + size] += table[i][j] * chances[word[i], phones[j : j + size]]
    return table


def _likeliest(word: str, phones: Phones, chances: Chances) -> list[Phones]:
    """The likeliest division of the phones among the letters; of equals the first."""
    best: list[list[tuple[float, list[Phones]]]] = [[(-math.inf, [])] * (len(phones) + 1) for _ in range(len(word) + 1)]
    best[0][0] = (0.0, [])
    for i, j, size in _steps(len(word), len(phones)):
        score, path = best[i][j]
        chunk = phones[j : j + size]
        chance = chances[word[i], chunk]
        if score > -math.inf and chance > 0 and score + math.log(chance) > best[i + 1][j + size][0]:
            best[i + 1][j + size] = (score + math.log(chance), [*path, chunk])
    return best[-1][-1][1]
