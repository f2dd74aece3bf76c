"""Figures: what is drawn is what was given, and it can be seen on light and dark pages, whatever eyes one has."""

import base64
import io
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from asrlab.core.errors import AsrlabError
from asrlab.pages import plot
from asrlab.scoring import score

RANDOM = np.random.default_rng(0)
PAGES = ("#ffffff", "#fffefb", "#121212", "#12161d")
WORDS = (SimpleNamespace(text="red", start=0.1, end=0.3), SimpleNamespace(text="circle", start=0.4, end=0.9))


@pytest.fixture(autouse=True)
def no_window():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def texts(ax):
    return [text.get_text() for text in ax.texts]


# --- what was given


def test_waveform_is_the_samples_over_seconds():
    samples = RANDOM.standard_normal(1000)
    (line, *edges) = plot.waveform(samples, 16000, WORDS).lines
    np.testing.assert_array_equal(line.get_ydata(), samples)
    np.testing.assert_allclose(line.get_xdata(), np.arange(1000) / 16000)
    assert [edge.get_xdata()[0] for edge in edges] == [0.1, 0.3, 0.4, 0.9]


def test_long_waveform_keeps_every_peak():
    samples = RANDOM.standard_normal(100_003)
    samples[77_777], samples[5] = 50, -60
    ax = plot.waveform(torch.tensor(samples), 16000)
    (line,) = ax.lines
    times, heights = line.get_data()
    assert len(heights) == 2000
    assert (heights.min(), heights.max()) == (-60, 50)
    slices = np.split(samples, np.linspace(0, len(samples), 1001).astype(int)[1:-1])
    np.testing.assert_allclose(heights, np.ravel([[part.min(), part.max()] for part in slices]), rtol=1e-6)
    assert abs(times[heights.argmax()] - 77_777 / 16000) < 0.01


def test_spectrogram_is_the_features_with_low_bands_below():
    features = torch.tensor(RANDOM.standard_normal((50, 20)), requires_grad=True)
    frequencies = np.geomspace(100, 8000, 20)
    ax = plot.spectrogram(features, 0.02, frequencies, WORDS)
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array(), features.detach().numpy().T, rtol=1e-6)
    assert image.origin == "lower" and image.get_extent() == [0, 1.0, -0.5, 19.5]
    for place, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True):
        assert label.get_text() == f"{frequencies[int(place)]:.0f}"
    assert texts(ax) == ["red", "circle"]
    assert [text.get_position()[0] for text in ax.texts] == pytest.approx([0.2, 0.65])


def test_alignment_has_the_first_label_on_top():
    weights = RANDOM.random((4, 25))
    ax = plot.alignment(weights, list("▁red"), 0.04, WORDS)
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), weights)
    assert image.get_extent() == [0, 1.0, 3.5, -0.5]
    assert [label.get_text() for label in ax.get_yticklabels()] == list("▁red")
    assert image.cmap(0.0)[3] == 0 and image.cmap(1.0)[3] == 1  # the page shows where nothing is attended to
    assert image.get_clim() == (0, 1)


def test_posteriors_draws_the_tokens_that_matter_and_names_them():
    probabilities = np.full((20, 4), 0.01)
    probabilities[5, 2], probabilities[12, 1] = 0.9, 0.8
    probabilities[:, 0] = 1 - probabilities[:, 1:].sum(axis=1)
    ax = plot.posteriors(probabilities, ["-", "a", "b", "c"], 0.04)
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines}
    assert set(drawn) == {"-", "a", "b"}
    for name, column in (("-", 0), ("a", 1), ("b", 2)):
        np.testing.assert_array_equal(drawn[name], probabilities[:, column])
    assert {text.get_text(): text.xy for text in ax.texts} == {
        "a": (pytest.approx(0.5), 0.8), "b": (pytest.approx(0.22), 0.9),
    }  # fmt: skip


def test_confusion_shows_the_counts_and_leaves_empty_cells_to_the_page():
    counts = np.array([[8, 2, 0], [0, 5, 0], [1, 0, 3]])
    ax = plot.confusion(counts, ["b", "d", "p"])
    (image,) = ax.images
    np.testing.assert_allclose(image.get_array().filled(0), counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_array_equal(image.get_array().mask, counts == 0)
    shown = {text.get_position()[::-1]: text.get_text() for text in ax.texts}
    assert shown == {(i, j): str(counts[i, j]) for i, j in np.argwhere(counts)}
    for text in ax.texts:  # letters can be read on their cell
        i, j = text.get_position()[::-1]
        assert plot.contrast(text.get_color(), image.cmap(image.norm(image.get_array()[i, j]))[:3]) >= 4.5


def test_confusion_takes_what_score_counts():
    said, heard = ["b d p", "b b", "one", "p"], ["d d p", "d b", "", "p x"]
    ax = plot.confusion(score.confusions(said, heard, correct=True))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["b", "d", "one", "p", "x", "-"]
    shown = {tuple(labels[k] for k in text.get_position()[::-1]): text.get_text() for text in ax.texts}
    assert shown == {
        ("b", "d"): "2", ("b", "b"): "1", ("d", "d"): "1", ("p", "p"): "2", ("one", "-"): "1", ("-", "x"): "1",
    }  # fmt: skip
    worst = plot.confusion(score.confusions(said, heard), limit=2)
    assert [label.get_text() for label in worst.get_xticklabels()] == ["b", "d"]


LOG = [
    {"epoch": 1, "step": 10, "loss": 3.0, "lr": 0.1, "seconds": 2.0},
    {"epoch": 2, "step": 20, "loss": 2.0, "dev_loss": 2.5, "dev_wer": 0.75, "lr": 0.1},
    {"epoch": 3, "step": 30, "loss": 1.0, "dev_loss": 1.5, "dev_wer": 0.5, "dev_cer": None},
]


@pytest.mark.parametrize("cut", ["", '{"epoch": 4, "lo'])
def test_learning_curves_are_the_log(tmp_path, cut):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LOG) + cut)
    losses, rates = plot.learning_curves(path)
    drawn = {line.get_label(): [list(part) for part in line.get_data()] for ax in (losses, rates) for line in ax.lines}
    assert drawn == {
        "loss": [[1, 2, 3], [3, 2, 1]], "dev loss": [[2, 3], [2.5, 1.5]],
        "words wrong on dev": [[2, 3], [75, 50]], "letters wrong on dev": [[], []],
    }  # fmt: skip
    assert (losses.get_ylabel(), rates.get_ylabel()) == ("loss, nats", "error rate, %")
    (alone,) = plot.learning_curves([{"epoch": 1, "loss": 2.0}])
    assert len(alone.lines) == 1


@pytest.mark.parametrize("sideways", [False, True])
def test_bars_have_the_heights_and_intervals_given(sideways):
    series = {
        "old": {"clean": score.Interval(0.2, 0.1, 0.35), "noise": score.Interval(0.6, 0.5, 0.7)},
        "new": {"noise": score.Interval(0.3, 0.25, 0.4)},
    }
    ax = plot.bars(series, sideways=sideways)
    across, along = (0, 1) if not sideways else (1, 0)
    drawn = [container for container in ax.containers if hasattr(container, "patches")]
    for (name, values), container in zip(series.items(), drawn, strict=True):
        assert container.get_label() == name
        boxes = [(bar.get_xy(), (bar.get_width(), bar.get_height())) for bar in container]
        assert [size[along] for _, size in boxes] == pytest.approx([100 * v.value for v in values.values()])
        centres = [corner[across] + size[across] / 2 for corner, size in boxes]
        assert [round(centre) for centre in centres] == [["clean", "noise"].index(group) for group in values]
    spans = [tuple(part[:, along]) for container in ax.containers if hasattr(container, "lines")
             for part in container.lines[2][0].get_segments()]  # fmt: skip
    assert np.array(spans) == pytest.approx(np.array([(10, 35), (50, 70), (25, 40)]))
    labels = ax.get_yticklabels() if sideways else ax.get_xticklabels()
    assert [label.get_text() for label in labels] == ["clean", "noise"]
    plain = plot.bars({"only": {"a": 3.0}}, percent=False, label="seconds")
    assert plain.patches[0].get_height() == 3 and not plain.lines and plain.get_legend() is None


def test_draws_into_axes_of_your_own():
    with plot.style():
        figure, axes = plt.subplots(2)
    assert plot.waveform(np.ones(9), 16000, ax=axes[0]) is axes[0]
    assert plot.bars({"a": {"b": 0.1}}, ax=axes[1]).figure is figure


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot.waveform(np.zeros(0), 16000), r"samples have the shape \(0,\)"),
        (lambda: plot.waveform(np.array([np.nan]), 16000), "NaN"),
        (lambda: plot.spectrogram(np.zeros(5)), "2 dimensions"),
        (lambda: plot.spectrogram(np.zeros((5, 3)), frequencies=[1.0]), "1 frequencies for F=3"),
        (lambda: plot.alignment(np.zeros((2, 5)), ["a"]), "1 labels for weights of the shape .2, 5."),
        (lambda: plot.posteriors(np.zeros((5, 2)), ["a"]), "1 tokens"),
        (lambda: plot.posteriors(np.full((5, 2), -1.0), ["a", "b"]), "exp.log_probs."),
        (lambda: plot.confusion(np.zeros((2, 3)), ["a", "b"]), "pass .K, K."),
        (lambda: plot.confusion([]), "nothing was confused"),
        (lambda: plot.learning_curves([{"epoch": 1}]), "no loss"),
        (lambda: plot.learning_curves("missing.jsonl"), "missing.jsonl: cannot be read"),
        (lambda: plot.bars({}), "no value"),
    ],
)
def test_what_cannot_be_drawn_is_told(draw, message):
    with pytest.raises(AsrlabError, match=message):
        draw()


def test_a_broken_log_names_the_line(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"epoch": 1}\n{"epo\n{"epoch": 3}\n')
    with pytest.raises(AsrlabError, match=r"log.jsonl:2: no JSON"):
        plot.read_log(path)


# --- to be seen


def test_contrast_is_wcags():
    """Published ratios: the extremes, and #767676, the lightest grey that passes 4.5 on white."""
    assert plot.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert plot.contrast("#ffffff", "#ffffff") == 1
    assert plot.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)
    assert plot.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


def test_lines_stand_out_on_every_page():
    for page, colour in itertools.product(PAGES, (plot.FOREGROUND, *plot.COLOURS)):
        assert plot.contrast(colour, page) >= 3, (colour, page)


def test_text_stands_out_as_far_as_any_colour_can_on_both_pages():
    """4.5 on white and on #121212 at once is out of reach: the best colour has the geometric mean of their contrast."""
    best = plot.contrast("#ffffff", "#121212") ** 0.5
    assert best < 4.5
    assert min(plot.contrast(plot.FOREGROUND, page) for page in ("#ffffff", "#121212")) >= 0.98 * best


# Machado, Oliveira & Fernandes 2009, severity 1.0, in linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(colour, deficiency):
    rgb = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(to_xyz @ np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 1e-4, 1) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_colours_stay_apart(deficiency):
    for first, second in itertools.combinations(plot.COLOURS, 2):
        assert np.linalg.norm(lab(first, deficiency) - lab(second, deficiency)) >= 20


def test_backgrounds_are_transparent_and_nothing_changes_outside():
    before = dict(mpl.rcParams)
    ax = plot.spectrogram(np.ones((5, 4)))
    assert ax.figure.get_facecolor()[3] == 0 and ax.get_facecolor()[3] == 0
    assert mpl.colors.to_hex(ax.xaxis.label.get_color()) == plot.FOREGROUND
    assert dict(mpl.rcParams) == before


def svgs(picture) -> list:
    """The drawings of a picture, the wide one and the one for a phone, as elements."""
    figure = ElementTree.fromstring(picture.html)  # well-formed
    assert figure.tag == "figure"
    return [ElementTree.tostring(one, encoding="unicode") for one in figure.iter(f"{SVG}svg")]


SVG = "{http://www.w3.org/2000/svg}"


def test_picture_takes_the_pages_colour_and_has_ids_of_its_own():
    def figures():
        return plot.picture(plot.spectrogram(np.eye(5), words=WORDS), 'A "red" <circle>'), plot.picture(
            plot.bars({"a": {"x": 0.1}, "b": {"x": 0.2}}), "Two bars", "See <em>two</em>."
        )

    first, second = figures()
    for html in (first.html, second.html):
        assert plot.FOREGROUND not in html and "currentColor" in html
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids))
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', html)) <= set(ids)
        assert not re.search(r'(href|src)="(?!#|data:)', html)  # no request leaves the page
    assert not set(re.findall(r'\bid="([^"]+)"', first.html)) & set(re.findall(r'\bid="([^"]+)"', second.html))
    for svg in svgs(first):
        root = ElementTree.fromstring(svg)
        assert root.attrib["aria-label"] == 'A "red" <circle>' and root.attrib["role"] == "img"
        written = {element.text for element in root.iter(f"{SVG}text")}
        assert {"red", "circle", "time, s"} <= written
    assert "<figcaption>A &quot;red&quot; &lt;circle&gt;</figcaption>" in first.html
    assert "<figcaption>See &lt;em&gt;two&lt;/em&gt;.</figcaption>" in second.html
    assert not plt.get_fignums()  # a notebook does not show it twice
    assert (first, second) == figures()  # a rebuilt page does not change
    assert first._repr_html_() == first.html


def test_an_image_is_the_same_in_fewer_bytes():
    """Its colours, at most 256 of a colour map, go into a palette; a group's markers share one style."""
    values = np.random.default_rng(1).random((8, 9))
    with plot.style():
        _, ax = plt.subplots()
        ax.imshow(values, interpolation="nearest", cmap="magma")
        ax.plot([1, 2, 3], "o")
    (image,) = re.findall(r"base64,([A-Za-z0-9+/=]+)", svgs(plot.picture(ax, "Noise"))[0])
    opened = Image.open(io.BytesIO(base64.b64decode(image)))
    assert opened.mode == "P"
    shown = {tuple(colour) for colour in np.asarray(opened.convert("RGB")).reshape(-1, 3)}
    scaled = (values - values.min()) / np.ptp(values)
    assert shown == {tuple(colour) for colour in mpl.colormaps["magma"](scaled.ravel(), bytes=True)[:, :3]}


def width_of(svg: str) -> float:
    return float(ElementTree.fromstring(svg).attrib["viewBox"].split()[2]) / 72  # inches


@pytest.mark.parametrize("panels", [1, 2, 3])
def test_a_phones_figure_is_narrow_with_letters_as_large_and_its_panels_one_below_the_other(panels):
    with plot.style():
        _, axes = plt.subplots(1, panels, figsize=(plot.WIDTH, 3), squeeze=False)
        for k, ax in enumerate(axes[0]):
            ax.plot([0, 1], [k, 1])
    picture = plot.picture(axes[0][0], "Lines")
    wide, narrow = svgs(picture)
    assert (width_of(wide), width_of(narrow)) == pytest.approx((plot.WIDTH, plot.NARROW))
    places = [ax.get_position() for ax in axes[0]]
    assert all(above.y0 > below.y1 and abs(above.x0 - below.x0) < 0.01 for above, below in itertools.pairwise(places))
    sizes = [set(re.findall(r"font(?:-size)?: ([\d.]+)px", svg)) for svg in (wide, narrow)]
    assert sizes[0] == sizes[1] and min(map(float, sizes[0])) >= 10


def test_names_of_groups_do_not_run_into_each_other_on_a_phone():
    groups = ("American", "British", "West Midlands", "Scottish", "New York", "Caribbean")
    ax = plot.bars({"a": dict.fromkeys(groups, 0.2)})
    assert ax.get_xticklabels()[0].get_rotation() == 0
    plot.picture(ax, "Bars")
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {40}


def test_labels_are_shown_as_they_are():
    """No digit is lost, and what looks like a formula is none."""
    ax = plot.bars({"1.23456": {r"$\bad$": 0.1, "$5": 0.2, "9.87654": 0.3}, "$x_$": {"$5": 0.1}})
    shown = plot.picture(ax, "bars").html
    for label in ("1.23456", r"$\bad$", "$5", "9.87654", "$x_$"):
        assert f">{label}<" in shown
    words = [SimpleNamespace(text="$", start=0.1, end=0.3), SimpleNamespace(text="$", start=0.4, end=0.6)]
    assert (
        plot.picture(plot.alignment(np.eye(2), ["$a", "b$"], 0.5, words), "alignment").html.count(">$<") == 4
    )  # for a wide page and for a phone
