"""Films: pictures and sound of any rate on one clock, and what is wrong with a film told by its name."""

import numpy as np
import pytest
from films import film, moving, tone

from asrlab.core.errors import AsrlabError
from asrlab.signals import video


def level(picture: np.ndarray) -> float:
    return float(picture.mean())


@pytest.mark.parametrize("rate", [10, 25, 30000 / 1001, 50])
def test_a_moment_has_the_picture_that_is_shown_then(tmp_path, rate):
    shown = moving(round(rate))
    path = film(tmp_path / "a.mp4", shown, rate)
    moments = (np.arange(25) + 0.5) / 25
    found = [level(picture) for picture in video.pictures(path, moments)]
    wanted = [level(shown[min(int(moment * rate + 1e-6), len(shown) - 1)]) for moment in moments]
    assert len(found) == 25
    np.testing.assert_allclose(found, wanted, atol=4)  # a lossy codec; neighbours differ by more at 10 a second


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mpg", "avi"])
def test_containers_give_the_same_film(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "mpg":  # MPEG-1, as GRID is published
        film_mpg(path)
    else:
        film(path, moving(25))
    known = video.info(path)
    assert known.pictures == 25 and abs(known.seconds - 1) < 0.12 and known.rate == 25
    samples = video.sound(path, 8000)
    assert len(samples) == round(known.seconds * 8000) and samples.dtype == np.float32


def film_mpg(path) -> None:
    from fractions import Fraction

    import av

    with av.open(str(path), "w") as container:
        picture = container.add_stream("mpeg1video", rate=25)
        picture.height, picture.width, picture.pix_fmt = 48, 64, "yuv420p"
        ear = container.add_stream("mp2", rate=44100, layout="stereo")
        for shown in moving(25):
            container.mux(picture.encode(av.VideoFrame.from_ndarray(np.repeat(shown[..., None], 3, 2), format="rgb24")))
        container.mux(picture.encode(None))
        samples = (tone(1.0, 44100) * 32767).astype(np.int16)
        piece = av.AudioFrame.from_ndarray(np.repeat(samples, 2)[None], format="s16", layout="stereo")
        piece.rate, piece.pts, piece.time_base = 44100, 0, Fraction(1, 44100)
        container.mux(ear.encode(piece))
        container.mux(ear.encode(None))


def test_sound_is_the_tone_and_late_sound_has_silence_before_it(tmp_path):
    early = video.sound(film(tmp_path / "a.mp4", moving(25)), 16000)
    late = video.sound(film(tmp_path / "b.mkv", moving(25), seconds=0.8, late=0.2), 16000)
    inside = slice(6000, 10000)
    assert abs(np.abs(early[inside]).max() - 1 / 3) < 0.05
    crossings = np.sum(np.diff(np.sign(early[inside])) != 0)
    assert abs(crossings - 2 * 440 * 4000 / 16000) <= 2
    assert np.abs(late[:2500]).max() < 0.01 and np.abs(late[4500:8000]).max() > 0.25


def test_a_stretch_is_what_the_whole_has_there(tmp_path):
    path = film(tmp_path / "a.mp4", moving(50))
    whole = video.sound(path, 16000)
    np.testing.assert_allclose(video.sound(path, 16000, 0.5, 1.0), whole[8000:24000], atol=1e-6)
    part = [level(p) for p in video.pictures(path, np.array([1.0, 1.5]) + 0.01)]
    everything = [level(p) for p in video.pictures(path, np.arange(50) / 25 + 0.01)]
    np.testing.assert_allclose(part, [everything[25], everything[37]])


def test_a_stretch_far_in_is_jumped_to(tmp_path):
    shown = moving(300, 16, 16)
    path = film(tmp_path / "a.mp4", shown, seconds=12.0)
    (found,) = video.pictures(path, [11.02])
    assert abs(level(found) - level(shown[275])) < 4
    whole = video.sound(path, 16000)
    np.testing.assert_allclose(video.sound(path, 16000, 10.0, 1.0), whole[160000:176000], atol=1e-3)


def test_what_is_wrong_is_said_with_file_value_and_remedy(tmp_path):
    def told(path, call=video.info):
        with pytest.raises(AsrlabError) as error:
            call(path)
        assert str(path) in str(error.value)
        return str(error.value)

    def look(path):
        return list(video.pictures(path, [0.0]))

    def hear(path):
        return video.sound(path, 16000)

    good = film(tmp_path / "good.mp4", moving(50))
    assert "no such file" in told(tmp_path / "missing.mp4")
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert "empty (0 bytes)" in told(tmp_path / "empty.mp4")
    (tmp_path / "cut.mp4").write_bytes(good.read_bytes()[:-4000])
    assert "truncated" in told(tmp_path / "cut.mp4")
    (tmp_path / "text.mp4").write_text("no film at all" * 100)
    assert "cannot be read as a film" in told(tmp_path / "text.mp4")
    one = film(tmp_path / "one.mp4", moving(1), seconds=0)
    assert "a single picture" in told(one)
    short = film(tmp_path / "short.mp4", moving(25), seconds=2.0)
    assert "picture 1.00 s, sound 2.0" in told(short) and "cut the sound" in told(short)
    long = film(tmp_path / "long.mp4", moving(75), seconds=2.0)
    assert "cut the picture" in told(long)
    silent = film(tmp_path / "silent.mp4", moving(25), seconds=0)
    assert "without sound" in told(silent, hear)
    blind = film(tmp_path / "blind.mp4", None, seconds=1.0)
    assert "sound without a picture" in told(blind, look)
    with pytest.raises(AsrlabError, match=r"good\.mp4: seconds 1 to 9 asked for, but it lasts 2"):
        video.sound(good, 16000, 1.0, 8.0)


def test_a_large_film_is_read_one_picture_at_a_time(tmp_path):
    path = film(tmp_path / "large.mp4", moving(3, 2160, 3840), seconds=0)
    found = list(video.pictures(path, [0.0, 0.05, 0.09]))
    assert [picture.shape for picture in found] == [(2160, 3840)] * 3
