"""Lists of hotwords: what people write down for `context_graph`, and the way into a lexicon that lacks their words.

A file of hotwords has a phrase a line:

    # the trip                                    what follows # is for people
    new york
    saint louis, st louis : 4                     other spellings, which earn the same; a weight in nats
    siobhan [SH AH V AO N] [SH IY V AO N] : 6     pronunciations, for a recogniser of phones

Capitals, accents' encoding and punctuation are evened out as in the texts of training (`asrlab.text.normalise`).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from asrlab.core.errors import AsrlabError
from asrlab.core.files import read_whole
from asrlab.text import UNKNOWN, WORD, Tokenizer, normalise

Phones = tuple[str, ...]

_PLAIN = re.compile(r"[a-z]+(?: [a-z]+)*")  # what `normalise` leaves as it is, seen faster
_WEIGHT = re.compile(r":\s+(\S+)$")
_SPELLING = re.compile(r"(?P<text>[^\[\]]*)(?P<spoken>(?:\[[^\[\]]*\]\s*)*)")


class Hotword(NamedTuple):
    """A phrase that a recogniser should expect."""

    spellings: tuple[str, ...]  # the phrase, then other ways to write it; each earns the weight where it occurs
    weight: float | None = None  # nats, below 0 for a phrase that is unwelcome; None: as the whole list
    spoken: Mapping[str, tuple[Phones, ...]] = {}  # word -> its pronunciations, where no lexicon has it


def read_hotwords(path: str | Path) -> list[Hotword]:
    """The hotwords of a file (see the module's text); an empty file has none.

    Raises:
        AsrlabError: a file that cannot be read as UTF-8, or a line without words, with brackets that do not fit, a
            weight that is no finite number, or a phrase that stood above; names file and line.
    """
    try:
        text = read_whole(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise AsrlabError(f"{path}: not UTF-8 ({error}); save it as UTF-8, a phrase a line") from None
    found: list[Hotword] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        try:
            hotword = _hotword(content)
            for spelling in hotword.spellings:
                if spelling in seen:
                    raise AsrlabError(f"{spelling!r} is there already, in line {seen[spelling]}; keep one")
                seen[spelling] = number
        except AsrlabError as error:
            raise AsrlabError(f"{path}:{number}: {error}") from None
        found.append(hotword)
    return found


def _hotword(content: str) -> Hotword:
    if _PLAIN.fullmatch(content):
        return Hotword((content,))
    weight = None
    if match := _WEIGHT.search(content):
        weight, content = _number(match[1]), content[: match.start()]
    if ":" in content:
        raise AsrlabError(f"{content!r}: a colon that no weight follows; write the weight last, as in ': 4'")
    spellings, spoken = [], {}
    for part in content.split(","):
        match = _SPELLING.fullmatch(part)
        text = normalise(match["text"]) if match else ""
        if not match or not text:
            raise AsrlabError(f"{part.strip()!r}: expected words between commas, each perhaps with [PHONES]")
        spellings.append(text)
        if match["spoken"]:
            spoken[text] = tuple(tuple(phones.split()) for phones in re.findall(r"\[([^\]]*)\]", match["spoken"]))
            if " " in text or not all(spoken[text]):
                raise AsrlabError(f"{text!r}: pronunciations are of one word, and have phones; give each word a line")
    return Hotword(tuple(spellings), weight, spoken)


def _number(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise AsrlabError(f"weight {text!r}; write a finite number of nats, as in ': 4'")
    return weight


def phrase_weights(hotwords: Iterable[Hotword], weight: float) -> dict[str, float]:
    """What `context_graph` takes: spelling -> nats; `weight` is that of the hotwords without one of their own.

    Raises:
        AsrlabError: a spelling that is there twice; what it means is `context_graph`'s to check.
    """
    weights: dict[str, float] = {}
    for hotword in hotwords:
        nats = weight if hotword.weight is None else hotword.weight
        for spelling in hotword.spellings:
            if spelling in weights:
                raise AsrlabError(f"hotword {spelling!r}: there twice; keep one")
            weights[spelling] = nats
    return weights


def way_in(
    hotwords: Sequence[Hotword], tokenizer: Tokenizer, lexicon: Iterable[str] | None
) -> dict[str, list[tuple[int, ...]]]:
    """Spellings in token ids of the words of hotwords that a lexicon lacks, so that a decoder can answer with them.

    A recogniser of letters or pieces spells a word as its tokenizer does.  One of phones needs to be told how a word
    sounds, in the file or as `Hotword.spoken`; a word of which nothing is told is taken as spelled aloud, letter by
    letter, if the lexicon has the letters' names.  Where a letter has several pronunciations, the word has one with the
    first of every letter, one with the second, and so on.

    Args:
        hotwords: the list.
        tokenizer: of the recogniser.
        lexicon: its words; None if it can say any: then nothing is added, but letters are still checked.

    Raises:
        AsrlabError: a letter or phone that the tokenizer does not have, or a word that cannot be spelled aloud.
    """
    known = set() if lexicon is None else set(lexicon)
    words = dict.fromkeys(w for h in hotwords for s in h.spellings for w in s.split() if w not in known)
    if tokenizer.lexicon is not None:
        spoken = {word: phones for hotword in hotwords for word, phones in hotword.spoken.items()}
        ids = {phone: i for i, phone in enumerate(tokenizer.tokens)}
        return {word: _aloud(word, spoken.get(word), tokenizer.lexicon, ids) for word in words}
    letters = {c for token in tokenizer.tokens[1:] if token != UNKNOWN for c in token} - {WORD}
    if tokenizer.kind != "word":
        for word in words:
            if strange := sorted(set(word) - letters):
                raise AsrlabError(
                    f"hotword {word!r}: the recogniser has no letter {strange[0]!r}; write it with "
                    f"{''.join(sorted(letters))}"
                )
    return {} if lexicon is None else {word: tokenizer.pronunciations(word) for word in words}


def _aloud(
    word: str, told: tuple[Phones, ...] | None, lexicon: Mapping[str, tuple[Phones, ...]], ids: Mapping[str, int]
) -> list[tuple[int, ...]]:
    if told is None:
        mute = [letter for letter in word if letter not in lexicon]
        if mute:
            raise AsrlabError(
                f"hotword {word!r}: not in the lexicon, and {mute[0]!r} has no name there to spell it with; add how it "
                f"sounds, as in '{word} [{' '.join(list(ids)[1:4])}]'"
            )
        ways = max(len(lexicon[letter]) for letter in word)
        told = tuple(
            tuple(phone for letter in word for phone in lexicon[letter][min(k, len(lexicon[letter]) - 1)])
            for k in range(ways)
        )
    for phone in (phone for phones in told for phone in phones):
        if not ids.get(phone):
            raise AsrlabError(f"hotword {word!r}: no phone {phone!r}; one of {' '.join(list(ids)[1:])}")
    return [tuple(ids[phone] for phone in phones) for phones in told]
