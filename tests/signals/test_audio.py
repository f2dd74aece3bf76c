"""Audio files: every format, rate and channel count against the signal that was written; every kind of broken file."""

import os
import signal
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrlab.core.errors import AsrlabError
from asrlab.signals import audio
from asrlab.signals.segment import segment_speech

RATES = (8000, 11025, 22050, 44100, 48000)


def sine(frequency: float, sample_rate: int, seconds: float = 1.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype(
        np.float32
    )


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_sixteen_bits_come_back_as_they_went(tmp_path, suffix):
    every_value = np.arange(-32768, 32768).astype(np.int16)
    soundfile.write(tmp_path / f"a{suffix}", every_value, 16000)
    loaded = audio.load(tmp_path / f"a{suffix}")
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, every_value / np.float32(32768))
    audio.save(tmp_path / f"b{suffix}", loaded, 16000)
    np.testing.assert_array_equal(soundfile.read(tmp_path / f"b{suffix}", dtype="int16")[0], every_value)


@pytest.mark.parametrize("suffix", [".mp3", ".ogg"])
def test_lossy_formats_keep_length_and_place(tmp_path, suffix):
    x = sine(440, 16000) * np.hanning(16000).astype(np.float32)
    audio.save(tmp_path / f"x{suffix}", x, 16000)
    y = audio.load(tmp_path / f"x{suffix}")
    assert y.shape == x.shape
    assert np.std(y - x) < 0.05 * np.std(x)  # a shift by one sample would give 0.17


def test_saving_clips_and_does_not_wrap(tmp_path):
    audio.save(tmp_path / "x.wav", np.array([-3.0, 0.0, 3.0]), 16000)
    np.testing.assert_allclose(audio.load(tmp_path / "x.wav"), [-1, 0, 1], atol=1 / 32768)


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_channels_are_averaged(tmp_path, channels):
    x = noise(4000 * channels).reshape(4000, channels)
    soundfile.write(tmp_path / "x.wav", x, 16000, subtype="FLOAT")
    np.testing.assert_allclose(audio.load(tmp_path / "x.wav"), x.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate", RATES)
def test_any_rate_becomes_the_sine_that_it_is(tmp_path, rate):
    soundfile.write(tmp_path / "x.wav", sine(1000, rate), rate, subtype="FLOAT")
    y = audio.load(tmp_path / "x.wav", 16000)
    expected = sine(1000, 16000)
    assert abs(len(y) - len(expected)) <= 1
    np.testing.assert_allclose(y[500:15500], expected[500:15500], atol=1e-4)  # the filter rings at the ends


def test_resampling_removes_what_the_new_rate_cannot_hold():
    alias = audio.resample(sine(10000, 44100), 44100, 16000)
    assert np.abs(alias[500:-500]).max() < 1e-4
    assert np.array_equal(audio.resample(alias, 16000, 16000), alias)


def test_loading_in_blocks_equals_resampling_at_once(tmp_path, monkeypatch):
    x = noise(50000)
    soundfile.write(tmp_path / "x.wav", x, 44100, subtype="FLOAT")
    monkeypatch.setattr(audio, "BLOCK", 777)
    np.testing.assert_allclose(audio.load(tmp_path / "x.wav"), audio.resample(x, 44100, 16000), atol=1e-6)


def test_a_part_is_the_slice_of_the_whole(tmp_path):
    x = noise(32000)
    soundfile.write(tmp_path / "x.wav", x, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(audio.load(tmp_path / "x.wav", start=0.5, seconds=0.25), x[8000:12000])
    np.testing.assert_array_equal(audio.load(tmp_path / "x.wav", start=1.5), x[24000:])
    np.testing.assert_array_equal(audio.load(tmp_path / "x.wav", start=1.5, seconds=0.509), x[24000:])  # rounded up
    for start, seconds in ((1.9, 0.2), (-0.1, 0.2), (2.0, None), (0.0, 0.0)):
        with pytest.raises(AsrlabError, match=r"x\.wav: seconds .* lasts 2 s"):
            audio.load(tmp_path / "x.wav", start=start, seconds=seconds)


def test_a_long_file_costs_little_more_than_its_samples(tmp_path):
    minutes = 5
    with soundfile.SoundFile(tmp_path / "x.wav", "w", 8000, 2, "PCM_U8") as file:
        for _ in range(minutes):
            file.write(np.zeros((60 * 8000, 2)))
    tracemalloc.start()
    x = audio.load(tmp_path / "x.wav")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(x) == minutes * 60 * 16000
    assert peak < x.nbytes + 8e6


def test_info_reads_the_header(tmp_path):
    soundfile.write(tmp_path / "x.flac", np.zeros((22050, 2)), 44100)
    found = audio.info(tmp_path / "x.flac")
    assert found == audio.AudioInfo(44100, 2, 22050, "FLAC", "PCM_16")
    assert found.seconds == 0.5


@pytest.mark.parametrize("make", ["missing", "folder", "empty", "text", "header only", "random"])
def test_what_is_no_audio_says_so(tmp_path, make):
    path = tmp_path / "x.wav"
    contents = {"empty": b"", "text": b"hello " * 100, "random": np.random.default_rng(0).bytes(5000)}
    if make == "folder":
        path.mkdir()
    elif make == "header only":
        soundfile.write(path, np.zeros(0), 16000)
    elif make != "missing":
        path.write_bytes(contents[make])
    remedy = {"missing": "no such file", "folder": "is a folder", "empty": "0 bytes", "header only": "no samples"}
    with pytest.raises(AsrlabError, match=rf"x\.wav: .*{remedy.get(make, 'not readable as audio')}.*[;,] ") as caught:
        audio.load(path)
    assert not isinstance(caught.value, soundfile.SoundFileError)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg"])
@pytest.mark.parametrize("part", [0.5, 0.97])
def test_a_truncated_file_is_not_taken_for_whole(tmp_path, suffix, part):
    path = tmp_path / f"x{suffix}"
    audio.save(path, noise(48000), 16000)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(AsrlabError, match=r"x\.\w+: .*(truncated|damaged|not readable).*; .*again"):
        audio.load(path)


@pytest.mark.parametrize("claim", [0xFFFFFFFF, 0x7FFFF000])
def test_a_wav_written_into_a_pipe_has_no_length_and_loads(tmp_path, claim):
    path = tmp_path / "x.wav"
    audio.save(path, noise(16000), 16000)
    whole, expected = bytearray(path.read_bytes()), audio.load(path)
    whole[40:44] = struct.pack("<I", claim)
    path.write_bytes(whole)
    np.testing.assert_array_equal(audio.load(path), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_named(tmp_path, bad):
    x = noise(1000)
    x[700] = bad
    soundfile.write(tmp_path / "x.wav", x, 16000, subtype="FLOAT")
    with pytest.raises(AsrlabError, match=r"x\.wav: sample 700 is -?(nan|inf); write it again"):
        audio.load(tmp_path / "x.wav")
    with pytest.raises(AsrlabError, match=r"y\.wav: sample 700 is -?(nan|inf); replace"):
        audio.save(tmp_path / "y.wav", x, 16000)
    assert not (tmp_path / "y.wav").exists()


def test_one_sample_and_silence_load(tmp_path):
    for count in (1, 16000):
        audio.save(tmp_path / "x.wav", np.zeros(count), 16000)
        np.testing.assert_array_equal(audio.load(tmp_path / "x.wav"), np.zeros(count, np.float32))


def test_a_demanded_rate_is_demanded(tmp_path):
    audio.save(tmp_path / "x.wav", noise(800), 8000)
    with pytest.raises(AsrlabError, match=r"x\.wav: 8000 Hz, expected 16000 Hz; pass resample=True"):
        audio.load(tmp_path / "x.wav", 16000, resample=False)
    assert len(audio.load(tmp_path / "x.wav", None, resample=False)) == 800
    for rates in ((0, 8000), (8000, -1)):
        with pytest.raises(AsrlabError, match=r"rate=.*: give a number of samples a second"):
            audio.resample(noise(10), *rates)


@pytest.mark.parametrize(
    "samples", [np.zeros(0), np.zeros((2, 3)), np.zeros(3, np.int16), 0.5], ids=["none", "stereo", "integers", "scalar"]
)
def test_what_is_no_waveform_is_not_saved(tmp_path, samples):
    with pytest.raises(AsrlabError, match=r"x\.wav: .*give floats in \[-1, 1\]"):
        audio.save(tmp_path / "x.wav", samples, 16000)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(AsrlabError, match=r"x\.wav: cannot be written .*; .*choose another place"):
        audio.save(tmp_path / "file" / "x.wav", noise(100), 16000)
    with pytest.raises(AsrlabError, match=r"unknown suffix '\.aac'; use one of \.wav"):
        audio.save(tmp_path / "x.aac", noise(100), 16000)
    with pytest.raises(AsrlabError, match=r"x\.mp3: cannot be written at 17000 Hz"):
        audio.save(tmp_path / "x.mp3", noise(100), 17000)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system cannot limit the size of files")
def test_a_full_disk_leaves_the_old_file_and_no_half_one(tmp_path):
    import resource

    path = tmp_path / "x.wav"
    audio.save(path, noise(100), 16000)
    before = path.read_bytes()
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(AsrlabError, match=r"x\.wav: cannot be written"):
            audio.save(path, noise(100_000), 16000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_long_ogg_files_can_be_written(tmp_path):
    audio.save(tmp_path / "x.ogg", np.zeros(16000 * 100), 16000)  # libsndfile crashes if these come in one write
    assert audio.info(tmp_path / "x.ogg").frames == 16000 * 100


@pytest.mark.skipif("ASRLAB_DATA" not in os.environ, reason="ASRLAB_DATA names no folder of recordings")
def test_real_recordings_load_and_are_speech():
    path = next(iter(sorted(Path(os.environ["ASRLAB_DATA"]).glob("an4/wav/*/*/*.wav"))), None)
    if path is None:
        pytest.skip("no AN4 in ASRLAB_DATA")
    x = audio.load(path)
    assert len(x) == audio.info(path).frames
    assert 1e-3 < np.std(x) < 0.5
    assert segment_speech(x, 16000)
