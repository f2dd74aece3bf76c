"""One shard of scenetalk, made in a process of its own (`python -m asrlab.corpora.scenetalk.shard`).

A shard is drawn and spoken in a fixed order by a fresh process, so it comes out the same, bit for bit, wherever the
same espeak-ng runs: see `espeak`.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from asrlab.corpora.scenetalk.espeak import ACCENTS, SAMPLE_RATE, VARIANTS, Engine, Request, Spoken, run_module
from asrlab.corpora.scenetalk.grammar import Meaning, draw

UNSEEN_ACCENT = "en-gb-scotland"  # only in test
HELD_OUT = {"dev": ("m6", "f4"), "test": ("m3", "m7", "f2")}  # variants, in all accents; train has the others
RATES = (140, 210)  # words per minute: unhurried to brisk
PITCHES = (30, 70)


@dataclass(frozen=True)
class Job:
    """What a shard consists of."""

    folder: str  # where the WAV files go, as wav/SPLIT/ID.wav
    split: str  # "train", "dev" or "test"
    index: int  # which shard of the split
    seconds: float  # how much speech: the first utterance that reaches it is the last
    seed: str  # all that is random follows from it, the split and the index

    def run(self) -> list[dict]:
        """Make the shard in a fresh process; returns the rows of its manifest."""
        return json.loads(run_module(__name__, json.dumps(asdict(self)).encode()))


def speakers(split: str) -> tuple[str, ...]:
    """The voices of a split, "accent+variant". No variant is in two splits, so test voices are new in all accents."""
    held_out = {variant for variants in HELD_OUT.values() for variant in variants}
    variants = HELD_OUT.get(split) or [variant for variant in VARIANTS if variant not in held_out]
    accents = [accent for accent in ACCENTS if split == "test" or accent != UNSEEN_ACCENT]
    return tuple(f"{accent}+{variant}" for accent in accents for variant in variants)


def make(job: Job) -> Iterator[dict]:
    """Draw, speak and write the utterances of a shard; yields their rows for the manifest. For a fresh process."""
    random = Random(f"{job.seed}/{job.split}/{job.index}")
    voices, engine, total, number = speakers(job.split), Engine(), 0.0, 0
    Path(job.folder, "wav", job.split).mkdir(parents=True, exist_ok=True)
    while total < job.seconds or not number:
        meaning, text = draw(random, job.split)
        voice = voices[int(random.random() * len(voices))]
        rate, pitch = (low + int(random.random() * (high - low + 1)) for low, high in (RATES, PITCHES))
        request = Request(text, voice, rate, pitch)
        spoken = engine.say(request)
        audio = f"wav/{job.split}/{job.split}-{job.index:02d}-{number:04d}.wav"
        data = _wav(spoken)
        Path(job.folder, audio).write_bytes(data)
        yield _row(audio, request, meaning, spoken, hashlib.sha256(data).hexdigest())
        total, number = total + spoken.seconds, number + 1


def _row(audio: str, request: Request, meaning: Meaning, spoken: Spoken, sha256: str) -> dict:
    accent, variant = request.voice.split("+")
    tags = {
        "accent": accent,
        "sex": variant[0],
        "rate": str(request.rate),
        "pitch": str(request.pitch),
        "action": meaning.action,
        "meaning": meaning.to_json(),
        "phones": " ".join(f"{name} {start:.3f}" for name, start in spoken.phones),
    }
    return {
        "id": Path(audio).stem, "audio": audio, "text": request.text, "speaker": request.voice,
        "seconds": spoken.seconds, "tags": tags, "sha256": sha256,
    }  # fmt: skip


def _wav(spoken: Spoken) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(spoken.samples.astype("<i2").tobytes())
    return buffer.getvalue()


if __name__ == "__main__":
    json.dump(list(make(Job(**json.load(sys.stdin)))), sys.stdout)
