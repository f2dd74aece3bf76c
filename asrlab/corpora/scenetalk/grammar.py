"""What is said about the scene: meanings, the sentences that express each, and the way back.

The scene is a grid of coloured things: shapes, letters and numbers. A `Meaning` is one command about them; `sentences`
gives all its paraphrases and `parse` finds the meaning of a sentence. Every sentence has exactly one meaning.

Letters and colours that sound alike are there on purpose: hearing alone confuses b, d and v; the scene would not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from random import Random
from typing import Any

from asrlab.core.errors import AsrlabError

COLOURS = ("red", "blue", "green", "grey", "yellow", "orange", "purple", "pink", "black", "brown")
SHAPES = ("circle", "square", "triangle", "star", "bar", "heart", "cross", "ring", "moon", "diamond")
LETTERS = tuple("bcdefghjklmnpqrstvxz")  # without the vowels that are words, and w, which alone has three syllables
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SIZES = ("big", "small", "tiny")
NAMES = {"shape": SHAPES, "letter": LETTERS, "number": NUMBERS}
REGIONS = {"left": "on", "right": "on", "top": "at", "bottom": "at", "middle": "in"}  # with the preposition of each
RELATIONS = {"above": ("above",), "below": ("below", "under"), "beside": ("beside", "next to")}
CHANGES = {"bigger": "grow", "smaller": "shrink"}
ACTIONS = ("add", "remove", "move", "paint", "resize", "find", "swap")
MAX_WORDS = 9


@dataclass(frozen=True)
class Thing:
    """A coloured shape, letter or number."""

    colour: str
    kind: str  # "shape", "letter" or "number"
    name: str  # which one
    size: str | None = None


@dataclass(frozen=True)
class Place:
    """Where in the scene: exactly one of a region, a relation to another thing, or a cell of the grid."""

    region: str | None = None
    relation: str | None = None
    thing: Thing | None = None  # what the relation is to
    cell: tuple[str, str] | None = None  # column (a letter) and row (a number)


@dataclass(frozen=True)
class Meaning:
    """One command: an action and its slots."""

    action: str
    thing: Thing
    place: Place | None = None  # of add (optional) and move
    value: str | None = None  # paint: the new colour; resize: "bigger" or "smaller"
    other: Thing | None = None  # swap: the second thing

    def slots(self) -> dict[str, str]:
        """Flat slots for scoring: {"colour": "red", "shape": "circle", "to.relation": "above", "to.colour": ...}."""
        found = _thing_slots(self.thing, "")
        if self.place:
            found |= {f"to.{k}": v for k, v in (("region", self.place.region), ("relation", self.place.relation)) if v}
            found |= _thing_slots(self.place.thing, "to.") if self.place.thing else {}
            found |= dict(zip(("to.letter", "to.number"), self.place.cell, strict=True)) if self.place.cell else {}
        if self.other:
            found |= _thing_slots(self.other, "other.")
        return found | ({"value": self.value} if self.value else {})

    def pairs(self) -> frozenset[tuple[str, str]]:
        """The combinations that it depends on: (colour, name) of each thing, there or to be, and (letter, number)."""
        things = [self.thing, self.other, self.place.thing if self.place else None]
        found = {(thing.colour, thing.name) for thing in things if thing}
        if self.action == "paint":
            found.add((self.value, self.thing.name))
        if self.place and self.place.cell:
            found.add(self.place.cell)
        return frozenset(found)

    def to_json(self) -> str:
        """Compact JSON without the empty slots."""
        return json.dumps(_compact(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Meaning:
        """What `to_json` wrote."""
        row = json.loads(text)
        place = row.get("place")
        if place:
            cell = tuple(place["cell"]) if "cell" in place else None
            thing = Thing(**place["thing"]) if "thing" in place else None
            place = Place(place.get("region"), place.get("relation"), thing, cell)
        other = Thing(**row["other"]) if "other" in row else None
        return cls(row["action"], Thing(**row["thing"]), place, row.get("value"), other)


def vocabulary() -> tuple[str, ...]:
    """Every word of the grammar, sorted."""
    function = "a an the letter number on at in to and with next please bigger smaller"
    verbs = (
        "add draw put remove delete take away move push paint colour make turn grow shrink find show me where is swap"
    )
    groups = (COLOURS, SHAPES, LETTERS, NUMBERS, SIZES, REGIONS, RELATIONS, ("under",), function.split(), verbs.split())
    return tuple(sorted({word for group in groups for word in group}))


# --- from meaning to sentences ----------------------------------------------------------------------------------------


def sentences(meaning: Meaning) -> tuple[str, ...]:
    """Every paraphrase of `meaning` of at most nine words, without "please"."""
    spoken = (" ".join(parts) for pattern in _patterns(meaning) for parts in product(*pattern))
    return tuple(s for s in map(_article, spoken) if len(s.split()) <= MAX_WORDS)


def _patterns(meaning: Meaning) -> Iterator[list[tuple[str, ...]]]:
    """Sequences of alternatives."""
    the = _noun_phrases("the", meaning.thing)
    if meaning.action == "add":
        a = _noun_phrases("a", meaning.thing)
        if meaning.place:
            yield [("add", "draw", "put"), a, _places(meaning.place, to=False)]
        else:
            yield [("add", "draw"), a]
    elif meaning.action == "remove":
        yield [("remove", "delete", "take away"), the]
    elif meaning.action == "move":
        yield [("move", "push"), the, _places(meaning.place, to=True)]
    elif meaning.action == "paint":
        yield [("paint", "colour", "make", "turn"), the, (meaning.value,)]
    elif meaning.action == "resize":
        yield [("make",), the, (meaning.value,)]
        yield [(CHANGES[meaning.value],), the]
    elif meaning.action == "find":
        yield [("find", "show me", "where is"), the]
    elif meaning.action == "swap":
        yield [("swap",), the, ("and", "with"), _noun_phrases("the", meaning.other)]
    else:
        raise AsrlabError(f"action {meaning.action!r}: must be one of {', '.join(ACTIONS)}")


def _noun_phrases(article: str, thing: Thing) -> tuple[str, ...]:
    nouns = (thing.name,) if thing.kind == "shape" else (thing.name, f"{thing.kind} {thing.name}")
    size = f"{thing.size} " if thing.size else ""
    return tuple(f"{article} {size}{thing.colour} {noun}" for noun in nouns)


def _places(place: Place, to: bool) -> tuple[str, ...]:
    if place.region:
        return (f"{'to' if to else REGIONS[place.region]} the {place.region}",)
    if place.cell:
        return (f"{'to' if to else 'at'} {' '.join(place.cell)}",)
    return tuple(
        f"{word} {phrase}" for word in RELATIONS[place.relation] for phrase in _noun_phrases("the", place.thing)
    )


def _article(sentence: str) -> str:
    return sentence.replace(" a orange", " an orange")


# --- from sentence to meaning -----------------------------------------------------------------------------------------


def parse(sentence: str) -> Meaning:
    """The meaning of a sentence of the grammar. Raises AsrlabError for any other sentence."""
    bare = sentence.removeprefix("please ").removesuffix(" please")
    for action, pattern in _rules():
        match = pattern.fullmatch(bare)
        if match:
            meaning = _meaning(action, {name: word for name, word in match.groupdict().items() if word})
            if bare in sentences(meaning):  # the pattern is a little wider: "an red", "make ... tiny"
                return meaning
    raise AsrlabError(f"{sentence!r}: no sentence about the scene; see scenetalk.grammar.sentences for what is")


@lru_cache(maxsize=1)
def _rules() -> tuple[tuple[str, re.Pattern], ...]:
    cell = f"(?P<cell_letter>{'|'.join(LETTERS)}) (?P<cell_number>{'|'.join(NUMBERS)})"
    region = f"(?:on|at|in|to) the (?P<region>{'|'.join(REGIONS)})"
    relation = "(?P<relation>above|below|under|beside|next to) the " + _thing_pattern("to_")
    place = f"(?:{region}|(?:at|to) {cell}|{relation})"
    thing, other = _thing_pattern(""), _thing_pattern("other_")
    rules = (
        ("add", f"(?:add|draw|put) an? {thing}(?: {place})?"),
        ("remove", f"(?:remove|delete|take away) the {thing}"),
        ("move", f"(?:move|push) the {thing} {place}"),
        ("paint", f"(?:paint|colour|make|turn) the {thing} (?P<value>{'|'.join(COLOURS)})"),
        ("resize", f"make the {thing} (?P<value>bigger|smaller)"),
        ("resize", f"(?P<change>grow|shrink) the {thing}"),
        ("find", f"(?:find|show me|where is) the {thing}"),
        ("swap", f"swap the {thing} (?:and|with) the {other}"),
    )
    return tuple((action, re.compile(pattern)) for action, pattern in rules)


def _thing_pattern(prefix: str) -> str:
    def one_of(name: str, words: tuple[str, ...]) -> str:
        return f"(?P<{prefix}{name}>{'|'.join(words)})"

    size, colour, shape = one_of("size", SIZES), one_of("colour", COLOURS), one_of("shape", SHAPES)
    letter, number = one_of("letter", LETTERS), one_of("number", NUMBERS)
    return f"(?:{size} )?{colour} (?:{shape}|(?:letter )?{letter}|(?:number )?{number})"


def _meaning(action: str, words: Mapping[str, str]) -> Meaning:
    place = None
    if "relation" in words:
        relation = next(r for r, spoken in RELATIONS.items() if words["relation"] in spoken)
        place = Place(relation=relation, thing=_thing(words, "to_"))
    elif "region" in words:
        place = Place(region=words["region"])
    elif "cell_letter" in words:
        place = Place(cell=(words["cell_letter"], words["cell_number"]))
    change = next((value for value, verb in CHANGES.items() if verb == words.get("change")), None)
    other = _thing(words, "other_") if "other_colour" in words else None
    return Meaning(action, _thing(words, ""), place, words.get("value", change), other)


def _thing(words: Mapping[str, str], prefix: str) -> Thing:
    kind = next(kind for kind in NAMES if prefix + kind in words)
    return Thing(words[prefix + "colour"], kind, words[prefix + kind], words.get(prefix + "size"))


def _thing_slots(thing: Thing, prefix: str) -> dict[str, str]:
    slots = {"size": thing.size, "colour": thing.colour, thing.kind: thing.name}
    return {prefix + name: word for name, word in slots.items() if word}


def _compact(value: Any) -> Any:
    if isinstance(value, (Thing, Place, Meaning)):
        return {name: _compact(part) for name, part in vars(value).items() if part is not None}
    return value


# --- drawing meanings at random ---------------------------------------------------------------------------------------


def split_of(pair: tuple[str, str]) -> str:
    """The split that a combination belongs to: three fifths train, one fifth dev, one fifth test.

    Within each split every colour meets every fifth name and every name two (train: six) of the ten colours, so all
    words occur in all splits, and only their combinations are new.
    """
    first, second = pair
    names = (*SHAPES, *LETTERS, *NUMBERS)
    rank = COLOURS.index(first) if first in COLOURS else LETTERS.index(first)
    return ("test", "dev", "train", "train", "train")[(3 * rank + names.index(second)) % 5]


def draw(random: Random, split: str) -> tuple[Meaning, str]:
    """A random meaning all of whose combinations belong to `split`, and one of its sentences."""
    while True:
        meaning = _draw_meaning(random, split)
        if any(split_of(pair) != split for pair in meaning.pairs()):
            continue
        if spoken := sentences(meaning):
            sentence = _pick(random, spoken)
            if len(sentence.split()) < MAX_WORDS and random.random() < 0.15:
                sentence = f"please {sentence}" if random.random() < 0.5 else f"{sentence} please"
            return meaning, sentence


def _draw_meaning(random: Random, split: str) -> Meaning:
    action = _pick(
        random, ("add", "add", "add", "move", "move", "move", "remove", "paint", "paint", "resize", "find", "swap")
    )
    thing = _draw_thing(random, split)
    if action == "add":
        return Meaning(action, thing, _draw_place(random, split) if random.random() < 0.8 else None)
    if action == "move":
        return Meaning(action, thing, _draw_place(random, split))
    if action == "paint":
        return Meaning(action, thing, value=_pick(random, [c for c in COLOURS if c != thing.colour]))
    if action == "resize":
        return Meaning(action, thing, value=_pick(random, tuple(CHANGES)))
    if action == "swap":
        return Meaning(action, thing, other=_draw_thing(random, split))
    return Meaning(action, thing)


def _draw_thing(random: Random, split: str) -> Thing:
    kind = _pick(random, tuple(NAMES))
    name = _pick(random, NAMES[kind])
    colour = _pick(random, [c for c in COLOURS if split_of((c, name)) == split])
    return Thing(colour, kind, name, _pick(random, SIZES) if random.random() < 0.25 else None)


def _draw_place(random: Random, split: str) -> Place:
    kind = random.random()
    if kind < 0.3:
        return Place(region=_pick(random, tuple(REGIONS)))
    if kind < 0.65:
        return Place(relation=_pick(random, tuple(RELATIONS)), thing=_draw_thing(random, split))
    letter = _pick(random, LETTERS)
    return Place(cell=(letter, _pick(random, [n for n in NUMBERS if split_of((letter, n)) == split])))


def _pick(random: Random, choices):
    """One of `choices`. `random()` is the one method that Python promises to keep the same in every version."""
    return choices[int(random.random() * len(choices))]
