"""Recordings as files that were cut, damaged, glued or never finished: read whole, or refused by name."""

import binascii
import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrlab.core.errors import AsrlabError
from asrlab.signals import audio, containers

SECONDS = 3.0
CODECS = {"WAV": 1e-4, "FLAC": 1e-4, "OGG": 0.1, "MP3": 0.1}  # how far from what was written a sample may be


def tones(rate=16000, seconds=SECONDS):
    """A sweep with a swelling loudness, so that every stretch differs from every other and bit rates vary."""
    t = np.arange(round(rate * seconds)) / rate
    return (0.3 * np.sin(2 * np.pi * (200 + 300 * t) * t) * np.sin(np.pi * t / seconds)).astype(np.float32)


def encoded(kind, rate=16000, channels=1, seconds=SECONDS, **options):
    buffer = io.BytesIO()
    x = tones(rate, seconds)
    with soundfile.SoundFile(buffer, "w", rate, channels, format=kind, **options) as file:
        file.write(np.stack([x] * channels, axis=1))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def whole():
    return {kind: encoded(kind) for kind in CODECS}


def without_index(mp3):
    """An MP3 as it comes out of a pipe: its first frame, which tells the length, is not there."""
    second = mp3.index(mp3[:2], 4)
    while mp3[second + 2] & 0x0C != mp3[2] & 0x0C:  # the same sample rate: a header, not two bytes of data
        second = mp3.index(mp3[:2], second + 1)
    assert any(mark in mp3[:second] for mark in (b"Xing", b"Info"))
    return mp3[second:]


def load(data, **options):
    return audio.load(io.BytesIO(data), None, name="x.bin", **options)


def shift(x, y):
    """Where y begins in x, by correlation."""
    size = 2 * max(len(x), len(y))
    return int(np.argmax(np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(y, size).conj())))


@pytest.mark.parametrize("mode", ["VARIABLE", "CONSTANT", "AVERAGE"])
@pytest.mark.parametrize("rate, channels", [(16000, 1), (44100, 2), (8000, 1), (48000, 1)])
def test_an_mp3_without_its_index_is_read_to_the_end(tmp_path, mode, rate, channels):
    data = without_index(encoded("MP3", rate, channels, bitrate_mode=mode, compression_level=0.5))
    (tmp_path / "x.mp3").write_bytes(data)
    expected = tones(rate)
    for found in (load(data), audio.load(tmp_path / "x.mp3", None)):
        assert len(expected) <= len(found) <= len(expected) + 4 * 1152  # the encoder's delay and its last frame
        at = shift(found, expected)
        assert 0 <= at <= 2 * 1152
        for part in np.array_split(np.arange(len(expected)), 10):  # each tenth is there, but for what the codec loses
            loss = found[at + part] - expected[part]
            assert np.linalg.norm(loss) < 0.3 * np.linalg.norm(expected[part])
    assert audio.info(tmp_path / "x.mp3").frames == len(found)
    part = audio.load(tmp_path / "x.mp3", None, start=1.0, seconds=0.5)
    np.testing.assert_allclose(part, found[rate : rate + rate // 2], atol=1e-5)


def test_an_mp3_in_blocks_or_in_parts_is_that_in_one_piece(whole, clean, monkeypatch):
    part = load(whole["MP3"], start=1.0, seconds=0.5)
    np.testing.assert_allclose(part, clean["MP3"][16000:24000], atol=1e-5)
    monkeypatch.setattr(audio, "BLOCK", 1000)
    np.testing.assert_allclose(load(whole["MP3"]), clean["MP3"], atol=1e-5)


def test_tags_are_no_sound(whole):
    mp3 = without_index(whole["MP3"])
    id3 = b"ID3\x04\x00\x00" + bytes([0, 0, 1, 0]) + b"\xff\xf3" * 64  # 128 bytes that look like the mark of a frame
    ape = b"APETAGEX" + (2000).to_bytes(4, "little") + (32).to_bytes(4, "little") + bytes(8) + bytes(8)
    for before, after in ((id3, b""), (b"", b"TAG" + b"x" * 125), (b"", bytes(50)), (id3, ape)):
        assert len(load(before + mp3 + after)) == len(load(mp3))


def test_mp3_parts_without_an_index_play_one_after_the_other(whole):
    part = without_index(whole["MP3"])
    assert len(load(part + part)) == pytest.approx(2 * len(load(part)), abs=1152)


@pytest.mark.parametrize("kind", CODECS)
def test_glued_files_are_refused(whole, tmp_path, kind):
    glued = whole[kind] + encoded(kind, seconds=1.0)
    (tmp_path / "glued.bin").write_bytes(glued)
    for read in (lambda: load(glued), lambda: audio.load(tmp_path / "glued.bin", None)):
        with pytest.raises(AsrlabError, match=r"(another|one file|not readable)"):
            read()


def test_files_of_two_rates_glued_are_refused(whole):
    with pytest.raises(AsrlabError, match=r"x\.bin: changes its rate"):
        load(without_index(whole["MP3"]) + without_index(encoded("MP3", 24000)))


def test_a_damaged_page_of_ogg_is_named(whole):
    pages = [i for i in range(len(whole["OGG"])) if whole["OGG"].startswith(b"OggS", i)]
    for at in (pages[-1] + 100, pages[-2] + 100):
        damaged = bytearray(whole["OGG"])
        damaged[at] ^= 0x10
        with pytest.raises(AsrlabError, match=r"x\.bin: .*(damaged|malformed)"):
            load(bytes(damaged))
        with pytest.raises(AsrlabError, match=r"x: the page of OGG at byte \d+ is damaged"):
            containers.check_ogg(bytes(damaged), "x")
    for cut, message in (
        (whole["OGG"][: pages[-2]] + whole["OGG"][pages[-1] :], "a page of OGG is missing before byte"),
        (whole["OGG"][: pages[-1]], "truncated, its last page of OGG is missing"),
    ):
        with pytest.raises(AsrlabError, match=r"x\.bin: "):
            load(cut)
        with pytest.raises(AsrlabError, match=message):
            containers.check_ogg(cut, "x")


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=50))
def test_the_checksum_of_ogg_is_that_of_its_definition(data):
    """RFC 3533 bit by bit."""
    register = 0
    for byte in data:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (0x04C11DB7 if register & 0x80000000 else 0)) & 0xFFFFFFFF
    assert containers.ogg_checksum(data) == register
    assert binascii.crc32(data) == register or data  # another checksum than that of zip


@pytest.fixture(scope="module")
def clean(whole):
    return {kind: load(data) for kind, data in whole.items()}


@pytest.mark.parametrize("kind", CODECS)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_cut_short_is_never_a_shorter_signal(whole, clean, kind, draw):
    data = whole[kind]
    cut = data[: draw.draw(st.integers(1, len(data) - 1))]
    same_or_refused(cut, clean[kind], CODECS[kind])


@pytest.mark.parametrize("kind", CODECS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_damage_anywhere_is_never_a_shorter_signal(whole, clean, kind, draw):
    data = bytearray(whole[kind])
    begin = draw.draw(st.integers(0, len(data) - 1))
    for at in range(begin, min(begin + draw.draw(st.sampled_from([1, 30, 600])), len(data))):
        data[at] ^= draw.draw(st.integers(1, 255))
        if draw.draw(st.booleans()):
            break
    try:
        found = load(bytes(data))
    except AsrlabError as error:
        assert "x.bin: " in str(error)
    else:  # what the samples are is lost where no checksum guards them; how many there are is not
        delay = 2 * 4095 if kind == "MP3" else 0  # what an MP3 says of the silence that its encoder added is unguarded
        assert abs(len(found) - len(clean[kind])) <= delay


@pytest.mark.parametrize("first", CODECS)
@pytest.mark.parametrize("second", [*CODECS, "zeros", "text"])
def test_whatever_follows_a_file_costs_none_of_it(whole, clean, first, second):
    tail = {"zeros": bytes(3000), "text": b"and so on " * 300}.get(second) or whole[second]
    same_or_refused(whole[first] + tail, clean[first], CODECS[first], glued=second == first)


def same_or_refused(data, expected, tolerance, glued=False):
    try:
        found = load(data)
    except AsrlabError as error:
        assert "x.bin: " in str(error)
    else:
        assert not glued
        assert len(found) == len(expected)
        np.testing.assert_allclose(found, expected, atol=tolerance)


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path, kind in ((tmp_path / "pipe.wav", "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "a folder")):
        for read in (audio.load, audio.info):
            with pytest.raises(AsrlabError, match=f"{path.name}: is {kind}, expected a file"):
                read(path)


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "nul\0.wav", "\ud800.wav"])
def test_names_that_no_file_can_have_are_refused(tmp_path, name):
    with pytest.raises(AsrlabError, match="cannot be read"):
        audio.load(tmp_path / name)
    with pytest.raises(AsrlabError, match="cannot be written"):
        audio.save(tmp_path / name, tones(), 16000)


def test_a_name_need_not_be_utf_8(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.wav"))
    audio.save(path, tones(), 16000)
    assert len(audio.load(path)) == len(tones())


@pytest.mark.parametrize("claim", [1, 999, 2_000_000_000])
def test_a_rate_that_nobody_records_at_is_refused(whole, claim):
    data = bytearray(whole["WAV"])
    data[24:28] = claim.to_bytes(4, "little")
    with pytest.raises(AsrlabError, match=rf"x\.bin: claims {claim} Hz"):
        load(bytes(data))


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 0, -1, True, "16000"])
def test_a_rate_is_a_finite_number(whole, tmp_path, rate):
    with pytest.raises(AsrlabError, match="sample_rate="):
        audio.load(io.BytesIO(whole["WAV"]), rate)
    with pytest.raises(AsrlabError, match="sample_rate="):
        audio.save(tmp_path / "x.wav", tones(), rate)
    for times in ({"start": float("nan")}, {"seconds": float("inf")}):
        with pytest.raises(AsrlabError, match="give finite numbers"):
            load(whole["WAV"], **times)


def test_a_flac_out_of_a_pipe_says_what_is_wrong(whole):
    data = bytearray(whole["FLAC"])
    data[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples; 0: unknown
    data[22:26] = bytes(4)
    with pytest.raises(AsrlabError, match=r"x\.bin: its header does not say how long it is"):
        load(bytes(data))


def test_what_is_no_file_is_refused_by_name():
    for thing in (5, None, np.zeros(5)):
        with pytest.raises(AsrlabError, match=f"{type(thing).__name__}; give a path"):
            audio.load(thing)


@pytest.mark.parametrize(
    ("at", "value", "told"),
    [
        (40, 1, r"damaged at byte \d+, where its samples end and no chunk begins"),  # of the samples' length
        (22, 2, "damaged, 2 channels of 16 bits at 16000 Hz in frames of 2 bytes"),
        (24, 0x81, "damaged, 1 channels of 16 bits at 16001 Hz"),
        (32, 4, "damaged, 1 channels of 16 bits at 16000 Hz in frames of 4 bytes"),
    ],
)
def test_a_wav_that_contradicts_itself_is_refused(whole, at, value, told):
    data = bytearray(whole["WAV"])
    if at == 40:  # shorter by some bytes than it is
        data[40:44] = (int.from_bytes(data[40:44], "little") - 256).to_bytes(4, "little")
    else:
        data[at] = value
    with pytest.raises(AsrlabError, match=told):
        load(bytes(data))
