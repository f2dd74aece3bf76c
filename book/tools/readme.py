"""Write the README's tables from the receipts: python book/tools/readme.py

A test holds the README to what this writes, so no number in it is older than the run it came from.
"""

import json
import re
from pathlib import Path
from statistics import median

from asrlab.pages.course import RESULTS, results

README = Path(__file__).resolve().parents[2] / "README.md"
ACCURACY = ("an4*.json", "pocketsphinx*.json", "scenetalk*.json", "fsdd-[!f]*.json")  # not the few takes of fsdd-few-*
NOISY = re.compile(r"-?\d+dB")  # decodings at so many decibels: the book's own pages show them


def markdown(rows: list) -> str:
    head, *lines = rows
    texts = [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *lines)]
    return "\n".join(texts)


def accuracy() -> str:
    return markdown([row for row in results(*ACCURACY, named=str).rows if not NOISY.fullmatch(row[1])])


def speed(folder: Path = RESULTS) -> str:
    """One row for each peer: in how many cases we took less time than it, and how many times less."""
    rows = [("receipt", "compared with", "cases", "ahead in", "times faster: least, median, most")]
    for path in sorted(folder.glob("*.json")):
        metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        peers: dict[str, list] = {}
        for name, value in metrics.items():
            kind, _, rest = name.partition(".")
            if kind == "ratio" and not rest.endswith(".wer"):
                peers.setdefault(rest.split(".")[0], []).append(value)
        for peer, ratios in sorted(peers.items()):
            ahead = sum(ratio > 1 for ratio in ratios)
            spread = f"{min(ratios):.1f}, {median(ratios):.1f}, {max(ratios):.1f}"
            rows.append((path.stem, peer, str(len(ratios)), str(ahead), spread))
    return markdown(rows) if len(rows) > 1 else "No receipt of a comparison yet: `make bench` makes them."


def filled(text: str) -> str:
    """The README's text with both tables between their marks."""
    for mark, table in (("accuracy", accuracy()), ("speed", speed())):
        pattern = rf"(<!-- {mark}: .*? -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda found, table=table: f"{found[1]}{table}\n{found[2]}", text, flags=re.S)
        if count != 1:
            raise SystemExit(f"README.md: expected one place marked {mark!r}, found {count}")
    return text


def main() -> None:
    README.write_text(filled(README.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
