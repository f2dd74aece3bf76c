"""Text as a recogniser sees it: normalisation, and tokenizers that turn it into ids and back.

One rule holds for every tokenizer: a token whose string begins with "▁" (U+2581) begins a word. Text is the
tokens joined, with each "▁" turned into a space. Id 0 is the blank of CTC, always.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeGuard

from asrlab.core.errors import AsrlabError

BLANK, UNKNOWN, WORD = "<blank>", "<unk>", "▁"
_APOSTROPHES = str.maketrans(dict.fromkeys("‘’‛ʼʹ′`´＇", "'"))


def normalise(text: str, digits: str = "keep") -> str:
    """Text for training and scoring: words of lower-case letters and digits, one space between them.

    NFKC; lower case; apostrophes of any shape become ' and stay only inside a word ("don't"); commas in thousands go
    ("1,000" -> "1000") and decimal points stay ("3.14"); all other punctuation and symbols, hyphens included, become
    spaces. Letters, their accents and the scripts of other languages stay as they are. Twice gives the same as once.

    `digits`: "keep" leaves them; "spell" writes them as English words, without "and": 105 -> one hundred five, 2nd ->
    second, 3.14 -> three point one four, and digit by digit what begins with 0 or has more than 15 digits. It cannot
    know that 1984 is a year or 10:30 a time: spell such things yourself if the speakers read them so.
    """
    if digits not in ("keep", "spell"):
        raise AsrlabError(f"digits={digits!r}: must be 'keep' or 'spell'")
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).lower()
    text = unicodedata.normalize("NFKC", text).translate(_APOSTROPHES)
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))", "", text)
    if digits == "spell":
        text = _NUMBER.sub(lambda match: f" {_spell(*match.groups())} ", text)
    kept = [c if _belongs(text, i) else " " for i, c in enumerate(text)]
    return " ".join("".join(kept).split())


def unspaced(texts: Iterable[str]) -> bool:
    """Whether these texts are in a script that puts no spaces between words, such as Chinese, Japanese or Thai, and
    have none: then characters are what errors are counted in. False for no texts."""
    letters = [c for text in texts for c in text if c.isalpha() or c == " "]
    joined = sum(unicodedata.name(c, "").startswith(_JOINED) for c in letters)
    return joined > len(letters) / 2 and letters.count(" ") < joined / 4  # with spaces, somebody has parted the words


_JOINED = ("CJK ", "HIRAGANA", "KATAKANA", "THAI", "LAO ", "KHMER", "MYANMAR", "TIBETAN")  # as Unicode names letters


def mixed_word(text: str) -> str:
    """The first word whose letters are of two of the scripts that look alike, Latin, Cyrillic and Greek, with the odd
    one named; empty if there is none. Such a word is a slip of the keyboard: it looks like another, and is none."""
    for word in text.split():
        scripts = [(c, s) for c in word for s in _ALIKE if unicodedata.name(c, "").startswith(s)]
        common = Counter(script for _, script in scripts).most_common()
        if len(common) > 1:
            odd = next(c for c, script in scripts if script == common[-1][0])
            names = " and ".join(script.capitalize() for script, _ in common)
            return f"{word!r} has letters of two scripts, {names} ({odd!r} is {unicodedata.name(odd)})"
    return ""


_ALIKE = ("LATIN", "CYRILLIC", "GREEK")


def spell_number(number: int) -> str:
    """A whole number below 10**15 in English words, without "and": 1984 -> one thousand nine hundred eighty four."""
    if not 0 <= number < 10**15:
        raise AsrlabError(f"{number}: only whole numbers from 0 to 10**15 - 1 can be spelled")
    if number < 20:
        return _UNITS[number]
    if number < 100:
        return f"{_TENS[number // 10]} {_UNITS[number % 10]}" if number % 10 else _TENS[number // 10]
    size, name = next((10**p, n) for p, n in _SCALES if number >= 10**p)
    rest = f" {spell_number(number % size)}" if number % size else ""
    return f"{spell_number(number // size)} {name}{rest}"


_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SCALES = ((12, "trillion"), (9, "billion"), (6, "million"), (3, "thousand"), (2, "hundred"))
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_NUMBER = re.compile(r"([0-9]+)(?:\.([0-9]+)|(st|nd|rd|th)\b)?")


def _spell(whole: str, fraction: str | None, ordinal: str | None) -> str:
    by_digit = len(whole) > 15 or (whole[0] == "0" and len(whole) > 1)
    words = " ".join(_UNITS[int(d)] for d in whole) if by_digit else spell_number(int(whole))
    if fraction:
        return f"{words} point {' '.join(_UNITS[int(d)] for d in fraction)}"
    if ordinal:
        *before, last = words.split()
        regular = last[:-1] + "ieth" if last.endswith("y") else last + "th"
        return " ".join([*before, _ORDINALS.get(last, regular)])
    return words


def _belongs(text: str, i: int) -> bool:
    if unicodedata.category(text[i])[0] in "LMN":
        return True
    before, after = text[i - 1 : i], text[i + 1 : i + 2]
    if text[i] == "'":
        return before.isalnum() and after.isalnum()
    return text[i] == "." and before.isdigit() and after.isdigit()


class Tokenizer:
    """What all tokenizers share: a tuple of tokens (id = position, 0 = blank), and the way back from ids to text."""

    kind: ClassVar[str]
    lexicon: Mapping[str, tuple[tuple[str, ...], ...]] | None = None  # where only a lexicon makes words of tokens

    def __init__(self, tokens: Sequence[str]):
        if isinstance(tokens, str) or not all(isinstance(token, str) and token for token in tokens):
            raise AsrlabError("tokens: expected a list of texts, none of them empty")
        self.tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self.tokens)}
        if not self.tokens or self.tokens[0] != BLANK:
            raise AsrlabError(f"tokens begin with {self.tokens[:1]}: the first must be {BLANK!r}, the blank of CTC")
        if len(self._ids) != len(self.tokens):
            twice = sorted({t for t in self.tokens if self.tokens.count(t) > 1})
            raise AsrlabError(f"tokens {twice} occur twice; each token has one id")

    def __len__(self) -> int:
        return len(self.tokens)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} tokens)"

    def encode(self, text: str) -> list[int]:
        """Token ids of `text` (normalised words). Raises AsrlabError for what has no token, unless UNKNOWN is one."""
        raise NotImplementedError

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; blanks (0) are dropped, repeats are kept: collapse them before, as CTC asks."""
        return "".join(self.tokens[i] for i in ids if i).replace(WORD, " ").strip()

    def pronunciations(self, word: str) -> list[tuple[int, ...]]:
        """Every way to say or spell a word, as token ids: one, unless a lexicon knows several."""
        return [tuple(self.encode(word))]

    def spoken(self, text: str) -> str:
        """`text` in the units that `decode` answers with: words, or phones where only a lexicon makes words of them."""
        return text

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description from which `tokenizer_from_dict` makes the same tokenizer."""
        return {"kind": self.kind, "tokens": list(self.tokens)}

    @classmethod
    def _from_dict(cls, d: Mapping[str, Any]) -> Tokenizer:
        return cls(d["tokens"])


class CharTokenizer(Tokenizer):
    """Characters. "▁" precedes every word, the first included; with `mark_initial` it is one with the first letter."""

    kind = "char"

    def __init__(self, tokens: Sequence[str], mark_initial: bool = False):
        super().__init__(tokens)
        self.mark_initial = mark_initial

    @classmethod
    def fit(cls, texts: Iterable[str], mark_initial: bool = False, unknown: bool = False) -> CharTokenizer:
        """Tokens for the characters of `texts`: blank, (unknown,) "▁", then the characters sorted.

        `mark_initial`: no "▁" alone, but each character twice, "a" within a word and "▁a" at its beginning: shorter
        sequences, and a decoder that sees words begin. `unknown`: a token for characters that `texts` does not have.
        """
        characters = sorted({c for text in texts for word in text.split() for c in word})
        _check_no_mark(characters)
        begin = [WORD + c for c in characters] if mark_initial else [WORD]
        return cls([BLANK, *([UNKNOWN] if unknown else []), *begin, *characters], mark_initial)

    def encode(self, text: str) -> list[int]:
        ids = []
        for word in text.split():
            pieces = [WORD + word[0], *word[1:]] if self.mark_initial else [WORD, *word]
            ids += [self._id(piece, text) for piece in pieces]
        return ids

    def _id(self, piece: str, text: str) -> int:
        found = self._ids.get(piece, self._ids.get(UNKNOWN))
        if found is None:
            raise _unknown("character", piece[-1], text)
        return found

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "mark_initial": self.mark_initial}

    @classmethod
    def _from_dict(cls, d: Mapping[str, Any]) -> CharTokenizer:
        return cls(d["tokens"], d.get("mark_initial", False))


class WordTokenizer(Tokenizer):
    """Whole words, as "▁word": short sequences, but no way to write a word that training did not have."""

    kind = "word"

    @classmethod
    def fit(cls, texts: Iterable[str], unknown: bool = False) -> WordTokenizer:
        """A token for each word of `texts`, sorted. `unknown`: one more for every other word."""
        words = sorted({word for text in texts for word in text.split()})
        _check_no_mark(words)
        return cls([BLANK, *([WORD + UNKNOWN] if unknown else []), *(WORD + word for word in words)])

    def encode(self, text: str) -> list[int]:
        ids = []
        for word in text.split():
            found = self._ids.get(WORD + word, self._ids.get(WORD + UNKNOWN))
            if found is None:
                raise _unknown("word", word, text)
            ids.append(found)
        return ids


class SubwordTokenizer(Tokenizer):
    """Pieces of words, learned by sentencepiece (unigram, Kudo 2018): frequent words whole, rare ones in parts.

    The blank takes the id 0 that sentencepiece keeps for the unknown piece; its other ids stay as they are.
    """

    kind = "subword"

    def __init__(self, model: bytes):
        import sentencepiece

        self.model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise AsrlabError(f"subword model of {len(model)} bytes is not sentencepiece's; fit it again") from error
        super().__init__([BLANK, *(self._processor.IdToPiece(i) for i in range(1, self._processor.GetPieceSize()))])

    @classmethod
    def fit(cls, texts: Iterable[str], size: int, kind: str = "unigram") -> SubwordTokenizer:
        """`size` tokens (the blank included) learned from `texts`; the same texts give the same tokens.

        `kind`: "unigram" or "bpe". Raises AsrlabError if `texts` cannot give that many pieces, or has more characters.
        """
        import sentencepiece

        texts = [" ".join(text.split()) for text in texts]
        _check_no_mark(texts)
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(texts), model_writer=model, vocab_size=size, model_type=kind,
                unk_id=0, bos_id=-1, eos_id=-1, pad_id=-1, character_coverage=1.0,
                normalization_rule_name="identity", num_threads=1, minloglevel=3,
            )  # fmt: skip
        except (RuntimeError, ValueError) as error:
            characters = len({c for text in texts for c in text if c != " "})
            raise AsrlabError(
                f"size={size}: sentencepiece cannot learn that many pieces from {len(texts)} texts with {characters} "
                f"distinct characters ({str(error).splitlines()[0]}); the size must lie between, try another"
            ) from error
        return cls(model.getvalue())

    def encode(self, text: str) -> list[int]:
        ids = self._processor.EncodeAsIds(text)
        if 0 in ids:
            known = {c for token in self.tokens[1:] for c in token}
            stranger = next((c for c in text if not c.isspace() and c not in known), text)
            raise _unknown("character", stranger, text, remedy="")
        return ids

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "model": base64.b64encode(self.model).decode("ascii")}

    @classmethod
    def _from_dict(cls, d: Mapping[str, Any]) -> SubwordTokenizer:
        return cls(base64.b64decode(d["model"]))


class PhoneTokenizer(Tokenizer):
    """Phones by way of a lexicon (word -> pronunciations). No token begins a word: the lexicon gives words back."""

    kind = "phone"
    lexicon: Mapping[str, tuple[tuple[str, ...], ...]]

    def __init__(self, lexicon: Mapping[str, Sequence[Sequence[str]]]):
        if not isinstance(lexicon, Mapping) or not all(map(_is_pronounced, lexicon.values())):
            raise AsrlabError("lexicon: expected words, each with a list of pronunciations, lists of phones")
        self.lexicon = {word: tuple(tuple(p) for p in spoken) for word, spoken in lexicon.items()}
        empty = [word for word, spoken in self.lexicon.items() if not spoken or not all(spoken)]
        if empty:
            raise AsrlabError(f"lexicon: no phones for {', '.join(map(repr, empty[:5]))}; give each a pronunciation")
        super().__init__([BLANK, *sorted({phone for spoken in self.lexicon.values() for p in spoken for phone in p})])

    def encode(self, text: str, chosen: Sequence[int] | None = None) -> list[int]:
        """Phone ids of `text`; `chosen` names the pronunciation of each word, by default its first."""
        words = text.split()
        chosen = [0] * len(words) if chosen is None else chosen
        return [i for word, k in zip(words, chosen, strict=True) for i in self.pronunciations(word)[k]]

    def pronunciations(self, word: str) -> list[tuple[int, ...]]:
        """Every pronunciation of a word, as token ids."""
        if word not in self.lexicon:
            raise AsrlabError(f"word {word!r} is not in the lexicon ({len(self.lexicon)} words); add its pronunciation")
        return [tuple(self._ids[phone] for phone in spoken) for spoken in self.lexicon[word]]

    def spoken(self, text: str) -> str:
        return self.decode(self.encode(text))

    def decode(self, ids: Iterable[int]) -> str:
        """The phones of `ids`, joined by spaces; blanks (0) are dropped."""
        return " ".join(self.tokens[i] for i in ids if i)

    def to_dict(self) -> dict[str, Any]:
        lexicon = {word: [list(p) for p in spoken] for word, spoken in self.lexicon.items()}
        return {"kind": self.kind, "lexicon": lexicon}

    @classmethod
    def _from_dict(cls, d: Mapping[str, Any]) -> PhoneTokenizer:
        return cls(d["lexicon"])


def tokenizer_from_dict(d: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer that `to_dict()` described. Raises AsrlabError on an unknown or incomplete description."""
    kinds = {c.kind: c for c in (CharTokenizer, WordTokenizer, SubwordTokenizer, PhoneTokenizer)}
    if d.get("kind") not in kinds:
        raise AsrlabError(f"tokenizer kind {d.get('kind')!r}: must be one of {', '.join(kinds)}")
    try:
        return kinds[d["kind"]]._from_dict(d)
    except KeyError as error:
        raise AsrlabError(f"tokenizer description without {error}; it was not written by to_dict()") from error


def lexicon_tokens(tokenizer: Tokenizer, words: Iterable[str]) -> dict[str, list[tuple[int, ...]]]:
    """How each word is spelled in token ids: one spelling, or for phones one a pronunciation."""
    return {word: tokenizer.pronunciations(word) for word in words}


def _is_pronounced(spoken: object) -> bool:
    """Whether it is a sequence of sequences of texts, and no text itself."""

    def listed(x: object) -> TypeGuard[Sequence[object]]:
        return isinstance(x, Sequence) and not isinstance(x, str)

    return listed(spoken) and all(listed(p) and all(isinstance(phone, str) for phone in p) for p in spoken)


def _check_no_mark(pieces: Iterable[str]) -> None:
    for piece in pieces:
        if WORD in piece:
            raise AsrlabError(f"{piece!r} holds {WORD!r} (U+2581), the mark of a word; normalise the text first")


def _unknown(what: str, value: str, text: str, remedy: str = " or fit it with unknown=True") -> AsrlabError:
    return AsrlabError(
        f"{what} {value!r} in {text!r} is not known to the tokenizer; normalise the text, "
        f"fit the tokenizer on text that has it,{remedy}".rstrip(",")
    )
