"""Section 4: recordings that leaked, trainings that went wrong."""

import itertools
import math

import numpy as np

from asrlab.grading.exercise import Exercise, ExerciseSet
from asrlab.pages.broken_trainings import planted_logs

# --- the planted leak -----------------------------------------------------------------------------


def recordings(rng):
    """Recordings for training and test. Some of the test are copies: louder, softer, cut elsewhere, with some noise.
    Others only look alike: the same spectrum in another order, or a twin within the test."""
    for N, M, S, copies in ((2, 2, 60, 1), (3, 4, 120, 0), (5, 6, 150, 2), (6, 8, 150, 3), (6, 8, 150, 3)):
        train = rng.standard_normal((N, S))
        test = rng.standard_normal((M, S))
        places = rng.permutation(M)
        for k, place in enumerate(places[:copies]):
            moved = np.roll(train[rng.integers(N)], 0 if k == 0 else rng.choice([-9, -5, 4, 8]))
            louder = rng.uniform(*((3, 4), (0.8, 1.2), (0.2, 4))[k])
            test[place] = moved * louder + 0.05 * rng.standard_normal(S) * (k > 0)
        if copies > 1:
            spectrum = np.abs(np.fft.rfft(train[0])) * np.exp(1j * rng.uniform(0, 2 * np.pi, S // 2 + 1))
            test[places[-1]] = np.fft.irfft(spectrum, S)
            test[places[-2]] = 0.7 * test[places[-3]]
        yield train, test


def leaks_by_lags(train, test):
    """The oracle: every shift by itself, as a cosine of what overlaps."""
    found = []
    for m, a in enumerate(test):
        for b, lag in itertools.product(train, range(-15, 16)):
            one, other = (a[lag:], b[: len(b) - lag]) if lag >= 0 else (a[:lag], b[-lag:])
            if one @ other > 0.8 * math.sqrt((one @ one) * (other @ other)):
                found.append(m)
                break
    return found


def leaks_by_correlation(train, test):
    def likeness(a, b):
        return np.correlate(a, b, mode="full").max() / (np.linalg.norm(a) * np.linalg.norm(b))

    return np.array([m for m, a in enumerate(test) if max(likeness(a, b) for b in train) > 0.7], dtype=int)


def leaks_by_fourier(train, test):
    size = 2 * train.shape[1]
    train, test = (x / np.sqrt((x**2).sum(axis=1, keepdims=True)) for x in (train, test))
    product = np.fft.rfft(test, size)[:, None] * np.fft.rfft(train, size)[None].conj()
    return [int(m) for m in np.flatnonzero((np.fft.irfft(product, size) > 0.75).any(axis=(1, 2)))]


def leaks_by_shifted_tables(train, test):
    def rows(x):
        return x.astype(np.float32) / np.linalg.norm(x, axis=1, keepdims=True)

    best = np.full(len(test), -1.0)
    for lag in range(-10, 11):
        best = np.maximum(best, (rows(np.roll(test, lag, axis=1)) @ rows(train).T).max(axis=1))
    return sorted(np.argwhere(best > 0.75)[:, 0].tolist())


def wants_them_equal(train, test):
    """Only copies that are equal in every number are found: one that is a little louder escapes. Compare shapes, not
    numbers."""
    return [m for m, a in enumerate(test) if any(np.array_equal(a, b) for b in train)]


def never_shifts(train, test):
    """A copy that was cut a little earlier or later escapes: try shifts."""
    return [m for m, a in enumerate(test) if any(a @ b > 0.8 * np.sqrt(a @ a * (b @ b)) for b in train)]


def compares_loudness_too(train, test):
    """A copy of another loudness escapes: divide by the lengths of both before you compare."""
    size, found = 2 * train.shape[1], []
    for m, a in enumerate(test):
        shifted = np.fft.irfft(np.fft.rfft(a, size) * np.fft.rfft(train, size).conj(), size).max(axis=1)
        if (a @ a + (train**2).sum(axis=1) - 2 * shifted < 0.3 * (a @ a)).any():
            found.append(m)
    return found


def compares_spectra(train, test):
    """A recording with the same spectrum is blamed, though it is another one: a spectrum says which waves there are,
    not when. Compare the waves."""
    train, test = np.abs(np.fft.rfft(train)), np.abs(np.fft.rfft(test))
    likeness = test @ train.T / np.outer(np.linalg.norm(test, axis=1), np.linalg.norm(train, axis=1))
    return np.flatnonzero((likeness > 0.93).any(axis=1))


def blames_twins(train, test):
    """Two test recordings are like each other, and one is blamed: a leak is what the *training* has heard too."""
    found = []
    for m, a in enumerate(test):
        for b in [*train, *test[:m]]:
            if np.correlate(a, b, mode="full").max() > 0.75 * np.linalg.norm(a) * np.linalg.norm(b):
                found.append(m)
                break
    return found


LIKE, BAR = "products.max()", "0.75 * np.linalg.norm(a) * np.linalg.norm(b)"

LEAK = Exercise(
    name="leak.find",
    title="The planted leak",
    function="find_leaks",
    points=15,
    minutes=35,
    cases=recordings,
    oracle=leaks_by_lags,
    hints=(
        "Somebody copied a recording, made it louder and cut off its first samples. What is left that you can"
        " recognise it by?",
        "For two recordings of the same length the cosine, their product divided by both lengths, is 1 for a copy of"
        " any loudness and near 0 for strangers. Now allow for a shift.",
        "np.correlate(a, b, mode='full') has the products for all shifts. Take the largest, divide it by the lengths of"
        " a and b, and call it a copy from 0.75 on. Ask this of every test recording and every training recording.",
    ),
    right=(leaks_by_correlation, leaks_by_fourier, leaks_by_shifted_tables, leaks_by_lags),
    mistakes=(
        wants_them_equal,
        never_shifts,
        compares_loudness_too,
        compares_spectra,
        blames_twins,
    ),
    forbidden=("scipy", "sklearn", "librosa"),
    survivors={
        "break | break -> pass": "A test recording has one original at most, so none is named twice.",
        f"if {LIKE} > {BAR}: | {LIKE} > {BAR} -> {LIKE} >= {BAR}": "No drawn recording lies exactly on the border.",
    },
)

# --- broken trainings -----------------------------------------------------------------------------


def logs(rng):
    for *log, _ in planted_logs(rng):
        yield tuple(log)


def diagnosis_by_lines(train, dev, blank):
    """The oracle: straight lines through the last quarter of each curve."""
    E = len(train)
    last = np.arange(E)[-(E // 4) :]
    if not np.isfinite(train).all() or np.median(train[-3:]) > 1.2 * train[0]:
        return "diverged"
    if blank[last].min() > 0.95:
        return "only blanks"
    if dev[last].mean() > 1.1 * np.sort(dev)[:3].mean():
        return "overfitted"
    slope = np.polyfit(last, train[last], 1)[0]
    return "too slow" if -slope * E > 0.15 * train[0] else "healthy"


def diagnosis_by_ends(train, dev, blank):
    if not train[-1] <= 1.2 * train[0]:
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    if dev[-1] > 1.12 * min(dev):
        return "overfitted"
    middle = train[len(train) // 2]
    return "too slow" if middle - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def diagnosis_by_halves(train, dev, blank):
    parts = np.array_split(np.nan_to_num(train, nan=np.inf), 4)
    if np.mean(parts[-1]) > np.mean(parts[0]):
        return "diverged"
    dev = [np.median(part) for part in np.array_split(dev, 8)]
    if np.median(blank[-5:]) > 0.95:
        return "only blanks"
    if dev[-1] / min(dev) > 1.08:
        return "overfitted"
    return ("healthy", "too slow")[int(np.mean(parts[2]) > 1.05 * np.mean(parts[3]))]


def never_looks_at_dev(train, dev, blank):
    """A training that learns by heart is called healthy: its training loss is the best of all. Look at dev, which rises
    again."""
    if not train[-1] <= 1.2 * train[0]:
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    return "too slow" if train[len(train) // 2] - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def takes_a_gap_for_a_fault(train, dev, blank):
    """A healthy training is called overfitted because dev is above train. It nearly always is: overfitting is when dev
    rises while train falls."""
    if not train[-1] <= 1.2 * train[0]:
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    if dev[-1] > 1.1 * train[-1]:
        return "overfitted"
    return "too slow" if train[len(train) // 2] - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def takes_a_jitter_for_a_rise(train, dev, blank):
    """One epoch in which dev is a little worse is taken for overfitting: losses jitter. Compare the end with the
    lowest, and leave some room."""
    if not train[-1] <= 1.2 * train[0]:
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    if (np.diff(dev) > 0).any():
        return "overfitted"
    return "too slow" if train[len(train) // 2] - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def blames_the_first_blanks(train, dev, blank):
    """Blanks in the first epochs are blamed. Every CTC training begins with them: look at the end."""
    if not train[-1] <= 1.2 * train[0]:
        return "diverged"
    if (blank > 0.95).any():
        return "only blanks"
    if dev[-1] > 1.12 * min(dev):
        return "overfitted"
    return "too slow" if train[len(train) // 2] - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def overlooks_nan(train, dev, blank):
    """A loss that is NaN is overlooked. Every comparison with NaN is False, so ask for it: np.isnan."""
    if train[-1] > 1.2 * train[0]:
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    if dev[-1] > 1.12 * min(dev):
        return "overfitted"
    return "too slow" if train[len(train) // 2] - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def waits_for_nan(train, dev, blank):
    """A loss that jumps far above its beginning is called something else: a training can diverge without any NaN."""
    if np.isnan(train).any():
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    if dev[-1] > 1.12 * min(dev):
        return "overfitted"
    return "too slow" if train[len(train) // 2] - train[-1] > 0.25 * (train[0] - train[-1]) else "healthy"


def is_content_with_any_fall(train, dev, blank):
    """A training that still falls as fast at its end as at its beginning is called healthy: it was stopped, or steps,
    too early. A larger learning rate or more epochs would help."""
    if not train[-1] <= 1.2 * train[0]:
        return "diverged"
    if blank[-1] > 0.96:
        return "only blanks"
    return "overfitted" if dev[-1] > 1.12 * min(dev) else "healthy"


ENDS = "first, middle, last = (train[0], train[len(train) // 2], train[-1]) | "
NEIGHBOURS = (ENDS + "0 -> 1", ENDS + "1 -> 2", ENDS + "2 -> 3", "if blank[-1] > 0.96: | 1 -> 2",
              "if dev[-1] > 1.12 * dev.min(): | 1 -> 2")  # fmt: skip
BORDERS = (
    ("np.isnan(train).any() or last > 1.2 * first", "last > 1.2 * first"),
    *(
        (one, one)
        for one in ("blank[-1] > 0.96", "dev[-1] > 1.12 * dev.min()", "middle - last > 0.25 * (first - last)")
    ),
)

DIAGNOSIS = Exercise(
    name="training.diagnose",
    title="Four broken trainings",
    function="diagnose",
    points=20,
    minutes=40,
    cases=logs,
    oracle=diagnosis_by_lines,
    hints=(
        "Draw one log of each kind. Which curve gives each kind away, and which part of that curve?",
        "Ask in this order: is there a NaN, or a loss above the one it began with? Are nearly all frames blank at the"
        " end? Has dev risen from its lowest value? Is the loss still falling as fast as before?",
        "Losses jitter by 1 or 2 %, so compare with room: dev at the end more than 10 % above its lowest; or more than"
        " a quarter of the whole fall of train in the second half.",
    ),
    right=(diagnosis_by_lines, diagnosis_by_ends, diagnosis_by_halves),
    mistakes=(
        never_looks_at_dev,
        takes_a_gap_for_a_fault,
        takes_a_jitter_for_a_rise,
        blames_the_first_blanks,
        overlooks_nan,
        waits_for_nan,
        is_content_with_any_fall,
    ),
    survivors={
        **dict.fromkeys(
            NEIGHBOURS, "An epoch sooner or later the curves say the same; a third and a half are both late."
        ),
        **{
            f"if {test}: | {part} -> {part.replace('>', '>=')}": "No drawn loss lies exactly on the border."
            for test, part in BORDERS
        },
    },
)

SET = ExerciseSet("4-worked-code-evidence", "Look before you believe", "book/4-worked-code/training", (LEAK, DIAGNOSIS))
