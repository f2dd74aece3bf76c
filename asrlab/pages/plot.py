"""Figures in one style that reads on a light and on a dark page: spectrograms, alignments, confusions, curves, bars.

Backgrounds are transparent, lines and letters of middle brightness. No colour has a contrast of 4.5 with white and with
#121212 at once (4.33 is the best); where letters are to stand out fully, `picture` makes of a figure an SVG inside the
page, in which they take the page's own text colour.

Every function draws into `ax`, or into a new figure, and returns the Axes. Arrays may be NumPy's or torch's.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import os
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType
from PIL import Image

from asrlab.core.errors import AsrlabError
from asrlab.pages import names

FOREGROUND = "#727b87"  # axes and text: the brightness half-way, in contrast, between white and a dark page
# Sound is coral and the other modality teal, as in the book. Each has a contrast of 3 with light and dark pages, and
# any two stay apart for readers with protan-, deuteran- and tritanopia; dashes and hatches say it again without colour.
SOUND, SENSE = "#d9583a", "#12888e"
COLOURS = (SOUND, SENSE, "#6a4ce6", "#cf62da", "#8f5a4e")
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "xx", "--")
WIDTH = 7.2  # inches: with 100 dots an inch, the width of a column of text
NARROW = 3.5  # inches: the width of that column on a phone
ABOVE = "legend above"
LONG_NAME, LEGEND = 16, 20  # letters at the side of a panel, and in a row of a legend, that a phone has room for

STYLE: dict[Any, Any] = {
    "axes.edgecolor": FOREGROUND,
    "axes.facecolor": "none",
    "axes.labelcolor": FOREGROUND,
    "axes.prop_cycle": cycler(color=COLOURS) + cycler(linestyle=DASHES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": FOREGROUND,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "figure.edgecolor": "none",
    "figure.facecolor": "none",
    "figure.figsize": (WIDTH, 2.8),
    "font.size": 10.5,
    "grid.alpha": 0.3,
    "grid.color": FOREGROUND,
    "hatch.linewidth": 0.8,
    "image.aspect": "auto",
    "image.cmap": "magma",
    "image.interpolation": "none",
    "legend.frameon": False,
    "legend.labelcolor": FOREGROUND,
    "lines.linewidth": 1.8,
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "text.color": FOREGROUND,
    "xtick.color": FOREGROUND,
    "xtick.labelcolor": FOREGROUND,
    "ytick.color": FOREGROUND,
    "ytick.labelcolor": FOREGROUND,
}


def style() -> AbstractContextManager:
    """`with plot.style(): ...` draws figures of your own in the course's style; nothing is changed outside."""
    return mpl.rc_context(STYLE)


# --- sound ----------------------------------------------------------------------------------------


def waveform(samples: np.ndarray, sample_rate: int, words: Sequence = (), ax: Axes | None = None) -> Axes:
    """The samples (N,) over time in seconds; a long recording as its lowest and highest sample in each of 1000 slices.

    words  objects with .text, .start and .end (seconds), as in `Hypothesis.words`; written above
    """
    samples = _array(samples, 1, "samples")
    times = np.arange(len(samples)) / sample_rate
    if len(samples) > 4000:
        edges = np.linspace(0, len(samples), 1001).astype(int)[:-1]
        low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
        times, samples = np.repeat(times[edges], 2), np.stack([low, high], axis=1).ravel()
    with style():
        ax = _axes(ax, 1.7)
        ax.plot(times, samples, color=SOUND, linestyle="-", linewidth=0.8)
        ax.set(xlabel="time, s", ylabel="amplitude", xlim=(0, times[-1] + 1 / sample_rate))
        _write_words(ax, words)
    return ax


def spectrogram(
    features: np.ndarray,
    hop_seconds: float = 0.01,
    frequencies: Sequence[float] | None = None,
    words: Sequence = (),
    label: str = "mel band",
    ax: Axes | None = None,
) -> Axes:
    """Frames of features (T, F), the lowest band at the bottom, over time in seconds.

    hop_seconds  from one frame to the next
    frequencies  (F,) centre of each band in Hz, to label the bands with
    words        objects with .text, .start and .end (seconds), written above
    label        of the bands, where no frequencies are given
    """
    features = _array(features, 2, "features")
    T, F = features.shape
    if frequencies is not None and len(frequencies) != F:
        raise AsrlabError(f"{len(frequencies)} frequencies for F={F} bands; pass one for each band")
    with style():
        ax = _axes(ax, 2.6)
        ax.imshow(features.T, origin="lower", extent=(0, T * hop_seconds, -0.5, F - 0.5))
        ax.set(xlabel="time, s", ylabel=label)
        if frequencies is not None:
            bands = np.unique(np.linspace(0, F - 1, min(F, 6)).round().astype(int))
            ax.set_yticks(bands, [f"{frequencies[band]:.0f}" for band in bands])
            ax.set_ylabel("frequency, Hz")
        _write_words(ax, words)
    return ax


# --- from sound to text ---------------------------------------------------------------------------


def alignment(
    weights: np.ndarray,
    labels: Sequence[str],
    hop_seconds: float = 0.04,
    words: Sequence = (),
    ax: Axes | None = None,
) -> Axes:
    """Which frames each label attends to: weights (U, T) from 0 to 1, one row for each label, the first at the top.

    hop_seconds  from one frame of the encoder's output to the next
    words        objects with .text, .start and .end (seconds), written above
    """
    weights = _array(weights, 2, "weights")
    U, T = weights.shape
    if len(labels) != U:
        raise AsrlabError(f"{len(labels)} labels for weights of the shape ({U}, {T}); pass one for each row")
    with style():
        ax = _axes(ax, min(8.0, 0.9 + 0.22 * U))
        ax.imshow(weights, cmap=_fading(SENSE), vmin=0, vmax=1, extent=(0, T * hop_seconds, U - 0.5, -0.5))
        ax.set_yticks(range(U), list(map(_plain, labels)))
        ax.tick_params(axis="y", length=0)
        ax.set(xlabel="time, s")
        _write_words(ax, words)
    return ax


def posteriors(
    probabilities: np.ndarray,
    tokens: Sequence[str],
    hop_seconds: float = 0.04,
    words: Sequence = (),
    blank: int = 0,
    threshold: float = 0.1,
    ax: Axes | None = None,
) -> Axes:
    """What a CTC model believes, frame by frame: probabilities (T, V) of the tokens that pass the threshold anywhere.

    Each token is written where it is most probable; the blank is the dotted line.
    """
    probabilities = _array(probabilities, 2, "probabilities")
    T, V = probabilities.shape
    if len(tokens) != V:
        raise AsrlabError(f"{len(tokens)} tokens for probabilities of the shape ({T}, {V}); pass one for each column")
    if probabilities.min() < 0 or probabilities.max() > 1 + 1e-4:
        low, high = probabilities.min(), probabilities.max()
        raise AsrlabError(f"probabilities from {low:.3g} to {high:.3g}; pass numbers from 0 to 1, exp(log_probs)")
    times, named = (np.arange(T) + 0.5) * hop_seconds, list(map(_plain, tokens))
    with style():
        ax = _axes(ax, 2.2)
        shown = [k for k in range(V) if k != blank and probabilities[:, k].max() >= threshold]
        for i, k in enumerate(shown):
            colour, peak = COLOURS[i % len(COLOURS)], int(probabilities[:, k].argmax())
            ax.plot(times, probabilities[:, k], color=colour, linestyle="-", label=named[k])
            ax.annotate(
                _plain(tokens[k]),
                (times[peak], probabilities[peak, k]),
                (0, 3),
                textcoords="offset points",
                ha="center",
            )
        ax.plot(
            times, probabilities[:, blank], color=FOREGROUND, linestyle=":", linewidth=1.2, label=_plain(tokens[blank])
        )
        ax.set(xlabel="time, s", ylabel="probability", xlim=(0, T * hop_seconds), ylim=(0, 1.15), yticks=(0, 0.5, 1))
        _write_words(ax, words)
    return ax


def confusion(
    counts: np.ndarray | Sequence, labels: Sequence[str] | None = None, limit: int = 12, ax: Axes | None = None
) -> Axes:
    """How often each unit that was said (rows) was heard as each (columns); brighter is a larger share of the row.

    counts  (K, K) with `labels`, or the list of `score.confusions`, of which the `limit` most confused units are
            drawn ("-" stands for nothing: a deletion's column, an insertion's row)
    """
    if not hasattr(counts, "shape"):
        counts, labels = _matrix(counts, limit)
    counts = _array(counts, 2, "counts")
    if labels is None or counts.shape != (len(labels), len(labels)):
        raise AsrlabError(f"counts of shape {counts.shape} and {len(labels or ())} labels; pass (K, K) and K labels")
    K, labels = len(labels), list(map(_plain, labels))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    with style():
        ax = _axes(ax, min(7.0, 1.4 + 0.4 * K), min(WIDTH, 2.2 + 0.45 * K))
        image = ax.imshow(np.ma.masked_where(counts == 0, shares), cmap="cividis", vmin=0, vmax=1, aspect="equal")
        ax.set_xticks(np.arange(K + 1) - 0.5, minor=True)
        ax.set_yticks(np.arange(K + 1) - 0.5, minor=True)
        ax.grid(which="minor", linewidth=0.6)
        ax.set_xticks(range(K), labels, rotation=45 if max(map(len, labels)) > 2 else 0)
        ax.set_yticks(range(K), labels)
        ax.tick_params(which="both", length=0)
        ax.set(xlabel="heard", ylabel="said")
        for i, j in np.argwhere(counts > 0) if K <= 30 else ():
            cell = image.cmap(image.norm(shares[i, j]))[:3]
            ink = max(("#000000", "#ffffff"), key=lambda text: contrast(text, cell))  # type: ignore[arg-type]
            ax.text(j, i, f"{counts[i, j]:.12g}", ha="center", va="center", color=ink, fontsize=9)
    return ax


# --- numbers --------------------------------------------------------------------------------------


def learning_curves(log: str | os.PathLike | Iterable[Mapping], ax: Sequence[Axes] | None = None) -> tuple[Axes, ...]:
    """Losses, and beside them the error rates in per cent, over the epochs of a training log; returns their Axes.

    log  the path of a JSON-lines file, one object with "epoch" a line, or such objects; whatever ends in "loss", and in
         "wer" or "cer" (fractions), is drawn. A last line that a kill cut short is left out.
    """
    lines = read_log(log) if isinstance(log, str | os.PathLike) else list(log)
    columns = list(dict.fromkeys(name for line in lines for name in line))
    panels = [[n for n in columns if n.endswith("loss")], [n for n in columns if n.endswith(("wer", "cer"))]]
    panels = [panel for panel in panels if panel]
    if not panels:
        raise AsrlabError(f"training log of {len(lines)} lines: no loss and no error rate in it; is it another file?")
    with style():
        if ax is None:
            _, ax = plt.subplots(1, len(panels), figsize=(WIDTH if len(panels) > 1 else WIDTH / 2, 2.8))
        axes = tuple(np.atleast_1d(np.asarray(ax)))
        for panel, part in zip(panels, axes, strict=True):
            percent = 100 if panel[0].endswith(("wer", "cer")) else 1
            for name in panel:
                known = [line for line in lines if line.get(name) is not None]
                marker = "o" if len(known) == 1 else None
                part.plot(
                    [x["epoch"] for x in known],
                    [percent * x[name] for x in known],
                    marker=marker,
                    label=names.curve(name),
                )
            part.set(xlabel="epoch", ylabel="error rate, %" if percent == 100 else "loss, nats", ylim=(0, None))
            part.grid(axis="y")
            part.legend()
    return axes


def bars(
    series: Mapping[str, Mapping[str, object]],
    percent: bool = True,
    label: str = "word error rate, %",
    ax: Axes | None = None,
    sideways: bool = False,
) -> Axes:
    """Grouped bars with intervals: {series: {group: value}}, each series a colour and each group a place.

    A value is a number or has .value, .low and .high, as what `score.bootstrap` returns. percent=True takes
    fractions and draws per cent. A series need not have every group. sideways=True lays the bars down, from the top
    to the bottom: for many groups, or groups with long names.
    """
    groups = list(dict.fromkeys(group for values in series.values() for group in values))
    if not groups:
        raise AsrlabError("bars: no value to draw; pass {series: {group: value}}")
    factor, width = 100 if percent else 1, 0.8 / len(series)
    with style():
        ax = _axes(ax, 1.2 + 0.3 * len(groups) if sideways else 2.8)
        for k, (name, values) in enumerate(series.items()):
            places = np.array([groups.index(group) for group in values]) + (k - (len(series) - 1) / 2) * width
            heights, low, high = factor * np.array([_interval(value) for value in values.values()]).T
            look: dict[str, Any] = {
                "color": COLOURS[k % len(COLOURS)],
                "hatch": HATCHES[k % len(HATCHES)],
                "edgecolor": "#ffffff66",
            }
            (ax.barh if sideways else ax.bar)(places, heights, 0.92 * width, label=_plain(name), **look)
            if np.any(high > low):
                spread = np.maximum([heights - low, high - heights], 0)
                x, y = (heights, places) if sideways else (places, heights)
                either: dict[str, Any] = {"xerr" if sideways else "yerr": spread}
                ax.errorbar(x, y, fmt="none", ecolor=FOREGROUND, elinewidth=1.4, capsize=3, **either)
        if sideways:
            ax.set_yticks(range(len(groups)), [_plain(group) for group in groups])
            ax.invert_yaxis()
            ax.set(xlabel=label, xlim=(0, None))
        else:
            ax.set_xticks(range(len(groups)), [_plain(group) for group in groups])
            ax.set(ylabel=label, ylim=(0, None))
        ax.grid(axis="x" if sideways else "y")
        ax.set_axisbelow(True)
        if len(series) > 1:
            _legend_above(ax, min(len(series), 5))
    return ax


def read_log(path: str | os.PathLike) -> list[dict]:
    """The lines of a training log, JSON lines; a last line without its end is left out (a kill cut it short)."""
    path, lines = Path(path), []
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be read ({error.strerror}); pass the log of a training run") from None
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        try:
            if line.strip():
                lines.append(json.loads(line))
        except ValueError as error:
            if line.endswith("\n"):
                raise AsrlabError(f"{path}:{number}: no JSON ({error}); each line is one object") from None
    return lines


# --- into the page --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A figure as HTML for a page or a notebook, which shows it when a cell ends in one."""

    html: str

    def _repr_html_(self) -> str:
        return self.html


def picture(ax: Axes, alt: str, caption: str = "") -> Picture:
    """The figure of an Axes as inline SVG whose letters and axes have the page's text colour, and close the figure.

    alt      what one would see, for readers who cannot
    caption  what to see in it, a sentence or two; the page puts a number before it. Without one it is `alt`.

    The figure is drawn twice, with letters of the same size: as it is, and for a phone, where its panels stand one
    below the other. The page shows one of the two (book.css). The same figure gives the same text, so that a rebuilt
    page does not change.
    """
    figure = ax.figure
    assert isinstance(figure, Figure)
    wide = _svg(figure, alt)
    with style():
        _stack(figure)
        narrow = _svg(figure, alt)
    plt.close(figure)
    words = f"<figcaption>{html.escape(caption or alt)}</figcaption>"
    # Where no style sheet of the book is (in Jupyter) only the wide one must be seen: it hides the other by itself.
    hidden = f'<div class="narrow" style="display:var(--narrow,none)">{narrow}</div>'
    return Picture(f'<figure class="plot"><div class="wide">{wide}</div>{hidden}{words}</figure>')


def _stack(figure: Figure) -> None:
    """Make a figure fit a phone: panels that stood side by side one below the other, letters as large as they were."""
    width, height = figure.get_size_inches()
    grids = {id(ax.get_gridspec()): ax.get_gridspec() for ax in figure.axes if ax.get_subplotspec()}
    # A grid of many small panels stays one: stacked it would be longer than a screen.
    grid = next(iter(grids.values())) if len(grids) == 1 else None
    columns, rows = (grid.ncols, grid.nrows) if grid else (1, 1)
    if grid and 1 < columns <= 3 and rows == 1 and len(figure.axes) == columns:
        stacked = GridSpec(columns, 1, figure=figure)
        for place, panel in enumerate(figure.axes):
            panel.set_subplotspec(stacked[place])
            panel.tick_params(labelleft=True)
        height *= columns * 0.8
    elif columns > 3:
        return  # it scrolls
    legends = [ax.get_legend() for ax in figure.axes]
    above = sum(legend is not None and legend.get_label() == ABOVE for legend in legends)
    figure.set_size_inches(min(width, NARROW), height + 0.6 * above)
    _untangle(figure)


def _untangle(figure: Figure) -> None:
    """Turn the words along an axis that run into each other, wrap titles, and let legends have fewer columns."""
    for ax in figure.axes:  # a broad legend, or long entries at the side, would leave the panel no room
        legend = ax.get_legend()
        entries = [text.get_text() for text in legend.get_texts()] if legend else []
        if legend and legend.get_label() == ABOVE:
            _legend_above(ax, 2 if len(entries) > 2 and 2 * max(map(len, entries)) < LEGEND else 1)
        ticks, entries = ax.get_yticks(), [label.get_text() for label in ax.get_yticklabels()]
        if any(len(name) > LONG_NAME and not name.startswith("$") for name in entries):
            ax.set_yticks(ticks, [textwrap.fill(name, LONG_NAME) for name in entries])
    figure.canvas.draw()  # only then are places and sizes known
    for ax in figure.axes:
        for title in (ax.title, ax._left_title, ax._right_title):  # type: ignore[attr-defined]
            title.set_wrap(True)
        above = [text for text in ax.texts if text.get_transform() == ax.get_xaxis_transform()]
        for words, turn, side in ((ax.get_xticklabels(), 40, "right"), (above, 50, "left")):
            shown = [word for word in words if word.get_text() and word.get_visible()]
            if _overlap([word.get_window_extent() for word in shown]):
                for word in shown:
                    word.set(rotation=turn, ha=side, rotation_mode="anchor")


def _overlap(boxes: Sequence[Bbox]) -> bool:
    """Does a box reach into the next to its right?"""
    ordered = sorted(boxes, key=lambda box: box.x0)
    return any(first.x1 > second.x0 for first, second in pairwise(ordered))


def _svg(figure: Figure, alt: str) -> str:
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "asrlab"}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(re.escape(FOREGROUND), "currentColor", svg, flags=re.IGNORECASE)
    svg = re.sub(
        r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg
    )  # a hundredth of a point is enough
    svg = _light(svg)
    # Ids of two figures on one page must not meet.
    key = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    used = dict.fromkeys(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    short = {name: f"{key}-{number}" for number, name in enumerate(used)}
    svg = re.sub(r' \bid="([^"]+)"', lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", svg)
    svg = re.sub(r'(url\(#|href="#)([^)"]+)', lambda found: found[1] + short[found[2]], svg)
    inches = figure.get_size_inches()
    head = (
        f'<svg role="img" aria-label="{html.escape(alt)}" viewBox="0 0 {72 * inches[0]:g} {72 * inches[1]:g}"'
        f' style="width:{100 * inches[0]:.0f}px;max-width:100%;height:auto;background:none"'
        ' xmlns="http://www.w3.org/2000/svg">'
    )
    return head + svg[svg.index(">") + 1 :].strip()


def _light(svg: str) -> str:
    """The picture in fewer bytes: images with a palette, a group's markers styled once, short paths, no line breaks."""
    svg = re.sub(r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", lambda found: _with_palette(found[1]), svg)
    svg = re.sub(r"(<g[^>]*)>(\s*(?:<use [^>]*/>\s*){2,})</g>", _styled_once, svg)
    svg = re.sub(r"\s*\n\s*", " ", svg).replace("xlink:href", "href")
    return re.sub(r'(?<= d=")[MLz\d. -]{1000,}', _shorter_path, svg)


def _shorter_path(lines: re.Match) -> str:
    """A long row of lines to a tenth of a point; a pair of numbers that follows another is a line by itself."""
    return re.sub(r"(\d\.\d)\d+", r"\1", lines[0]).replace(" L ", " ")


def _styled_once(group: re.Match) -> str:
    styles = set(re.findall(r' style="([^"]*)"', group[2]))
    if len(styles) != 1 or "style=" in group[1]:
        return group[0]
    marks = re.sub(r' style="[^"]*"', "", group[2])
    return f'{group[1]} style="{styles.pop()}">{marks}</g>'


def _with_palette(encoded: str) -> str:
    """An image in base64, its colours in a palette where there are few enough, as in a picture of a colour map."""
    content = base64.b64decode(encoded)
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA"))
    colours, places = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(colours) <= 256 and (colours[:, 3] == 255).all():
        image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8), mode="P")
        image.putpalette(colours[:, :3].tobytes())
        buffer = io.BytesIO()
        image.save(buffer, format="PNG", optimize=True)
        content = buffer.getvalue()
    return "data:image/png;base64," + base64.b64encode(content).decode()


def contrast(first: ColorType, second: ColorType) -> float:
    """WCAG 2.2's contrast ratio of two colours, 1 to 21: text needs 4.5, lines and large text 3."""
    bright, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def _luminance(colour: ColorType) -> float:
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


# --- parts ----------------------------------------------------------------------------------------


def _axes(ax: Axes | None, height: float, width: float = WIDTH) -> Axes:
    return plt.subplots(figsize=(width, height))[1] if ax is None else ax


def _array(values: object, dimensions: int, name: str) -> np.ndarray:
    """As NumPy, also from a GPU or with a gradient; of the right shape, not empty, finite."""
    if hasattr(values, "detach"):
        values = values.detach().float().cpu().numpy()
    values = np.asarray(values)
    if values.ndim != dimensions or values.size == 0:
        raise AsrlabError(f"{name} have the shape {values.shape}; pass {dimensions} dimensions, none of them empty")
    if not np.all(np.isfinite(values)):
        raise AsrlabError(f"{name} of the shape {values.shape} hold NaN or infinity; mend them before drawing")
    return values


def _plain(label: object) -> str:
    """A label as it is: between two dollars Matplotlib would read a formula, and raise if it is none."""
    return str(label).replace("$", r"\$")


def _fading(colour: str) -> LinearSegmentedColormap:
    """From nothing at 0 to the colour at 1, so that the page shows where nothing is."""
    rgb = to_rgb(colour)
    return LinearSegmentedColormap.from_list("fading", [(*rgb, 0.0), (*rgb, 1.0)])


def _write_words(ax: Axes, words: Sequence) -> None:
    """Words above their time, with a tick where each begins and ends."""
    for word in words:
        for edge in (word.start, word.end):
            ax.axvline(edge, color=FOREGROUND, linestyle=":", linewidth=0.8)
        middle = (word.start + word.end) / 2
        ax.text(middle, 1.02, _plain(word.text), transform=ax.get_xaxis_transform(), ha="center", va="bottom")


def _matrix(confusions: Sequence, limit: int) -> tuple[np.ndarray, list[str]]:
    """Counts between the most confused units of a list of `Confusion`, and their names."""
    weight: dict[str | None, int] = {}
    for pair in confusions:
        for unit in {pair.reference, pair.hypothesis}:
            weight[unit] = weight.get(unit, 0) + (pair.count if pair.reference != pair.hypothesis else 0)
    most = sorted(weight, key=lambda unit: (-weight[unit], unit is None, unit or ""))[:limit]
    units = sorted(most, key=lambda unit: (unit is None, unit or ""))
    if not units:
        raise AsrlabError("confusion: no pair to draw; nothing was confused")
    counts = np.zeros((len(units), len(units)), dtype=int)
    for pair in confusions:
        if pair.reference in units and pair.hypothesis in units:
            counts[units.index(pair.reference), units.index(pair.hypothesis)] += pair.count
    return counts, ["-" if unit is None else unit for unit in units]


def _legend_above(ax: Axes, columns: int) -> None:
    ax.legend(ncols=columns, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2).set_label(ABOVE)


def _interval(value: Any) -> tuple[float, float, float]:
    """(value, low, high); a bare number is its own interval."""
    if hasattr(value, "value"):
        return value.value, value.low, value.high
    return float(value), float(value), float(value)
