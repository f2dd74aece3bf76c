"""A mouth is found, followed without wandering, and cut out; where there is none the film is named."""

import numpy as np
import pytest
from films import face, film

from asrlab.core.errors import AsrlabError
from asrlab.signals import mouth
from asrlab.signals.mouth import MouthOptions, crop, find_faces, running_median, scaled, track

FACE = face()
MOMENTS = (np.arange(50) + 0.5) / 25


def placed(x: int, y: int, height: int = 260, width: int = 340) -> np.ndarray:
    """The face in a grey room, its left upper corner at (x, y)."""
    room = np.full((height, width), 90, np.uint8)
    room[y : y + FACE.shape[0], x : x + FACE.shape[1]] = FACE
    return room


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    return film(tmp_path_factory.mktemp("still") / "still.mp4", np.stack([placed(60, 30)] * 50))


def test_areas_are_means_and_edges_go_on():
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8)
    halved = scaled(picture, np.array([0, 0, 8, 6]), 3, 4)
    expected = picture.reshape(3, 2, 4, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(halved, expected, atol=0.5)
    assert np.array_equal(scaled(picture, np.array([0, 0, 8, 6]), 6, 8), picture)
    outside = scaled(picture, np.array([-2, 0, 4, 6]), 6, 4)
    assert np.array_equal(outside[:, :2], np.repeat(picture[:, :1], 2, axis=1))
    assert scaled(picture, np.array([2, 2, 2, 2]), 5, 7).shape == (5, 7)  # enlarged


def test_a_running_median_drops_the_odd_one():
    assert running_median(np.array([1.0, 1, 90, 1, 1, 1]), 5).tolist() == [1] * 6


def test_a_face_is_found_where_it_is():
    (there, *_), (moved, *_) = find_faces(placed(60, 30)), find_faces(placed(100, 50))
    np.testing.assert_allclose(moved[:2] - there[:2], [40, 20], atol=6)
    assert len(find_faces(np.full((260, 340), 90, np.uint8))) == 0


def test_a_still_face_has_a_still_mouth_even_where_a_look_goes_wrong(still, monkeypatch):
    boxes = track(still, MOMENTS, MouthOptions())
    assert np.ptp(boxes[:, :2], axis=0).max() <= 2 and np.ptp(boxes[:, 2:], axis=0).max() == 0
    find, calls = mouth.find_faces, []

    def now_and_then_wrong(picture):
        calls.append(1)
        return np.array([[20.0, 20.0, 60.0]]) if len(calls) == 2 else find(picture)

    monkeypatch.setattr(mouth, "find_faces", now_and_then_wrong)
    np.testing.assert_allclose(track(still, MOMENTS, MouthOptions()), boxes, atol=3)


def test_a_face_that_walks_is_followed(tmp_path):
    path = film(tmp_path / "walk.mp4", np.stack([placed(20 + i, 30) for i in range(100)]))
    boxes = track(path, (np.arange(100) + 0.5) / 25, MouthOptions())
    walked = boxes[70, 0] - boxes[30, 0]
    assert 30 <= walked <= 50 and np.abs(np.diff(boxes[:, 0])).max() < 4  # 40 pixels, without a jump


def test_crops_are_small_pictures_at_the_rate_asked_for(still):
    found = crop(still, 25, 0.0, 2.0)
    assert found.shape == (50, 32, 48) and found.dtype == np.uint8
    assert crop(still, 10, 0.5, 1.0, MouthOptions(16, 24)).shape == (10, 16, 24)
    left, top, wide, high = track(still, MOMENTS, MouthOptions())[0]
    boxed = crop(still, 25, 0.0, 2.0, MouthOptions(box=(left, top, wide, high)))
    assert np.abs(boxed[0].astype(int) - found[0].astype(int)).mean() < 2


def test_no_face_two_faces_black_and_a_box_outside(tmp_path, still):
    def told(pictures, options=None):
        path = film(tmp_path / f"{len(list(tmp_path.iterdir()))}.mp4", pictures)
        with pytest.raises(AsrlabError) as error:
            crop(path, 25, 0.0, 1.0, options)
        assert str(path) in str(error.value)
        return str(error.value)

    sky = np.stack([np.tile(np.linspace(0, 255, 340).astype(np.uint8), (260, 1))] * 25)
    assert "a face in 0 of 2" in told(sky) and "mouth={box:" in told(sky)
    two = np.concatenate([placed(60, 30, 260, 262), placed(60, 30, 260, 262)], axis=1)
    assert "several faces in " in told(np.stack([two] * 25))
    assert "black, or of one colour" in told(np.zeros((25, 64, 64), np.uint8))
    with pytest.raises(AsrlabError, match=r"mouth would be at \(915, 910\) of 340 x 260 pixels; give its box"):
        crop(still, 25, 0.0, 1.0, MouthOptions(box=(900, 900, 30, 20)))
    with pytest.raises(AsrlabError, match=r"box=\[1.0, 2.0\]: give left, top, width and height"):
        MouthOptions(box=(1.0, 2.0))
