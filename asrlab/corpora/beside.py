"""What may lie beside recordings of one's own: lexicon.txt, how words are said, and text.txt, what else people say.

lexicon.txt has a word a line and then its phones, "hello HH AH L OW"; a second pronunciation is a second line, with the
same word or with hello(2), as in CMU's dictionaries. text.txt has a sentence a line, which nobody has to record: the
language model learns from it.
"""

from __future__ import annotations

import re
from pathlib import Path

from asrlab.core.errors import AsrlabError
from asrlab.core.files import numbered_lines
from asrlab.corpora.base import Utterance
from asrlab.text import normalise

LEXICON, TEXT = "lexicon.txt", "text.txt"
TEXT_SPLIT = "text"  # of utterances that are text alone
Pronunciations = dict[str, tuple[tuple[str, ...], ...]]
_ALTERNATIVE = re.compile(r"\(\d+\)$")  # "A(2)" is the second pronunciation of "A"


def read_dictionary(path: Path, silent: bool = False) -> Pronunciations:
    """Word -> pronunciations as tuples of phones, in the order of the file, as a CMU Sphinx dictionary has them.

    Raises AsrlabError naming file and line: a word without phones, unless it may be `silent`, or a line that is no
    UTF-8.
    """
    lexicon: Pronunciations = {}
    for number, line in _lines(path):
        word, *phones = line.split()
        if not phones and not silent:
            raise AsrlabError(f"{path}:{number}: word {word!r} has no phones; write WORD PHONE PHONE ...")
        word = normalise(_ALTERNATIVE.sub("", word))
        if not word or " " in word:
            raise AsrlabError(f"{path}:{number}: {line.split()[0]!r} is no word; write WORD PHONE PHONE ...")
        known = lexicon.get(word, ())
        lexicon[word] = (*known, tuple(phones)) if phones and tuple(phones) not in known else known
    return lexicon


def lexicon(folder: Path) -> Pronunciations | None:
    """The lexicon of a folder, if it has one. Raises AsrlabError as `read_dictionary`, and for one without words."""
    path = folder / LEXICON
    if not path.exists():
        return None
    found = read_dictionary(path)
    if not found:
        raise AsrlabError(f"{path}: no words; write WORD PHONE PHONE ... on each line, or remove it")
    return found


def sentences(folder: Path, normalised: bool = True) -> dict[str, tuple[Utterance, ...]]:
    """The further texts of a folder as the split "text", if it has some. Raises AsrlabError naming file and line."""
    path = folder / TEXT
    if not path.exists() or any(folder.glob(f"{path.stem}.[!t]*")):  # text.txt beside text.wav is what text.wav says
        return {}
    texts = [(number, normalise(line) if normalised else line.strip()) for number, line in _lines(path)]
    said = [Utterance(f"{TEXT_SPLIT}-{number}", text, "unknown", 0.0) for number, text in texts if text]
    return {TEXT_SPLIT: tuple(said)} if said else {}


def _lines(path: Path) -> list[tuple[int, str]]:
    found = []
    for number, line in numbered_lines(path):
        try:
            found.append((number, line.decode("utf-8")))
        except UnicodeDecodeError as error:
            raise AsrlabError(f"{path}:{number}: not UTF-8 ({error.reason}); save the file as UTF-8") from error
    return found
