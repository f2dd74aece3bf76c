"""ARPA files: the text format in which n-gram toolkits exchange back-off models (log base 10)."""

import gzip
import math
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.language.kneser_ney import BEGIN, END, UNKNOWN, Entries, Gram

LN10 = math.log(10.0)

#: What toolkits write for log10(0), and what a model without `<unk>` gives an unknown word.
LOG10_ZERO, LOG10_NO_UNKNOWN = -99.0, -100.0


def _open(path: Path, mode: str, compressed: bool) -> TextIO:
    opener: Callable[..., Any] = gzip.open if compressed else open
    return opener(path, mode + "t", encoding="utf-8", newline="\n" if mode == "w" else None)


def write_arpa(entries: Entries, path: str | Path) -> None:
    """Write n-grams as ARPA; a name that ends in `.gz` is compressed.

    Raises AsrlabError naming the file if it cannot be written; then what was there before stays as it was.
    """
    write_whole(path, lambda beside: _write(entries, beside, Path(path).suffix == ".gz"))


def _write(entries: Entries, path: Path, compressed: bool) -> None:
    with _open(path, "w", compressed) as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(table)}\n" for n, table in enumerate(entries, start=1))
        for n, table in enumerate(entries, start=1):
            file.write(f"\n\\{n}-grams:\n")
            for gram, (logp, backoff) in table.items():
                line = f"{max(logp / LN10, LOG10_ZERO):.9g}\t{' '.join(gram)}"
                file.write(line + (f"\t{backoff / LN10:.9g}\n" if n < len(entries) and backoff != 0.0 else "\n"))
        file.write("\n\\end\\\n")


def read_arpa(path: str | Path) -> Entries:
    """Read n-grams from ARPA: for each length, n-gram -> (log p, log backoff weight) in nats.

    A file without `<unk>` gives unknown words a log10 probability of -100: it has a closed vocabulary.

    Raises:
        AsrlabError: the file is missing, is no ARPA file, is cut short or contradicts itself; names the line.
    """
    path = Path(path)
    if not path.is_file():
        what = "no regular file" if path.exists() else "no such file"
        raise AsrlabError(f"{path}: {what}; pass the path of an ARPA file")
    lines = _Lines(path)
    try:
        with _open(path, "r", path.suffix == ".gz") as file:
            lines.start(file)
            tables = _read_tables(lines)
    except (UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise lines.error(f"not readable as UTF-8 text ({error})", "write it as an ARPA file in UTF-8") from None
    if tables[0].get((END,), (-math.inf, 0.0))[0] == -math.inf:
        raise AsrlabError(f"{path}: no </s> among the 1-grams; train the model on sentences, with their ends")
    tables[0].setdefault((BEGIN,), (-math.inf, 0.0))
    tables[0].setdefault((UNKNOWN,), (LOG10_NO_UNKNOWN * LN10, 0.0))
    return tables


class _Lines:
    """Lines that are not blank, with their numbers for error messages."""

    def __init__(self, path: Path):
        self.path, self.number = path, 0
        self._lines: Iterator[str] = iter(())

    def start(self, file: Iterator[str]) -> None:
        self._lines = iter(file)

    def next(self, expected: str) -> str:
        for line in self._lines:
            self.number += 1
            if line := line.strip():
                return line
        raise self.error(f"the file ends where {expected} should follow", "fetch or write it again, it is cut short")

    def error(self, what: str, remedy: str) -> AsrlabError:
        return AsrlabError(f"{self.path}:{self.number}: {what}; {remedy}")


def _read_tables(lines: _Lines) -> list[dict[Gram, tuple[float, float]]]:
    while lines.next("\\data\\") != "\\data\\":
        pass  # the format allows any text before \data\
    counts: list[int] = []
    line = lines.next("ngram 1=COUNT")
    while line.startswith("ngram "):
        length, _, size = line[6:].replace(" ", "").partition("=")
        if length != str(len(counts) + 1) or not (size.isdecimal() and len(size) < 12):
            raise lines.error(f"{line!r}", f"expected 'ngram {len(counts) + 1}=COUNT'")
        counts.append(int(size))
        line = lines.next("\\1-grams:")
    if not counts:
        raise lines.error(f"{line!r}", "expected 'ngram 1=COUNT' after \\data\\")
    tables: list[dict[Gram, tuple[float, float]]] = []
    for n, count in enumerate(counts, start=1):
        if line != f"\\{n}-grams:":
            raise lines.error(f"{line!r}", f"expected '\\{n}-grams:'")
        table: dict[Gram, tuple[float, float]] = {}
        line = lines.next("an n-gram or \\end\\")
        while not line.startswith("\\"):
            gram, value = _read_entry(lines, line, n, n < len(counts))
            if gram in table:
                raise lines.error(f"{' '.join(gram)!r} for the second time", "remove one of the two")
            if n > 1 and gram[:-1] not in tables[-1]:
                raise lines.error(f"{' '.join(gram)!r} without {' '.join(gram[:-1])!r}", f"add it to the {n - 1}-grams")
            if n > 1 and (gram[-1],) not in tables[0]:
                raise lines.error(f"{gram[-1]!r} is not among the 1-grams", "add it there")
            table[gram] = value
            line = lines.next("an n-gram or \\end\\")
        if len(table) != count:
            raise lines.error(f"{len(table)} {n}-grams, but \\data\\ says {count}", "correct the count or the list")
        tables.append(table)
    if line != "\\end\\":
        raise lines.error(f"{line!r}", "expected '\\end\\'")
    return tables


def _read_entry(lines: _Lines, line: str, n: int, may_back_off: bool) -> tuple[Gram, tuple[float, float]]:
    fields = line.split()
    if len(fields) != n + 1 and not (may_back_off and len(fields) == n + 2):
        raise lines.error(
            f"{len(fields)} fields in {line[:60]!r}",
            f"a {n}-gram has a log10 probability, {n} words and (not at the highest order) a log10 backoff weight",
        )
    try:
        logp, backoff = float(fields[0]), float(fields[n + 1]) if len(fields) == n + 2 else 0.0
    except ValueError:
        raise lines.error(f"{line[:60]!r} has no number where one belongs", "write log10 values as -1.25") from None
    if not logp <= 1e-4 or not math.isfinite(backoff):
        raise lines.error(f"log10 values {logp} and {backoff}", "a probability is at most 1, a backoff weight finite")
    logp = -math.inf if logp <= LOG10_ZERO else min(logp, 0.0)
    return tuple(fields[1 : n + 1]), (logp * LN10, max(backoff, LOG10_ZERO) * LN10)
