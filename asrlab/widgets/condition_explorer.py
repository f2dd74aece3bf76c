"""What each recogniser gets wrong as one thing about the speech is changed, with a recording to hear at every place."""

from __future__ import annotations

import base64
import io
import itertools
from typing import TYPE_CHECKING

import numpy as np
import traitlets

from asrlab.classic.conditions import AXES, HOME_RATE, TRAININGS
from asrlab.classic.systems import NAMES
from asrlab.core.errors import AsrlabError
from asrlab.pages import names
from asrlab.pages.plot import COLOURS
from asrlab.signals.effects import write_blocks
from asrlab.widgets.base import Widget

if TYPE_CHECKING:
    from asrlab.classic.conditions import Results
    from asrlab.corpora import Utterance

SHOWN = {"voice": "voice", "accent": "accent", "noise": "noise", "rate": "speaking rate", "size": "training set"}
TRAINED = {"clean": "clean words", "noisy": "words in noise"}
SAMPLE_RATE = 16000
QUALITY = 0.4  # of the recordings, which are MP3: two dozen of them travel with the page


class ConditionExplorer(Widget, module="condition_explorer", height=(607, 748)):
    """Choose what is changed and how far: the bars of all recognisers move, with their intervals, and a recording of
    that place is there to be heard, with what each of them took it for.

    The same word in the same kind of voice is heard everywhere. All arithmetic was done by `asrlab`; the script draws.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(self, results: Results, **options):
        """results  of `asrlab.classic.conditions.run`. Raises AsrlabError if no system was measured."""
        if not results.systems:
            raise AsrlabError("results of no system: pass what asrlab.classic.conditions.run returns")
        example = telling_example(results)
        sounds: dict[str, str] = {}
        axes = [
            {
                "key": axis,
                "label": SHOWN[axis],
                "what": what,
                "levels": [_place(results, axis, level, example, sounds) for level in results.levels(axis)],
            }
            for axis, what in AXES.items()
        ]
        colours = itertools.cycle(COLOURS)  # those of the figures, in the same order
        systems = [
            {"key": key, "label": NAMES[key], "colour": colour}
            for key, colour in zip(results.systems, colours, strict=False)
        ]
        trainings = [{"key": key, "label": TRAINED[key]} for key in TRAININGS]
        data = {"axes": axes, "systems": systems, "trainings": trainings, "sounds": sounds}
        super().__init__(data=data, **options)


def telling_example(results: Results) -> int:
    """The position, in every place's list of recordings, of the word about which the systems disagree most often."""
    places = [(axis, level) for axis in ("accent", "noise", "rate") for level in results.levels(axis)]
    disagreements = np.zeros(min(len(results.condition(*place).utterances) for place in places), dtype=int)
    for axis, level in places:
        answers = [results.answers(system, axis, level) for system in results.systems]
        for position, utterance in enumerate(results.condition(axis, level).utterances[: len(disagreements)]):
            disagreements[position] += len({heard[utterance.id] for heard in answers}) > 1
    return int(disagreements.argmax())


def _place(results: Results, axis: str, level: str, example: int, sounds: dict[str, str]) -> dict:
    """One level of an axis: rates and answers by training and system, and the name of its recording in `sounds`."""
    condition = results.condition(axis, level)
    utterance = condition.utterances[min(example, len(condition.utterances) - 1)]
    sound = condition.key.strip() if condition.axis != "voice" or condition.seen else "home"
    sounds.setdefault(sound, _mp3(utterance))
    rates, heard = {}, {}
    for training in TRAININGS if axis != "size" else TRAININGS[:1]:
        found = {system: results.rate(system, axis, level, training) for system in results.systems}
        rates[training] = {name: [round(x, 4) for x in (r.value, r.low, r.high)] for name, r in found.items()}
        heard[training] = {
            system: results.answers(system, axis, level, training)[utterance.id] for system in results.systems
        }
    home = level in ("clean", HOME_RATE) or (axis, level) in (("voice", "new"), ("size", results.levels("size")[-1]))
    return {
        "label": f"{level} (home)" if home else names.ACCENTS.get(level, level),
        "home": home,
        "seen": condition.seen,
        "count": len(condition.utterances),
        "said": utterance.text,
        "voice": names.voice(utterance.speaker),
        "sound": sound,
        "rates": rates,
        "heard": heard,
    }


def _mp3(utterance: Utterance) -> str:
    samples = utterance.load(SAMPLE_RATE)
    memory = io.BytesIO()
    samples = np.clip(0.5 * samples / max(float(np.abs(samples).max()), 1e-9), -1, 1).astype(np.float32)
    write_blocks(memory, samples, SAMPLE_RATE, "MP3", compression_level=0.99 * (1 - QUALITY))
    return base64.b64encode(memory.getvalue()).decode()
