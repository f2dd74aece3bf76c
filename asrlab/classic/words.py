"""Single words, spoken to order: who says them, in which accent and how fast is chosen, and noise is added as wanted.

The speaker is espeak-ng, as in scenetalk, and the voices are split as there: those of train, dev and test share no
variant of the synthesiser. Nor do those that babble in the noise to train in and in the noise to test in, and none of
them speaks in dev or test. What is made lies in the cache, one WAV file for each request, named after everything that
decides it, and its digest is checked when it is used again. The same requests give the same samples.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
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
from asrlab.core.files import parse_json, write_whole
from asrlab.corpora import Source, Utterance
from asrlab.corpora.scenetalk.espeak import ACCENTS, SAMPLE_RATE, VARIANTS, Request, speak_all
from asrlab.corpora.scenetalk.grammar import COLOURS, NUMBERS, draw
from asrlab.corpora.scenetalk.shard import HELD_OUT, PITCHES, RATES
from asrlab.signals.effects import add_noise

WORDS = (*NUMBERS, *COLOURS)  # twenty
FOLDER = "words"
VERSION = 1  # raise it with every change to how words are spoken: the cache goes by it
NOISE_VERSION = 2  # and this one with every change to how noise is made
PEAK = 0.9  # of full scale, the loudest sample after noise was added; the ratio stays
BABBLE_TALKERS = 6
BABBLE_SECONDS = 30.0
NOISES = ("babble", "pink", "white")
PURPOSES = ("train", "test")  # what noise is for


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
    utterances: Sequence[Utterance],
    snr_db: float,
    noise: str = "babble",
    sample_rate: int = SAMPLE_RATE,
    seed: int = 0,
    purpose: str = "test",
) -> tuple[Utterance, ...]:
    """The same utterances, of any corpus, with noise so loud that active speech is `snr_db` decibels above it.

    noise        babble (six voices that talk at once), pink (3 dB less in each octave) or white
    sample_rate  Hz that the utterances are read and written at
    purpose      "train" or "test": these noises share no talker and no stretch

    Each gets another stretch of the noise, drawn from `seed`. Ids stay, so that a noisy recording can be compared with
    its clean one; the tag `snr` is added. Raises AsrlabError for an unknown noise, and for silent utterances.
    """
    if noise not in NOISES:
        raise AsrlabError(f"noise={noise!r}: one of {', '.join(NOISES)}")
    if purpose not in PURPOSES:
        raise AsrlabError(f"purpose={purpose!r}: one of {', '.join(PURPOSES)}")
    fingerprints = [_fingerprint(u) for u in utterances]
    key = _key("noisy", [NOISE_VERSION, noise, purpose, snr_db, sample_rate, seed, fingerprints])

    def make() -> list[np.ndarray]:
        source, generator = _noise(noise, sample_rate, purpose), np.random.default_rng(seed)
        noisy = [add_noise(u.load(sample_rate), source, snr_db, generator, sample_rate) for u in utterances]
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
        snr: part if snr is None else with_noise(part, snr, noise, seed=seed + 1 + k, purpose="train")
        for k, (snr, part) in enumerate(groups.items())
    }
    found = {u.id: u for part in ready.values() for u in part}
    return tuple(found[u.id] for u in utterances)


@lru_cache(maxsize=8)
def _noise(name: str, sample_rate: int, purpose: str) -> np.ndarray:
    """Half a minute of noise (N,) at `sample_rate`, the same every time, another for each purpose."""
    if name == "babble":
        return np.concatenate([u.load(sample_rate) for u in _babble(purpose)])
    generator = np.random.default_rng([NOISE_VERSION, PURPOSES.index(purpose)])
    size = int(BABBLE_SECONDS * sample_rate)
    white = generator.standard_normal(size)
    if name == "pink":
        spectrum = np.fft.rfft(white)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        spectrum[0] = 0  # no offset
        white = np.fft.irfft(spectrum, size)
    return (0.1 * white / white.std()).astype(np.float32)


def talkers(purpose: str) -> tuple[str, ...]:
    """The voices that babble: other variants for each purpose, and none that speaks in dev or test."""
    variants = [v for v in VARIANTS if v not in {held for some in HELD_OUT.values() for held in some}]
    own, accents = variants[PURPOSES.index(purpose) :: len(PURPOSES)], tuple(ACCENTS)
    return tuple(f"{accents[k % len(accents)]}+{own[k % len(own)]}" for k in range(BABBLE_TALKERS))


def _babble(purpose: str) -> list[Utterance]:
    """Six voices, each saying one sentence of scenetalk after the other, added up."""
    random, several = Random(f"{NOISE_VERSION}/babble/{purpose}"), talkers(purpose)
    requests = [Request(draw(random, "train")[1], talker) for _ in range(16) for talker in several]
    key = _key("babble", [NOISE_VERSION, *(asdict(request) for request in requests)])

    def make() -> list[np.ndarray]:
        said = [s.samples.astype(np.float32) / 32768 for s in speak_all(requests)]
        size = int(BABBLE_SECONDS * SAMPLE_RATE)
        tracks = [np.resize(np.concatenate(said[k :: len(several)]), size) for k in range(len(several))]
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
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a damaged index: all is made anew
            known = parse_json(index.read_bytes())
            if hashlib.sha256(path.read_bytes()).hexdigest() == known["sha256"]:
                return [(start, seconds) for start, seconds in known["pieces"]]
    pieces = make()
    edges = np.cumsum([0, *map(len, pieces)])
    buffer = io.BytesIO()
    soundfile.write(buffer, np.concatenate(pieces), sample_rate, format="WAV", subtype="PCM_16")
    spans = [(int(a) / sample_rate, int(b - a) / sample_rate) for a, b in pairwise(edges)]
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    write_whole(path, buffer.getvalue())
    write_whole(index, json.dumps({"sha256": digest, "pieces": spans}))
    return spans


def _utterance(id: str, request: Request, take: int, start: float, seconds: float, path: Path) -> Utterance:
    accent, _, variant = request.voice.partition("+")
    tags = {
        "accent": accent, "variant": variant, "rate": str(request.rate), "pitch": str(request.pitch), "take": str(take),
    }  # fmt: skip
    return Utterance.recorded(id, path, request.text, request.voice, seconds, start, tags)
