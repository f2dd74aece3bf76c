"""Single words, spoken to order: who says them, in which accent and how fast is chosen, and noise is added as wanted.

The speaker is espeak-ng, as in scenetalk, and the voices are split as there: those of train, dev and test share no
variant of the synthesiser. What is made lies in the cache, one WAV file for each request, named after everything that
decides it, and its digest is checked when it is used again. The same requests give the same samples.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import soundfile

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Source, Utterance
from asrlab.corpora.scenetalk.espeak import ACCENTS, SAMPLE_RATE, VARIANTS, Request, speak_all
from asrlab.corpora.scenetalk.grammar import COLOURS, NUMBERS, draw
from asrlab.corpora.scenetalk.shard import HELD_OUT, PITCHES, RATES
from asrlab.signals.effects import add_noise

WORDS = (*NUMBERS, *COLOURS)  # twenty
FOLDER = "words"
VERSION = 1  # raise it with every change to how words are spoken or noise is made: the cache goes by it
PEAK = 0.9  # of full scale, the loudest sample after noise was added; the ratio stays
BABBLE_TALKERS = 6
BABBLE_SECONDS = 30.0
NOISES = ("babble", "pink", "white")


def voices(split: str, accents: Sequence[str] = tuple(ACCENTS)) -> tuple[str, ...]:
    """Voices "accent+variant" of "train", "dev" or "test": no variant is in two of them, whatever its accent."""
    held_out = {variant for variants in HELD_OUT.values() for variant in variants}
    if split not in ("train", *HELD_OUT):
        raise AsrlabError(f"split={split!r}: one of train, {', '.join(HELD_OUT)}")
    variants = HELD_OUT.get(split) or [variant for variant in VARIANTS if variant not in held_out]
    return tuple(f"{accent}+{variant}" for accent in accents for variant in variants)


def spoken(
    speakers: Sequence[str],
    takes: int = 1,
    words: Sequence[str] = WORDS,
    rates: tuple[int, int] = RATES,
    pitches: tuple[int, int] = PITCHES,
    seed: int = 0,
) -> tuple[Utterance, ...]:
    """Each of `words`, `takes` times, by each of `speakers`, rate (words a minute) and pitch drawn from the ranges.

    Tags: accent, variant, rate, pitch, take. Raises AsrlabError for a voice or a number out of espeak's range.
    """
    random, requests = Random(f"{VERSION}/{seed}"), []
    for take in range(takes):
        for voice in speakers:
            for word in words:
                rate, pitch = (low + int(random.random() * (high - low + 1)) for low, high in (rates, pitches))
                requests.append((take, Request(word, voice, rate, pitch)))
    if not requests:
        raise AsrlabError(f"{len(speakers)} speakers, {takes} takes, {len(words)} words: none may be 0")
    key = _key("spoken", [asdict(request) for _, request in requests])
    pieces = _kept(key, lambda: [s.samples.astype(np.float32) / 32768 for s in speak_all(r for _, r in requests)])
    return tuple(
        _utterance(f"{key[:6]}-{i:04d}", request, take, start, seconds, _path(key))
        for i, ((take, request), (start, seconds)) in enumerate(zip(requests, pieces, strict=True))
    )


def with_noise(
    utterances: Sequence[Utterance], snr_db: float, noise: str = "babble", sample_rate: int = SAMPLE_RATE, seed: int = 0
) -> tuple[Utterance, ...]:
    """The same utterances, of any corpus, with noise so loud that speech is `snr_db` decibels above it.

    noise        babble (six voices of dev that talk at once), pink (3 dB less in each octave) or white
    sample_rate  Hz that the utterances are read and written at

    Each gets another stretch of the noise, drawn from `seed`. Ids stay, so that a noisy recording can be compared with
    its clean one; the tag `snr` is added. Raises AsrlabError for an unknown noise, and for silent utterances.
    """
    if noise not in NOISES:
        raise AsrlabError(f"noise={noise!r}: one of {', '.join(NOISES)}")
    key = _key("noisy", [VERSION, noise, snr_db, sample_rate, seed, [_fingerprint(u) for u in utterances]])

    def make() -> list[np.ndarray]:
        source, generator = _noise(noise, sample_rate), np.random.default_rng(seed)
        noisy = [add_noise(u.load(sample_rate), source, snr_db, generator) for u in utterances]
        return [samples * min(1.0, PEAK / float(np.abs(samples).max())) for samples in noisy]

    pieces = _kept(key, make, sample_rate)
    return tuple(
        u.moved(Source(_path(key), start, seconds), seconds=seconds, tags={**u.tags, "snr": f"{snr_db:g}"})
        for u, (start, seconds) in zip(utterances, pieces, strict=True)
    )


def mixed_noise(
    utterances: Sequence[Utterance], snrs_db: Sequence[float | None], noise: str = "babble", seed: int = 0
) -> tuple[Utterance, ...]:
    """Each utterance once, at one of `snrs_db` in turn (None: as it is): what one trains on to be ready for noise."""
    groups = {snr: utterances[k :: len(snrs_db)] for k, snr in enumerate(snrs_db)}
    ready = {
        snr: part if snr is None else with_noise(part, snr, noise, seed=seed + 1 + k)
        for k, (snr, part) in enumerate(groups.items())
    }
    found = {u.id: u for part in ready.values() for u in part}
    return tuple(found[u.id] for u in utterances)


@lru_cache(maxsize=8)
def _noise(name: str, sample_rate: int) -> np.ndarray:
    """Half a minute of noise (N,) at `sample_rate`, the same every time."""
    if name == "babble":
        return np.concatenate([u.load(sample_rate) for u in _babble()])
    generator = np.random.default_rng(VERSION)
    size = int(BABBLE_SECONDS * sample_rate)
    white = generator.standard_normal(size)
    if name == "pink":
        spectrum = np.fft.rfft(white)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[0] = 0  # no offset
        white = np.fft.irfft(spectrum, size)
    return (0.1 * white / white.std()).astype(np.float32)


def _babble() -> list[Utterance]:
    """Six voices of dev, each saying one sentence of scenetalk after the other, added up."""
    random, talkers = Random(f"{VERSION}/babble"), voices("dev")[::2][:BABBLE_TALKERS]
    requests = [Request(draw(random, "dev")[1], talker) for _ in range(16) for talker in talkers]
    key = _key("babble", [asdict(request) for request in requests])

    def make() -> list[np.ndarray]:
        said = [s.samples.astype(np.float32) / 32768 for s in speak_all(requests)]
        size = int(BABBLE_SECONDS * SAMPLE_RATE)
        tracks = [np.resize(np.concatenate(said[k :: len(talkers)]), size) for k in range(len(talkers))]
        # Talkers are equally loud, and none begins with the others.
        total = sum(np.roll(track / track.std(), 12_345 * k) for k, track in enumerate(tracks))
        return [(PEAK * total / np.abs(total).max()).astype(np.float32)]

    return [
        Utterance.recorded("babble", _path(key), "", "babble", seconds, start) for start, seconds in _kept(key, make)
    ]


# --- in the cache ---------------------------------------------------------------------------------


def _key(kind: str, content: object) -> str:
    return hashlib.sha256(json.dumps([VERSION, kind, content]).encode()).hexdigest()[:20]


def _path(key: str) -> Path:
    return corpora.cache() / FOLDER / f"{key}.wav"


def _fingerprint(utterance: Utterance) -> list:
    source = utterance.source()
    return [utterance.id, source.path.name, round(source.start, 6), round(utterance.seconds, 6)]


def _kept(key: str, make: Callable[[], list[np.ndarray]], sample_rate: int = SAMPLE_RATE) -> list[tuple[float, float]]:
    """(start, seconds) of each piece in the file of `key`, which is made unless it is there and whole."""
    path, index = _path(key), _path(key).with_suffix(".json")
    if path.exists() and index.exists():
        known = json.loads(index.read_text(encoding="utf-8"))
        if hashlib.sha256(path.read_bytes()).hexdigest() == known["sha256"]:
            return [tuple(piece) for piece in known["pieces"]]
    pieces = make()
    edges = np.cumsum([0, *map(len, pieces)])
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate(pieces), sample_rate, format="WAV", subtype="PCM_16")
    spans = [(int(a) / sample_rate, int(b - a) / sample_rate) for a, b in pairwise(edges)]
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    _publish(path, buffer.getvalue())
    _publish(index, json.dumps({"sha256": digest, "pieces": spans}).encode())
    return spans


def _publish(path: Path, data: bytes) -> None:
    """Whole or not at all, also where two processes make the same."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(data)
    os.replace(part, path)


def _utterance(id: str, request: Request, take: int, start: float, seconds: float, path: Path) -> Utterance:
    accent, _, variant = request.voice.partition("+")
    tags = {
        "accent": accent, "variant": variant, "rate": str(request.rate), "pitch": str(request.pitch), "take": str(take),
    }  # fmt: skip
    return Utterance.recorded(id, path, request.text, request.voice, seconds, start, tags)
