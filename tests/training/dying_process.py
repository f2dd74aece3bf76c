"""One of two processes that decode, of which the second dies after its first utterance: run by test_loop.py."""

import os
import sys
import time

from asrlab import cli
from asrlab.scoring.journal import Journal

note = Journal.note


def note_and_die(self, name, heard):
    note(self, name, heard)
    if os.environ["RANK"] == "1":
        while not any(path.stat().st_size for path in self.folder.glob("0.jsonl")):
            time.sleep(0.01)  # until the first has heard something too
        os._exit(1)


Journal.note = note_and_die
sys.exit(cli.main(sys.argv[1:]))
