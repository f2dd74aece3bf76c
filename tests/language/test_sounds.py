"""Letters to sounds: an invented spelling is learned from a part of its words; sums are those of all ways."""

import itertools
import math
import random

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language.sounds import LONGEST, LetterToSound, _align, _likeliest, _sums

SOUNDS = "AH B D EH F G IH K L M N AO P R S T UH"
PLAIN = dict(zip("abdefgiklmnoprstu", SOUNDS.split(), strict=True))


def spoken(word: str) -> tuple[str, ...]:
    """c is soft before e and i, sh is one sound, x two, and e at the end is silent."""
    said: list[str] = []
    for i, letter in enumerate(word):
        after, before = word[i + 1 : i + 2], word[i - 1 : i] if i else ""
        if letter == "c":
            said.append("S" if after and after in "ei" else "K")
        elif letter == "s" and after == "h":
            said.append("SH")
        elif letter == "h":
            said += [] if before == "s" else ["HH"]
        elif letter == "x":
            said += ["K", "S"]
        elif not (letter == "e" and not after):
            said.append(PLAIN[letter])
    return tuple(said)


def words(count: int, seed: int) -> list[str]:
    draw, found = random.Random(seed), set()
    while len(found) < count:
        syllables = [
            draw.choice(["b", "c", "sh", "d", "x", "h", "s", "k", "t"]) + draw.choice("aeiou") for _ in range(3)
        ]
        found.add("".join(syllables) + draw.choice(["", "n", "xe", "ce", "r"]))
    return sorted(found)


def test_a_spelling_with_rules_is_learned():
    known = words(400, 1)
    rule = LetterToSound({word: (spoken(word),) for word in known})
    new = [word for word in words(300, 2) if word not in known]
    assert len(new) > 200
    wrong = [word for word in new if rule.say(word) != spoken(word)]
    assert len(wrong) <= 0.01 * len(new), wrong


def test_words_of_the_lexicon_are_said_as_it_says():
    lexicon = {"left": (("L", "EH", "F", "T"),), "right": (("R", "AY", "T"),), "box": (("B", "AA", "K", "S"),)}
    rule = LetterToSound(lexicon)
    assert {word: (rule.say(word),) for word in lexicon} == lexicon


def divisions(word, phones):
    for sizes in itertools.product(range(LONGEST + 1), repeat=len(word)):
        if sum(sizes) == len(phones):
            ends = list(itertools.accumulate(sizes, initial=0))
            yield [phones[a:b] for a, b in itertools.pairwise(ends)]


def test_sums_and_the_likeliest_are_over_all_divisions():
    pairs = [("ab", ("A", "B")), ("abc", ("A", "K", "S")), ("cab", ("K", "A", "B")), ("ba", ("B", "A"))]
    chances = _align(pairs)
    for letter in "abc":
        assert sum(p for (own, _), p in chances.items() if own == letter) == pytest.approx(1.0)
    for word, phones in pairs:
        products = {
            tuple(division): math.prod(chances[edge] for edge in zip(word, division, strict=True))
            for division in divisions(word, phones)
        }
        assert _sums(word, phones, chances)[-1][-1] == pytest.approx(sum(products.values()))
        assert _sums(word, phones, chances, backwards=True)[0][0] == pytest.approx(sum(products.values()))
        assert products[tuple(_likeliest(word, phones, chances))] == pytest.approx(max(products.values()))


def test_what_cannot_be_said():
    rule = LetterToSound({"ab": (("A",),), "aa": (("A", "A"),), "b": (("B",),)})
    with pytest.raises(AsrlabError, match="word 'abz': the lexicon has no word with 'z'; give its pronunciation"):
        rule.say("abz")
    with pytest.raises(AsrlabError, match="word 'bb': nothing of it would be heard"):
        rule.say("bb")
    with pytest.raises(AsrlabError, match="no word to learn from"):
        LetterToSound({"a": (("EY",),)})
