"""espeak-ng as a library: from text to samples, with the times of phonemes and words.

The library comes in the wheel `espeakng_loader` and is called through ctypes (its interface: speak_lib.h of espeak-ng
1.52). It keeps state from one synthesis to the next, so that the same text sounds a little different each time; only
what a fresh process says, in a fixed order, repeats bit for bit. Therefore `speak` and `speak_all` run a process for
each call, and `Engine` is for such a process.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE

SAMPLE_RATE = 16000  # Hz, of what this module returns
ACCENTS = {  # accent -> the name that the library knows it by
    "en-gb": "en",
    "en-gb-x-rp": "en-gb-x-rp",
    "en-gb-x-gbclan": "en-gb-x-gbclan",
    "en-gb-x-gbcwmd": "en-gb-x-gbcwmd",
    "en-gb-scotland": "en-gb-scotland",
    "en-us": "en-us",
    "en-us-nyc": "en-us-nyc",
    "en-029": "en-029",
}
VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5")  # the human ones
RATES = (80, 450)  # words per minute that the library can speak
PITCHES = (0, 100)
MARGIN = 0.08  # seconds kept before the first sound and after the last
QUIET = 0.004  # relative to the loudest sample: below it there is nothing to hear

_SYNCHRONOUS, _PHONEME_EVENTS, _NO_EXIT = 2, 1, 1 << 15  # espeak_AUDIO_OUTPUT, espeakINITIALIZE_*
_END, _WORD, _PHONEME = 0, 1, 7  # espeak_EVENT_TYPE
_RATE, _VOLUME, _PITCH = 1, 2, 3  # espeak_PARAMETER
_HEADROOM = 80  # volume, of 100: some voices clip at 100
_CHARS_UTF8, _POS_CHARACTER = 1, 1
_LONGEST_PATH = 150  # bytes


@dataclass(frozen=True)
class Request:
    """What is to be said, and how."""

    text: str
    voice: str = "en-us"  # an accent, or accent+variant such as "en-gb+f2"
    rate: int = 175  # words per minute
    pitch: int = 50  # 0 (low) to 100 (high), relative to the voice

    def __post_init__(self) -> None:
        accent, plus, variant = self.voice.partition("+")
        if accent not in ACCENTS or (plus and variant not in VARIANTS):
            raise AsrlabError(
                f"voice {self.voice!r}: must be ACCENT or ACCENT+VARIANT; accents are {', '.join(ACCENTS)}, "
                f"variants {', '.join(VARIANTS)}"
            )
        for name, value, (least, most) in (("rate", self.rate, RATES), ("pitch", self.pitch, PITCHES)):
            if not isinstance(value, int) or not least <= value <= most:
                raise AsrlabError(f"{name}={value!r}: must be a whole number from {least} to {most}")
        if not self.text.strip() or "\0" in self.text:
            raise AsrlabError(f"text {self.text!r}: must have something to say")


@dataclass(frozen=True)
class Spoken:
    """What was said: samples, and when each phoneme and word began."""

    samples: np.ndarray  # (N,) int16 at 16 kHz
    phones: tuple[tuple[str, float], ...]  # (espeak's name of the phoneme, start in seconds); "_" is a pause
    words: tuple[tuple[str, float], ...]  # (word, start in seconds), but for a few that espeak joins ("with the")

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / SAMPLE_RATE


def speak(text: str, voice: str = "en-us", rate: int = 175, pitch: int = 50) -> tuple[np.ndarray, int]:
    """(samples (N,) float32 in [-1, 1], 16000): `text` spoken by espeak-ng; the same call gives the same samples.

    `voice` is an accent, or an accent and a variant ("en-gb-scotland+f2"): see ACCENTS and VARIANTS. `rate` is in words
    per minute (80-450), `pitch` 0-100. Takes about 0.3 s, most of it to start a process.
    Raises AsrlabError for an unknown voice, a value out of range, and if the library cannot be loaded.
    """
    return speak_all([Request(text, voice, rate, pitch)])[0].samples.astype(np.float32) / 32768, SAMPLE_RATE


def speak_all(requests: Iterable[Request]) -> list[Spoken]:
    """Say everything in one fresh process, in this order; the same list gives the same samples."""
    job = "\n".join(json.dumps(asdict(request)) for request in requests)
    return _unpack(run_module(__name__, job.encode()))


def run_module(module: str, job: bytes) -> bytes:
    """Run `python -m module` with `job` as its input and return its output. Raises AsrlabError with its last words."""
    root = PACKAGE.parent  # the child starts here, so that it imports this package and nothing from elsewhere
    done = subprocess.run([sys.executable, "-m", module], input=job, capture_output=True, cwd=root)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise AsrlabError(last[0].removeprefix("asrlab.core.errors.AsrlabError: "))
    return done.stdout


# --- the library ------------------------------------------------------------------------------------------------------


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Engine:
    """The library, loaded and initialised: one for each process."""

    def __init__(self) -> None:
        self._library, data = _load_library()
        self._pieces: list[np.ndarray] = []
        self._events: list[tuple[int, int, int, int, str]] = []
        self._callback = _Callback(self._receive)  # kept: the library holds no reference of its own
        self._shortcut, data = _short(data)
        options = _PHONEME_EVENTS | _NO_EXIT
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), options)
        if self._rate <= 0:
            raise AsrlabError(f"espeak-ng: cannot read its data in {data}; {_REINSTALL}")
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_ng_SetRandSeed(1)  # the breath of some voices is random, by default from the clock

    def say(self, request: Request) -> Spoken:
        """Synthesise one request, trimmed to 80 ms of silence around it."""
        accent, plus, variant = request.voice.partition("+")
        if self._library.espeak_SetVoiceByName((ACCENTS[accent] + plus + variant).encode()):
            raise AsrlabError(f"voice {request.voice!r}: this espeak-ng does not have it; {_REINSTALL}")
        self._library.espeak_SetParameter(_RATE, request.rate, 0)
        self._library.espeak_SetParameter(_PITCH, request.pitch, 0)
        self._library.espeak_SetParameter(_VOLUME, _HEADROOM, 0)
        self._pieces.clear()
        self._events.clear()
        text = request.text.encode()
        status = self._library.espeak_Synth(text, len(text) + 1, 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None)
        if status or not self._pieces:
            raise AsrlabError(f"text {request.text!r}: espeak-ng says nothing (status {status})")
        return self._finish(request.text)

    def _receive(self, samples, count: int, events) -> int:
        """Called by the library with samples and the events that happen in them."""
        if samples and count > 0:
            self._pieces.append(np.frombuffer(ctypes.string_at(samples, count * 2), np.int16))
        i = 0
        while events[i].type != _END:
            event = events[i]
            name = bytes(event.id.string).split(b"\0")[0].decode(errors="replace") if event.type == _PHONEME else ""
            self._events.append((event.type, event.sample, event.text_position, event.length, name))
            i += 1
        return 0

    def _finish(self, text: str) -> Spoken:
        import soxr

        samples = soxr.resample(np.concatenate(self._pieces), self._rate, SAMPLE_RATE)
        first, last = _audible(samples)
        offset = first / SAMPLE_RATE

        def at(sample: int) -> float:
            return round(min(max(sample / self._rate - offset, 0.0), (last - first) / SAMPLE_RATE), 3)

        phones = tuple((name, at(sample)) for kind, sample, _, _, name in self._events if kind == _PHONEME and name)
        words = tuple((text[p - 1 : p - 1 + n], at(sample)) for kind, sample, p, n, _ in self._events if kind == _WORD)
        return Spoken(samples[first:last], phones, words)


_REINSTALL = "install it again with `pip install --force-reinstall espeakng-loader`"


def _load_library() -> tuple[ctypes.CDLL, str]:
    try:
        import espeakng_loader

        path, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path()
        return ctypes.CDLL(path), data
    except (ImportError, OSError, RuntimeError) as error:
        raise AsrlabError(f"espeak-ng: cannot be loaded ({error}); {_REINSTALL}") from error


def _short(data: str) -> tuple[tempfile.TemporaryDirectory | None, str]:
    """The library cuts a longer path to its data than 160 bytes: lead there by a short one, for as long as it runs."""
    if len(data.encode()) <= _LONGEST_PATH:
        return None, data
    folder = tempfile.TemporaryDirectory(prefix="espeak-")
    short = os.path.join(folder.name, "espeak-ng-data")
    try:
        os.symlink(data, short, target_is_directory=True)
    except OSError as error:
        raise AsrlabError(
            f"{data}: a path of {len(data)} characters, too long for espeak-ng, and no link can be made ({error}); "
            f"make the environment in a folder with a path shorter than {_LONGEST_PATH} characters"
        ) from error
    return folder, short


def _audible(samples: np.ndarray) -> tuple[int, int]:
    """The part that can be heard, with a margin, as (first, last) sample."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > QUIET * np.abs(samples.astype(np.int32)).max())
    if not len(loud):
        return 0, len(samples)
    margin = int(MARGIN * SAMPLE_RATE)
    return max(loud[0] - margin, 0), min(loud[-1] + 1 + margin, len(samples))


# --- between the processes --------------------------------------------------------------------------------------------


def _pack(spoken: Spoken) -> bytes:
    head = json.dumps({"phones": spoken.phones, "words": spoken.words}).encode()
    samples = spoken.samples.astype("<i2").tobytes()
    return struct.pack("<II", len(head), len(samples)) + head + samples


def _unpack(data: bytes) -> list[Spoken]:
    found, at = [], 0
    while at < len(data):
        head, body = struct.unpack_from("<II", data, at)
        middle = at + 8 + head
        events = {k: tuple(map(tuple, v)) for k, v in json.loads(data[at + 8 : middle]).items()}
        at = middle + body
        found.append(Spoken(np.frombuffer(data[middle:at], "<i2"), events["phones"], events["words"]))
    return found


def main() -> None:
    """Speak the requests on standard input (a JSON object a line); write what was said to standard output."""
    engine = Engine()
    for line in sys.stdin.buffer:
        sys.stdout.buffer.write(_pack(engine.say(Request(**json.loads(line)))))


if __name__ == "__main__":
    main()
