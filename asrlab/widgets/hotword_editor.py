"""The hotword editor: type phrases, and watch what they do to the beam on recordings of people.

What the recogniser made of the recordings comes with the package, so that the book needs none of them; where AN4 is on
the machine they can be heard as well.  `python -m asrlab.widgets.hotword_editor ID ...` writes that file anew.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import traitlets

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.core.files import parse_json, read_whole, write_whole
from asrlab.corpora import Utterance
from asrlab.pages.listen import sound, spectrogram
from asrlab.recognizer import Recognizer
from asrlab.text import lexicon_tokens
from asrlab.widgets.base import FOLDER, Widget

RECORDING = FOLDER / "recordings" / "hotword_editor.json"
FLOOR = -16.0  # nats; what is less likely is searched as if it were this likely
DIGITS = 2  # of a log-probability, nats
LONGEST = 8.0  # seconds of a recording
RATE = 16000  # Hz, at which AN4 is heard


class HotwordEditor(Widget, module="hotword_editor", height=(740, 980)):
    """Recordings, a list of phrases to edit, their weight, and the beam frame by frame.

    The search is `asrlab.scratch.hotwords` in JavaScript, on the recogniser's own probabilities.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        phrases: Sequence[str] = (),
        weight: float = 4.0,
        beam: int = 8,
        recorded: dict[str, Any] | None = None,
        **options,
    ):
        """phrases  the list to begin with
        weight   nats that each earns;  beam: prefixes kept
        recorded what `record` made; by default what comes with the package
        """
        recorded = recorded or parse_json(read_whole(RECORDING))
        examples = [{**one, **heard(one["id"])} for one in recorded["examples"]]
        chosen = {"phrases": list(phrases), "weight": weight, "beam": beam}
        super().__init__(data={**recorded, **chosen, "examples": examples}, **options)


def heard(name: str) -> dict[str, str | None]:
    """The sound of an utterance of AN4's test and its picture; None where the corpus is not on this machine."""
    try:
        found = next((u for u in corpora.load("an4")["test"] if u.id == name), None)
    except AsrlabError:
        found = None
    if found is None:
        return {"sound": None, "picture": None}
    wave = found.load(RATE)
    return {"sound": sound(wave, RATE), "picture": spectrogram(wave, RATE)}


def record(recognizer: Recognizer, utterances: Sequence[Utterance]) -> dict[str, Any]:
    """What a recogniser makes of recordings, ready for the editor.

    Raises AsrlabError for a recogniser without lexicon or CTC head, or a recording of more than 8 seconds.
    """
    if recognizer.lexicon is None:
        raise AsrlabError("this recogniser has no lexicon whose words hotwords could be made of; pass another")
    for u in utterances:
        if u.seconds > LONGEST:
            raise AsrlabError(f"{u.id}: {u.seconds:.1f} s are too long to walk through; at most {LONGEST:g} s")
    logs = recognizer.log_probs([u.load(recognizer.sample_rate) for u in utterances])
    spelled = lexicon_tokens(recognizer.tokenizer, recognizer.lexicon)
    return {
        "lexicon": {word: [list(way) for way in ways] for word, ways in spelled.items()},
        "tokens": list(recognizer.tokenizer.tokens),
        "frame_seconds": recognizer.frame_seconds,
        "examples": [
            {"id": u.id, "text": u.text, "seconds": round(u.seconds, 3), "log_y": rounded(log_y).tolist()}
            for u, log_y in zip(utterances, logs, strict=True)
        ],
    }


def rounded(log_y: np.ndarray) -> np.ndarray:
    """Log-probabilities (T, V) as the page gets them."""
    return np.maximum(np.asarray(log_y, dtype=float), FLOOR).round(DIGITS)


def main(names: Sequence[str]) -> None:
    """Write the recording of these utterances of AN4's test, heard by the packaged recogniser."""
    test = {u.id: u for u in corpora.load("an4")["test"]}
    missing = [name for name in names if name not in test]
    if missing or not names:
        raise AsrlabError(f"{', '.join(missing) or 'no ids'}: give ids of utterances in AN4's test")
    found = record(Recognizer.load(), [test[name] for name in names])
    write_whole(RECORDING, json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
