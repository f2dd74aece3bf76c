"""A mouth in a film: where it is, and cut out as small grey pictures.

A detector finds the face in a picture every half second; the mouth lies at a fixed place in a face. Detections jump by
some pixels and now and then go wrong: the running median of their places drops the odd one, and between them the place
moves in a straight line. The size is one for the whole film, so a mouth that opens does not look like a face that
comes nearer.

The detector is a cascade of local binary patterns (Ahonen, Hadid and Pietikäinen 2006; Viola and Jones 2001), which
scikit-image brings along, so nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from asrlab.core.config import Count, NotNegative, Options
from asrlab.core.errors import AsrlabError
from asrlab.signals import video

STEP = 0.5  # seconds from one look for the face to the next
LOOKED_AT = 240  # pixels of the longer side in which a face is looked for
LEAST_FACE = 0.15  # of the longer side: smaller ones are in the background
SMOOTH = 5  # detections whose median a place is
MOUTH = (0.5, 0.8)  # where in a face's square the mouth is: across, down
WIDE = 0.52  # how much of the face's width is cut out
FLAT = 12  # grey levels out of 256 that a picture must span to show anything
RIVAL = 0.6  # of the largest face's width: another one of this size is a second person


@dataclass(frozen=True)
class MouthOptions(Options):
    """What is cut out of a film."""

    height: Count = 32  # pixels of the small picture
    width: Count = 48  # pixels of the small picture
    box: tuple[NotNegative, ...] = ()  # left, top, width and height of the mouth in the film; empty: found by its face

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.box and (len(self.box) != 4 or min(self.box[2:]) < 1):
            raise AsrlabError(f"box={list(self.box)}: give left, top, width and height in pixels, or nothing")


def crop(
    path: Path | str, rate: float, start: float, seconds: float, options: MouthOptions | None = None
) -> np.ndarray:
    """The mouth of a film from `start` on: uint8 (round(seconds * rate), height, width), `rate` pictures a second.

    Raises AsrlabError naming the film as `video.pictures`, and if it is black, shows no face or several, or if the
    mouth lies outside of it.
    """
    options = options or MouthOptions()
    moments = start + (np.arange(max(1, round(seconds * rate))) + 0.5) / rate
    boxes = np.tile(options.box, (len(moments), 1)) if options.box else track(path, moments, options)
    known = video.info(path)
    # Wholly inside where it fits, and never further out than its middle.
    centre = boxes[:, :2] + boxes[:, 2:] / 2
    if (centre < 0).any() or (centre > (known.width, known.height)).any():
        x, y = np.median(centre, axis=0)
        raise AsrlabError(
            f"{path}: the mouth would be at ({x:.0f}, {y:.0f}) of {known.width} x {known.height} pixels; give its box"
        )
    found = np.empty((len(moments), options.height, options.width), np.uint8)
    for row, (picture, box) in enumerate(zip(video.pictures(path, moments), boxes, strict=True)):
        found[row] = scaled(picture, box, options.height, options.width)
    return found


def track(path: Path | str, moments: np.ndarray, options: MouthOptions) -> np.ndarray:
    """Where the mouth is at each moment: (N, 4) left, top, width, height in pixels of the film."""
    looks = np.arange(moments[0], max(moments[-1], moments[0] + 1e-6), STEP)
    seen = np.full((len(looks), 3), np.nan)
    contrast, several = 0, 0
    for row, picture in enumerate(video.pictures(path, looks)):
        contrast = max(contrast, int(picture.max()) - int(picture.min()))
        faces = find_faces(picture) if contrast >= FLAT else np.zeros((0, 3))
        if len(faces):
            seen[row] = faces[0]
            several += len(faces) > 1 and faces[1, 2] > RIVAL * faces[0, 2]
    remedy = (
        "look whether it is damaged and leave it out, show one face from the front, or say where its mouth is: "
        "mouth={box: [LEFT, TOP, WIDTH, HEIGHT]}"
    )
    if contrast < FLAT:
        raise AsrlabError(f"{path}: black, or of one colour (its greys span {contrast} of 256); {remedy}")
    there = np.isfinite(seen[:, 0])
    if several and several >= len(looks) / 2:
        raise AsrlabError(f"{path}: several faces in {several} of {len(looks)} pictures looked at; {remedy}")
    if there.sum() < len(looks) / 2:
        raise AsrlabError(f"{path}: a face in {there.sum()} of {len(looks)} pictures looked at; {remedy}")
    x, y = (np.interp(moments, looks[there], running_median(seen[there, i], SMOOTH)) for i in (0, 1))
    face = float(np.median(seen[there, 2]))
    wide = WIDE * face
    high = wide * options.height / options.width
    left, top = x + (MOUTH[0] - 0.5) * face - wide / 2, y + (MOUTH[1] - 0.5) * face - high / 2
    return np.stack([left, top, np.full_like(x, wide), np.full_like(x, high)], axis=1)


def find_faces(picture: np.ndarray) -> np.ndarray:
    """Faces in a grey picture (H, W): (F, 3) middle across, middle down, width in pixels, the largest first."""
    shrink = max(1.0, max(picture.shape) / LOOKED_AT)
    small = picture
    if shrink > 1:
        height, width = (max(1, round(side / shrink)) for side in picture.shape)
        small = scaled(picture, np.array([0, 0, picture.shape[1], picture.shape[0]]), height, width)
    least, most = round(LEAST_FACE * max(small.shape)), min(small.shape)
    if most <= least:
        return np.zeros((0, 3))
    found = _detector().detect_multi_scale(
        img=small, scale_factor=1.15, step_ratio=1, min_size=(least, least), max_size=(most, most)
    )
    faces = [[f["c"] + f["width"] / 2, f["r"] + f["height"] / 2, f["width"]] for f in found]
    ordered = sorted(faces, key=lambda face: -face[2])
    return np.array(ordered, float).reshape(-1, 3) * shrink


def scaled(picture: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """A stretch of a grey picture, made `height` x `width`: each pixel is the mean of the area that it covers.

    Beyond the picture its edge goes on.
    """
    left, top, wide, high = (float(value) for value in box)
    rows = _overlap(top, high, height, picture.shape[0])
    columns = _overlap(left, wide, width, picture.shape[1])
    inner = picture[rows[0] : rows[0] + rows[1].shape[1], columns[0] : columns[0] + columns[1].shape[1]]
    return np.asarray(np.rint(rows[1] @ inner.astype(np.float32) @ columns[1].T), np.uint8)


def running_median(values: np.ndarray, width: int) -> np.ndarray:
    """(N,) the median of the `width` values around each, fewer at the ends."""
    half = width // 2
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])


def _overlap(begin: float, size: float, count: int, there: int) -> tuple[int, np.ndarray]:
    """The first pixel in use, and how much of each belongs to each of `count` cells, (count, pixels), rows adding to 1.

    Cells at least a pixel wide, so that a small mouth is enlarged by interpolation and no cell is empty.
    """
    cell = size / count
    middle = begin + (np.arange(count) + 0.5) * cell
    low, high = middle - max(cell, 1.0) / 2, middle + max(cell, 1.0) / 2
    first, last = int(np.floor(low[0])), int(np.ceil(high[-1]))
    pixels = np.arange(first, last)
    shares = np.clip(np.minimum(high[:, None], pixels + 1) - np.maximum(low[:, None], pixels), 0, None)
    inside = np.clip(pixels, 0, there - 1)  # beyond the edge, the edge
    weights = np.zeros((count, int(inside[-1] - inside[0] + 1)), np.float32)
    for column, pixel in enumerate(inside - inside[0]):
        weights[:, pixel] += shares[:, column]
    return int(inside[0]), weights / weights.sum(axis=1, keepdims=True)


@lru_cache(maxsize=1)
def _detector() -> Any:
    data, feature = (import_module(f"skimage.{name}") for name in ("data", "feature"))  # only who looks waits for them
    return feature.Cascade(data.lbp_frontal_face_cascade_filename())
