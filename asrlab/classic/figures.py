"""Figures of the comparison: curves with bands along an axis, bars by condition, and what the FSDD receipts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from asrlab.classic.conditions import TRAININGS, Results
from asrlab.classic.systems import NAMES
from asrlab.core.errors import AsrlabError
from asrlab.pages import plot
from asrlab.pages.course import RESULTS
from asrlab.pages.names import ACCENTS
from asrlab.scoring import receipt
from asrlab.scoring.score import Interval

LABEL = "words misrecognised, %"
Series = Mapping[str, Mapping[str, Interval]]


def bars(results: Results, axis: str, training: str = "clean") -> Axes:
    """Grouped bars of all systems at every level of an axis, with intervals; accents by their names."""
    series = results.series(axis, training)
    shown = {name: {ACCENTS.get(level, level): rate for level, rate in rates.items()} for name, rates in series.items()}
    ax = plot.bars(shown, label=LABEL)
    if len(results.levels(axis)) > 5:
        ax.set_xticks(
            ax.get_xticks(), [text.get_text().replace(" ", "\n") for text in ax.get_xticklabels()], fontsize=9
        )
    return ax


def curves(panels: Mapping[str, Series], xlabel: str) -> Axes:
    """Side by side, a panel for each title: the rates of all systems along an axis, with their intervals as bands."""
    with plot.style():
        _, axes = plt.subplots(1, len(panels), figsize=(plot.WIDTH, 3.1), sharey=True, squeeze=False)
        for ax, (title, series) in zip(axes[0], panels.items(), strict=True):
            for k, (name, rates) in enumerate(series.items()):
                values = 100 * np.array([[rate.value, rate.low, rate.high] for rate in rates.values()]).T
                places, colour = np.arange(len(rates)), plot.COLOURS[k % len(plot.COLOURS)]
                ax.fill_between(places, values[1], values[2], color=colour, alpha=0.16, linewidth=0)
                ax.plot(
                    places, values[0], color=colour, linestyle=plot.DASHES[k], marker="o", markersize=3.5, label=name
                )
                ax.set_xticks(places, list(rates), fontsize=9)
            ax.set(xlabel=xlabel, ylim=(0, 100))
            ax.set_title(title, pad=10 if len(panels) > 1 else 22)
            ax.grid(axis="y")
        axes[0][0].set_ylabel(LABEL)
        axes[0][0].legend(fontsize=9, loc="upper left")
    return axes[0][0]


def along(results: Results, axis: str, xlabel: str, trainings: Sequence[str] = TRAININGS) -> Axes:
    """`curves` of an axis, a panel for each way of training."""
    titles = {"clean": "trained on clean words", "noisy": "trained on words in noise"}
    return curves({titles[training]: results.series(axis, training) for training in trainings}, xlabel)


# --- FSDD, from receipts --------------------------------------------------------------------------


def fsdd(kind: str, noise: str = "clean", folder: Path = RESULTS) -> dict[str, Interval]:
    """{system: its error rate on FSDD} from the receipt of `python -m benchmarks.fsdd`.

    kind  "" (speakers held out), "few-" (so too, with few takes to learn from) or "published-"

    Raises AsrlabError if no system has such results.
    """
    metrics, found = receipt.read(folder / "fsdd.json")["metrics"], {}
    for system, name in NAMES.items():
        key = f"{kind}{system}.{noise}"
        if key in metrics:
            found[name] = Interval.from_metrics(metrics, key)
    if not found:
        raise AsrlabError(f"{folder / 'fsdd.json'}: nothing of kind {kind!r} in noise {noise!r}; run benchmarks.fsdd")
    return found


def fsdd_series(kinds: Mapping[str, str], folder: Path = RESULTS) -> dict[str, dict[str, Interval]]:
    """For `plot.bars`: {system: {label: rate}} for {kind: label}."""
    found = {label: fsdd(kind, folder=folder) for kind, label in kinds.items()}
    names = dict.fromkeys(name for rates in found.values() for name in rates)
    return {name: {label: rates[name] for label, rates in found.items() if name in rates} for name in names}


def fsdd_noise(folder: Path = RESULTS) -> dict[str, dict[str, Interval]]:
    """For `curves`: {system: {signal-to-noise ratio: rate}}, speakers held out."""
    levels = {"clean": "clean", **{f"{snr}dB": f"{snr} dB" for snr in (20, 10, 5, 0, -5)}}
    found = {label: fsdd("", noise, folder) for noise, label in levels.items()}
    return {name: {label: rates[name] for label, rates in found.items()} for name in found["clean"]}
