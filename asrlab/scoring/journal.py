"""What was heard so far, on disk: decoding that was killed, on one process or on many, goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from asrlab.core import ranks
from asrlab.core.errors import AsrlabError


class Journal:
    """A folder with one file for each process, a line an utterance: {"key": ..., "id": ..., "heard": {way: text}}.

    key  names what is decoded and how. Lines of another key are left unread: they are of another command.

    Under torchrun all processes must see the folder, and make their journals at the same moment.
    Raises AsrlabError if the folder cannot be written.
    """

    def __init__(self, folder: Path | str, key: str):
        self.folder, self.key = Path(folder), key
        rank, _ = ranks.rank_and_world()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.known = self._read()
            ranks.merged({})  # nobody writes before all have read, or they would share the work differently
            self._file = open(self.folder / f"{rank}.jsonl", "a", encoding="utf-8")  # noqa: SIM115 (closed by `clear`)
        except OSError as error:
            raise AsrlabError(f"{self.folder}: cannot be written ({error.strerror}); choose another --out") from error

    def _read(self) -> dict[str, dict[str, str]]:
        found = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
                with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that a kill has cut short
                    row = json.loads(line)
                    if row["key"] == self.key:
                        found[row["id"]] = dict(row["heard"])
        return found

    def note(self, name: str, heard: Mapping[str, str]) -> None:
        """Write down what was heard of an utterance, so that a kill does not lose it."""
        line = json.dumps({"key": self.key, "id": name, "heard": dict(heard)}, ensure_ascii=False)
        # A line that was cut short by a kill ends here.
        self._file.write(f"\n{line}\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def clear(self) -> None:
        """All is decoded and kept elsewhere."""
        self._file.close()
        if ranks.rank_and_world()[0] == 0:
            shutil.rmtree(self.folder, ignore_errors=True)
