"""Section 3: mel filters, a convolution as one matrix product, gradients through time."""

import math

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet

# --- mel filters ----------------------------------------------------------------------------------


def filter_banks(rng):
    """One filter, a few, and as many as in use; every bank with its own range."""
    yield 1, 16, 8000, 0.0, 4000.0
    yield 3, 32, 8000, 0.0, 4000.0
    for F, points, rate in ((4, 64, 8000), (7, 64, 16000), (12, 256, 16000), (26, 512, 16000)):
        yield F, points, rate, float(rng.uniform(20, 120)), rate / 2 - float(rng.uniform(0, 900))
    yield 5, 128, 8000, float(rng.uniform(1500, 2000)), 3900.0


def mel_by_interpolation(F, points, rate, low, high):
    """The oracle: each triangle drawn through its three corners."""
    middle, end = (1 + low / 700, 1 + high / 700)
    edges = [700 * (middle * (end / middle) ** (n / (F + 1)) - 1) for n in range(F + 2)]  # a mel step is a ratio
    f = np.linspace(0, rate / 2, points // 2 + 1)
    return np.stack([np.interp(f, edges[j : j + 3], [0, 1, 0], left=0, right=0) for j in range(F)], axis=1)


def mel_by_arrays(F, points, rate, low, high):
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = 700 * (10 ** (np.linspace(*ends, F + 2) / 2595) - 1)
    f = np.arange(points // 2 + 1)[:, None] * rate / points
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.clip(np.minimum((f - left) / (centre - left), (right - f) / (right - centre)), 0, None)


def mel_by_loops(F, points, rate, low, high):
    step = (math.log(1 + high / 700) - math.log(1 + low / 700)) / (F + 1)
    edges = [700 * math.expm1(math.log(1 + low / 700) + n * step) for n in range(F + 2)]
    weights = [[0.0] * F for _ in range(points // 2 + 1)]
    for k, row in enumerate(weights):
        for j in range(F):
            f, (left, centre, right) = k * rate / points, edges[j : j + 3]
            if left < f <= centre:
                row[j] = (f - left) / (centre - left)
            elif centre < f < right:
                row[j] = (right - f) / (right - centre)
    return weights


def mel_in_float32(F, points, rate, low, high):
    ends = np.log(1 + np.array([low, high], dtype=np.float32) / np.float32(700))
    edges = np.float32(700) * np.expm1(np.linspace(ends[0], ends[1], F + 2, dtype=np.float32))
    f = np.arange(points // 2 + 1, dtype=np.float32) * np.float32(rate / points)
    slopes = (f[:, None] - edges[:-1]) / np.diff(edges)
    return np.maximum(0, np.minimum(slopes[:, :-1], 1 - slopes[:, 1:]))


def spaces_in_hertz(F, points, rate, low, high):
    """The edges are even in Hz, so all triangles are equally wide: make them even in mel, then turn them into Hz."""
    edges = np.linspace(low, high, F + 2)
    f = np.arange(points // 2 + 1)[:, None] * rate / points
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))


def draws_on_the_mel_axis(F, points, rate, low, high):
    """The sides of the triangles are straight in mel: their edges come from the mel scale, their sides are straight in
    Hz."""
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = np.linspace(*ends, F + 2)
    f = 2595 * np.log10(1 + np.arange(points // 2 + 1)[:, None] * rate / points / 700)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))


def rounds_to_bins(F, points, rate, low, high):
    """The edges are rounded to whole bins, which bends narrow triangles and lets some vanish: keep them where they
    are."""
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = np.round(700 * (10 ** (np.linspace(*ends, F + 2) / 2595) - 1) * points / rate)
    k = np.arange(points // 2 + 1)[:, None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (k - left) / np.maximum(centre - left, 1), (right - k) / np.maximum(right - centre, 1)
    return np.maximum(0, np.minimum(rising, falling))


def makes_areas_equal(F, points, rate, low, high):
    """Each triangle is divided by its width, so that all have one area: here all have one height, 1."""
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = 700 * (10 ** (np.linspace(*ends, F + 2) / 2595) - 1)
    f = np.arange(points // 2 + 1)[:, None] * rate / points
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.maximum(0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))
    return triangles * 2 / (right - left)


def leaves_what_is_negative(F, points, rate, low, high):
    """Beyond its feet a triangle goes on below 0: cut it off there."""
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = 700 * (10 ** (np.linspace(*ends, F + 2) / 2595) - 1)
    f = np.arange(points // 2 + 1)[:, None] * rate / points
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.minimum((f - left) / (centre - left), (right - f) / (right - centre))


def misplaces_the_bins(F, points, rate, low, high):
    """The bins lie at other frequencies: bin k of a transform of so many points is k times the sample rate divided by
    the points, and the last one is half the sample rate."""
    ends = 2595 * np.log10(1 + np.array([low, high]) / 700)
    edges = 700 * (10 ** (np.linspace(*ends, F + 2) / 2595) - 1)
    f = np.arange(points // 2 + 1)[:, None] * (rate / 2) / points
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    return np.maximum(0, np.minimum((f - left) / (centre - left), (right - f) / (right - centre)))


MEL = Exercise(
    name="mel.filters",
    title="Filters as the ear has them",
    function="mel_filters",
    points=10,
    minutes=25,
    equations=("mel-scale", "mel-filter"),
    cases=filter_banks,
    oracle=mel_by_interpolation,
    tolerance=float32(2**14),  # an edge in float32 is off by up to 0.01 Hz, in a triangle of side 20 Hz or more
    hints=(
        "How many edges do F triangles need that overlap, each reaching to the middle of its neighbours?",
        "Go from low and high to mel, put F + 2 edges evenly between, and come back to Hz. To come back, solve the"
        " equation of the mel scale for f.",
        "Bin k lies at k rate / points Hz, for k from 0 to points / 2. A triangle is the smaller one of its two"
        " straight lines, and never less than 0.",
    ),
    right=(mel_by_interpolation, mel_by_arrays, mel_by_loops, mel_in_float32),
    mistakes=(
        spaces_in_hertz,
        draws_on_the_mel_axis,
        rounds_to_bins,
        makes_areas_equal,
        leaves_what_is_negative,
        misplaces_the_bins,
    ),
    forbidden=("asrlab.signals", "torchaudio", "librosa"),
)

# --- a convolution as a matrix product ------------------------------------------------------------


def windows(rng):
    """Frames, kernels and biases, with all kinds of steps, edges and gaps."""
    for T, k, F, C, stride, padding, dilation in (
        (1, 1, 1, 1, 1, 0, 1), (4, 2, 1, 1, 1, 0, 1), (5, 3, 2, 2, 1, 1, 1), (7, 3, 2, 3, 2, 0, 1),
        (8, 2, 3, 2, 1, 0, 3), (6, 3, 2, 4, 2, 2, 2), (20, 5, 4, 3, 3, 4, 2), (3, 3, 2, 2, 1, 0, 1),
    ):  # fmt: skip
        x, W, b = (rng.standard_normal(shape) for shape in ((T, F), (k, F, C), (C,)))
        yield x, W, b, stride, padding, dilation


def conv_by_definition(x, W, b, stride, padding, dilation):
    """The oracle: the double sum of the chapter, one entry after the other."""
    T, (k, F, C) = len(x), W.shape
    rows, t = [], 0
    while t * stride + (k - 1) * dilation - padding < T + padding:
        places = [(i, t * stride + i * dilation - padding) for i in range(k)]
        rows.append([math.fsum([b[c], *(x[n, f] * W[i, f, c] for i, n in places if 0 <= n < T for f in range(F))])
                     for c in range(C)])  # fmt: skip
        t += 1
    return np.array(rows)


def conv_by_index(x, W, b, stride, padding, dilation):
    k, F, C = W.shape
    x = np.pad(x, ((padding, padding), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1), stride)
    rows = x[first[:, None] + dilation * np.arange(k)]
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


def conv_by_views(x, W, b, stride, padding, dilation):
    x = np.vstack([np.zeros((padding, x.shape[1])), x, np.zeros((padding, x.shape[1]))])
    seen = np.lib.stride_tricks.sliding_window_view(x, dilation * (len(W) - 1) + 1, axis=0)[::stride, :, ::dilation]
    return np.tensordot(seen, W, axes=([2, 1], [0, 1])) + b


def conv_by_taps(x, W, b, stride, padding, dilation):
    k, x = len(W), np.pad(x.astype(np.float32), ((padding, padding), (0, 0)))
    count = (len(x) - dilation * (k - 1) - 1) // stride + 1
    y = np.zeros((count, W.shape[2]), dtype=np.float32)
    for i, tap in enumerate(W.astype(np.float32)):
        y += x[i * dilation :: stride][:count] @ tap
    return y + b.astype(np.float32)


def turns_the_kernel_round(x, W, b, stride, padding, dilation):
    """The kernel is read backwards, as signal books do: here its first weight meets the earliest frame."""
    k, F, C = W.shape
    x = np.pad(x, ((padding, padding), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1), stride)
    rows = x[first[:, None] + dilation * np.arange(k)]
    return rows.reshape(len(first), k * F) @ W[::-1].reshape(k * F, C) + b


def mixes_taps_and_features(x, W, b, stride, padding, dilation):
    """Rows and weights are laid out in different orders: if a row holds frame after frame, the weights must too."""
    k, F, C = W.shape
    x = np.pad(x, ((padding, padding), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1), stride)
    rows = x[first[:, None] + dilation * np.arange(k)].transpose(0, 2, 1)
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


def pads_nothing(x, W, b, stride, padding, dilation):
    """The padding is ignored: put so many frames of zeros before the first and after the last."""
    k, F, C = W.shape
    first = np.arange(0, max(len(x) - dilation * (k - 1), 1), stride)
    rows = x[np.minimum(first[:, None] + dilation * np.arange(k), len(x) - 1)]
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


def pads_one_side(x, W, b, stride, padding, dilation):
    """All the zeros are at the beginning: half of them belong to the end."""
    k, F, C = W.shape
    x = np.pad(x, ((2 * padding, 0), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1), stride)
    rows = x[first[:, None] + dilation * np.arange(k)]
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


def steps_by_one(x, W, b, stride, padding, dilation):
    """The window stands at every frame: it moves by `stride` frames at a time."""
    k, F, C = W.shape
    x = np.pad(x, ((padding, padding), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1))
    rows = x[first[:, None] + dilation * np.arange(k)]
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


def leaves_no_gaps(x, W, b, stride, padding, dilation):
    """The taps are neighbours: they stand `dilation` frames apart."""
    k, F, C = W.shape
    x = np.pad(x, ((padding, padding), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1), stride)
    rows = x[first[:, None] + np.arange(k)]
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


def loses_the_last_place(x, W, b, stride, padding, dilation):
    """The last place of the window is missing: it may stand as long as its last tap is within the padded frames."""
    k, F, C = W.shape
    x = np.pad(x, ((padding, padding), (0, 0)))
    first = np.arange(0, len(x) - dilation * (k - 1), stride)[: (len(x) - dilation * (k - 1) - 1) // stride]
    rows = x[first[:, None] + dilation * np.arange(k)]
    return rows.reshape(len(first), k * F) @ W.reshape(k * F, C) + b


CONVOLUTION = Exercise(
    name="conv.matmul",
    title="A convolution is one matrix product",
    function="conv_matmul",
    points=15,
    minutes=35,
    equations=("im2col", "strided", "output-length"),
    cases=windows,
    oracle=conv_by_definition,
    tolerance=float32(512),  # a sum of at most 20 products of numbers below five
    hints=(
        "Take four frames and a window of two. Write down the rows of windows. How many are there, how long is each?",
        "Pad first. Then a table of frame numbers does the rest: a row for each place of the window, a column for each"
        " tap.",
        "The frame under tap i at place t is t stride + i dilation, counted in the padded frames. Index with the table,"
        " make each window one row, and shape W to (k F, C) in the same order.",
    ),
    right=(conv_by_index, conv_by_views, conv_by_taps, conv_by_definition),
    mistakes=(
        turns_the_kernel_round,
        mixes_taps_and_features,
        pads_nothing,
        pads_one_side,
        steps_by_one,
        leaves_no_gaps,
        loses_the_last_place,
    ),
    forbidden=("asrlab.models", "torch.nn", "torch.conv1d", "scipy.signal", "scipy.ndimage"),
)

# --- gradients through time -----------------------------------------------------------------------


def unrolled(rng):
    """Frames, the weights of an Elman network, and what the loss says about each frame's scores."""
    for T, F, D, K in ((1, 1, 1, 1), (2, 1, 1, 1), (2, 2, 3, 1), (4, 3, 2, 2), (6, 2, 4, 3), (9, 3, 3, 2)):
        X, W, b, V, G = (rng.standard_normal(shape) for shape in ((T, F), (D, F), (D,), (D, K), (T, K)))
        U = rng.standard_normal((D, D))
        yield X, 0.5 * W, 0.9 * U / max(np.abs(np.linalg.eigvals(U)).max(), 0.1), 0.3 * b, V, G


def gradients_by_complex_steps(X, W, U, b, V, G):
    """The oracle: nudge every weight by i times 1e-30, and read the slope off the imaginary part. No difference of two
    nearly equal numbers is taken, so nothing is lost."""

    def loss(W, U, b):
        h, total = np.zeros(len(b), dtype=complex), 0
        for x, g in zip(X, G, strict=True):
            h = np.tanh(W @ x + U @ h + b)
            total = total + (V.T @ h) @ g
        return total

    slopes = []
    for which, weights in enumerate((W, U, b)):
        slope = np.zeros(weights.shape)
        for place in np.ndindex(weights.shape):
            nudged = [one.astype(complex) for one in (W, U, b)]
            nudged[which][place] += 1e-30j
            slope[place] = loss(*nudged).imag / 1e-30
        slopes.append(slope)
    return slopes


def gradients_by_walking_back(X, W, U, b, V, G):
    T, D = len(X), len(b)
    h = np.zeros((T + 1, D))
    for t in range(T):
        h[t + 1] = np.tanh(W @ X[t] + U @ h[t] + b)
    dW, dU, db, later = np.zeros_like(W), np.zeros_like(U), np.zeros_like(b), np.zeros(D)
    for t in range(T, 0, -1):
        da = (1 - h[t] ** 2) * (V @ G[t - 1] + later)
        dW += np.outer(da, X[t - 1])
        dU += np.outer(da, h[t - 1])
        db += da
        later = U.T @ da
    return dW, dU, db


def gradients_by_central_differences(X, W, U, b, V, G):
    def loss(weights):
        W_, U_, b_ = np.split(weights, [W.size, W.size + U.size])
        h, total = 0 * b, 0.0
        for t in range(len(X)):
            h = np.tanh(W_.reshape(W.shape) @ X[t] + U_.reshape(U.shape) @ h + b_)
            total += float(G[t] @ (h @ V))
        return total

    flat = np.concatenate([W.ravel(), U.ravel(), b])
    slope = [(loss(flat + 1e-5 * row) - loss(flat - 1e-5 * row)) / 2e-5 for row in np.eye(len(flat))]
    dW, dU, db = np.split(np.array(slope), [W.size, W.size + U.size])
    return [dW.reshape(W.shape), dU.reshape(U.shape), db]


def gradients_forwards(X, W, U, b, V, G):
    """Forward in time: the slope of the state by every weight is carried along; nothing has to be walked back."""
    (D, F), size = W.shape, W.size + U.size + len(b)
    h, slope, total = np.zeros(D), np.zeros((D, size)), np.zeros(size)
    for x, g in zip(X, G, strict=True):
        direct = np.hstack([np.kron(np.eye(D), x), np.kron(np.eye(D), h), np.eye(D)])
        h = np.tanh(W @ x + U @ h + b)
        slope = (1 - h**2)[:, None] * (direct + U @ slope)
        total += (V @ g) @ slope
    return total[: D * F].reshape(D, F), total[D * F : D * F + D * D].reshape(D, D), total[D * F + D * D :]


def looks_at_one_frame(X, W, U, b, V, G):
    """A state is blamed only for its own frame's scores: it also made the next state, so what comes from there through
    U must be added."""
    h = np.zeros((len(X) + 1, len(b)))
    for t in range(len(X)):
        h[t + 1] = np.tanh(W @ X[t] + U @ h[t] + b)
    da = (1 - h[1:] ** 2) * (G @ V.T)
    return da.T @ X, da.T @ h[:-1], da.sum(axis=0)


def forgets_to_turn_U(X, W, U, b, V, G):
    """On the way back U must be transposed: entry j of the state before reached entry i of this one by U[i, j]."""
    h = np.zeros((len(X) + 1, len(b)))
    for t in range(len(X)):
        h[t + 1] = np.tanh(W @ X[t] + U @ h[t] + b)
    das, later = [], 0 * b
    for t in range(len(X), 0, -1):
        das.insert(0, (1 - h[t] ** 2) * (V @ G[t - 1] + later))
        later = U @ das[0]
    return np.transpose(das) @ X, np.transpose(das) @ h[:-1], np.sum(das, axis=0)


def forgets_the_slope_on_the_way(X, W, U, b, V, G):
    """Between two states the slope of tanh is missing: what comes from the next state must be multiplied by that
    state's 1 - h squared before U transposed."""
    h = np.zeros((len(X) + 1, len(b)))
    for t in range(len(X)):
        h[t + 1] = np.tanh(W @ X[t] + U @ h[t] + b)
    delta, da = 0 * b, np.zeros((len(X), len(b)))
    for t in range(len(X), 0, -1):
        delta = V @ G[t - 1] + U.T @ delta
        da[t - 1] = (1 - h[t] ** 2) * delta
    return da.T @ X, da.T @ h[:-1], da.sum(axis=0)


def takes_the_state_after(X, W, U, b, V, G):
    """For U the state of the same frame is taken: U met the state before it."""
    h = np.zeros((len(X) + 1, len(b)))
    for t in range(len(X)):
        h[t + 1] = np.tanh(W @ X[t] + U @ h[t] + b)
    das, later = [], 0 * b
    for t in range(len(X), 0, -1):
        das.insert(0, (1 - h[t] ** 2) * (V @ G[t - 1] + later))
        later = U.T @ das[0]
    return np.transpose(das) @ X, np.transpose(das) @ h[1:], np.sum(das, axis=0)


def takes_the_last_frame(X, W, U, b, V, G):
    """Only what the last frame's scores say is carried back: every frame has scores, add what each of them says when
    you pass it."""
    h = np.zeros((len(X) + 1, len(b)))
    for t in range(len(X)):
        h[t + 1] = np.tanh(W @ X[t] + U @ h[t] + b)
    das, later = [], V @ G[-1]
    for t in range(len(X), 0, -1):
        das.insert(0, (1 - h[t] ** 2) * later)
        later = U.T @ das[0]
    return np.transpose(das) @ X, np.transpose(das) @ h[:-1], np.sum(das, axis=0)


BPTT = Exercise(
    name="rnn.bptt",
    title="Gradients through time",
    function="elman_gradients",
    points=30,
    minutes=90,
    equations=("recurrence", "bptt", "bptt-weights"),
    cases=unrolled,
    oracle=gradients_by_complex_steps,
    tolerance=1e-5,  # for float64: central differences of 1e-5 err by 1e-10 times a third derivative
    hints=(
        "Write down, for two frames, all the ways by which a small change of U reaches the loss. How many are there?",
        "Run forwards and keep all states, the one before the first frame too. Then walk from the last frame to the"
        " first, with one vector that says what the future thinks of the present state.",
        "At each frame: delta is V g plus what came from the next frame. Times 1 - h squared it is what W, U and b see"
        " (outer products with x and the state before). Then U transposed takes it one frame further back.",
    ),
    right=(
        gradients_by_walking_back,
        gradients_by_central_differences,
        gradients_forwards,
        gradients_by_complex_steps,
    ),
    mistakes=(
        looks_at_one_frame,
        forgets_to_turn_U,
        forgets_the_slope_on_the_way,
        takes_the_state_after,
        takes_the_last_frame,
    ),
    forbidden=("torch", "jax", "tensorflow"),
    survivors={"h = np.zeros((T + 1, D)) | 1 -> 2": "A row more than there are states, which is never looked at."},
)

SET = ExerciseSet(
    "3-mathematics-networks", "What a network computes", "book/3-mathematics/index", (MEL, CONVOLUTION, BPTT)
)
