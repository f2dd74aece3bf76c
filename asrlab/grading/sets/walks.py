"""Section 1: the sum over all walks through a hidden Markov model, and one step of learning it."""

import itertools
import math

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet

HMMS = ("asrlab.classic", "hmmlearn", "torchaudio")

# --- the sum over all walks -----------------------------------------------------------------------


def hidden_models(rng):
    """Beginnings, steps and how well each frame fits: all walks allowed, left to right only, then 400 frames."""
    for T, S in ((1, 2), (2, 2), (3, 3), (5, 3), (6, 4)):
        yield rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(S), S), rng.uniform(-6, 1, (T, S))
    for T, S in ((2, 3), (5, 3), (400, 4)):
        stay = rng.uniform(0.3, 0.9, S)
        A = np.diag(stay) + np.diag(1 - stay[:-1], 1)
        yield np.eye(S)[0], A, rng.uniform(-6, 1, (T, S))


def forward_by_logarithms(pi, A, log_b):
    """The oracle: sums of logarithms in plain Python, only over the steps that are possible."""
    S = len(pi)
    alpha = [[math.log(p) + float(f) if p > 0 else -math.inf for p, f in zip(pi, log_b[0], strict=True)]]
    for frame in log_b[1:]:
        row = []
        for j in range(S):
            ways = [alpha[-1][i] + math.log(A[i, j]) for i in range(S) if A[i, j] > 0 and alpha[-1][i] > -math.inf]
            top = max(ways, default=-math.inf)
            total = math.fsum(math.exp(way - top) for way in ways) if ways else 0.0
            row.append(top + math.log(total) + float(frame[j]) if ways else -math.inf)
        alpha.append(row)
    return np.array(alpha)


def forward_by_tables(pi, A, log_b):
    with np.errstate(divide="ignore"):
        log_pi, log_A = np.log(pi), np.log(A)
    alpha = [log_pi + log_b[0]]
    for frame in log_b[1:]:
        alpha.append(np.logaddexp.reduce(alpha[-1][:, None] + log_A, axis=0) + frame)
    return np.stack(alpha)


def forward_by_pushing(pi, A, log_b):
    alpha = np.full(log_b.shape, -np.inf)
    for j, p in enumerate(pi):
        if p > 0:
            alpha[0, j] = math.log(p) + log_b[0, j]
    for t in range(1, len(log_b)):
        for i, j in np.argwhere(A > 0):
            alpha[t, j] = np.logaddexp(alpha[t, j], alpha[t - 1, i] + math.log(A[i, j]) + log_b[t, j])
    return alpha


def forward_in_float32(pi, A, log_b):
    with np.errstate(divide="ignore"):
        moves, begin = np.log(A.T.astype(np.float32)), np.log(pi.astype(np.float32))
    rows = np.empty(log_b.shape, dtype=np.float32)
    for t in range(len(rows)):
        reached = begin if t == 0 else np.array([np.logaddexp.reduce(move + rows[t - 1]) for move in moves])
        rows[t] = reached + log_b[t].astype(np.float32)
    return rows


def keeps_the_best_walk(pi, A, log_b):
    """Only the best way into each state is kept (that is Viterbi): add the probabilities of all ways."""
    alpha = [np.log(pi) + log_b[0]]
    for frame in log_b[1:]:
        alpha.append((alpha[-1][:, None] + np.log(A)).max(axis=0) + frame)
    return np.stack(alpha)


def steps_backwards(pi, A, log_b):
    """The steps are taken against their direction: A[i, j] leads from i to j, so for state j add over its column."""
    alpha = [np.log(pi) + log_b[0]]
    for frame in log_b[1:]:
        alpha.append(np.logaddexp.reduce(alpha[-1] + np.log(A), axis=1) + frame)
    return np.stack(alpha)


def begins_everywhere(pi, A, log_b):
    """All states are equally likely at first: the walk begins in state j with the probability pi[j]."""
    alpha = [log_b[0] - np.log(len(pi))]
    for frame in log_b[1:]:
        alpha.append(np.logaddexp.reduce(alpha[-1][:, None] + np.log(A), axis=0) + frame)
    return np.stack(alpha)


def forgets_the_first_frame(pi, A, log_b):
    """The first frame is not listened to: it must fit the state that the walk begins in."""
    alpha = [np.log(pi)]
    for frame in log_b[1:]:
        alpha.append(np.logaddexp.reduce(alpha[-1][:, None] + np.log(A), axis=0) + frame)
    return np.stack(alpha)


def listens_before_it_steps(pi, A, log_b):
    """A frame is compared with the state before the step: frame t fits the state that the walk has at t."""
    alpha = [np.log(pi) + log_b[0]]
    for frame in log_b[1:]:
        alpha.append(np.logaddexp.reduce((alpha[-1] + frame)[:, None] + np.log(A), axis=0))
    return np.stack(alpha)


def makes_shares(pi, A, log_b):
    """Every row adds up to 1: that is the share of each state given the frames so far. Leave the sums as they are, what
    they add up to is the probability of the frames."""
    alpha = [np.log(pi) + log_b[0]]
    for frame in log_b[1:]:
        alpha.append(np.logaddexp.reduce(alpha[-1][:, None] + np.log(A), axis=0) + frame)
    alpha = np.stack(alpha)
    return alpha - np.logaddexp.reduce(alpha, axis=1, keepdims=True)


def underflows(pi, A, log_b):
    """After some hundred frames the products fall below the smallest number that there is: stay with logarithms."""
    alpha = [pi * np.exp(log_b[0])]
    for frame in log_b[1:]:
        alpha.append(alpha[-1] @ A * np.exp(frame))
    return np.log(np.stack(alpha))


FORWARD = Exercise(
    name="hmm.forward",
    title="The sum over all walks",
    function="hmm_forward",
    points=15,
    minutes=30,
    equations=("hmm-forward", "hmm-total"),
    cases=hidden_models,
    oracle=forward_by_logarithms,
    tolerance=float32(6 * 400),  # at worst six roundings a frame, each relative to a sum as large as the answer
    hints=(
        "How did a walk get to state j at frame t? List the states in which it may have been one frame before.",
        "The first row needs pi and the first frame. Every other row needs only the row before it, A, and its frame.",
        "Add the logarithm of A[i, j] to alpha[t - 1, i], add these up over i with np.logaddexp, then add log_b[t, j]."
        " np.log(0) is minus infinity, which np.logaddexp understands.",
    ),
    right=(forward_by_tables, forward_by_pushing, forward_in_float32, forward_by_logarithms),
    mistakes=(
        keeps_the_best_walk,
        steps_backwards,
        begins_everywhere,
        forgets_the_first_frame,
        listens_before_it_steps,
        makes_shares,
        underflows,
    ),
    forbidden=HMMS,
)

# --- one step of learning -------------------------------------------------------------------------


def observed_sequences(rng):
    """A model of S states and K symbols, and a few short sequences of symbols that it is to learn from."""
    for S, K, lengths in ((2, 2, [2]), (2, 3, [4]), (3, 2, [5]), (2, 2, [2, 5]), (3, 3, [1, 4, 3]), (2, 4, [5, 5, 5])):
        pi, A, B = rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(S), S), rng.dirichlet(np.ones(K), S)
        yield pi, A, B, [rng.integers(0, K, n).tolist() for n in lengths]


def em_by_listing_walks(pi, A, B, sequences):
    """The oracle: every walk is listed and counted with its own probability given the sequence."""
    new = [np.zeros_like(table) for table in (pi, A, B)]
    for x in sequences:
        counts, total = [np.zeros_like(table) for table in (pi, A, B)], 0.0
        for walk in itertools.product(range(len(pi)), repeat=len(x)):
            p = pi[walk[0]] * math.prod(A[i, j] for i, j in itertools.pairwise(walk))
            p *= math.prod(B[i, k] for i, k in zip(walk, x, strict=True))
            total += p
            counts[0][walk[0]] += p
            for i, j in itertools.pairwise(walk):
                counts[1][i, j] += p
            for i, k in zip(walk, x, strict=True):
                counts[2][i, k] += p
        for table, count in zip(new, counts, strict=True):
            table += count / total
    return [table / table.sum(axis=-1, keepdims=True) for table in new]


def em_by_both_passes(pi, A, B, sequences):
    start, steps, symbols = np.zeros_like(pi), np.zeros_like(A), np.zeros_like(B)
    for x in sequences:
        b = B[:, x].T
        alpha, beta = [pi * b[0]], [np.ones(len(pi))]
        for t in range(1, len(x)):
            alpha.append(alpha[-1] @ A * b[t])
            beta.insert(0, A @ (b[-t] * beta[0]))
        p = alpha[-1].sum()
        start += alpha[0] * beta[0] / p
        for t, k in enumerate(x):
            symbols[:, k] += alpha[t] * beta[t] / p
            if t:
                steps += np.outer(alpha[t - 1], b[t] * beta[t]) * A / p
    return start / start.sum(), steps / steps.sum(axis=1)[:, None], symbols / symbols.sum(axis=1)[:, None]


def em_in_logarithms(pi, A, B, sequences):
    def total(x, axis):
        return np.logaddexp.reduce(x, axis=axis)

    log_A, gammas, first, xis, seen = np.log(A), [], [], [], []
    for x in sequences:
        log_b = np.log(B)[:, x].T
        alpha, beta = np.log(pi) + log_b, np.zeros(log_b.shape)
        for t in range(1, len(x)):
            alpha[t] = total(alpha[t - 1][:, None] + log_A, 0) + log_b[t]
        for t in range(len(x) - 2, -1, -1):
            beta[t] = total(log_A + log_b[t + 1] + beta[t + 1], 1)
        both = alpha[:-1, :, None] + log_A + (log_b + beta)[1:, None, :]
        xis.append(np.exp(both - total(alpha[-1], 0)).sum(axis=0))
        gammas.append(np.exp(alpha + beta - total(alpha[-1], 0)))
        first.append(gammas[-1][0])
        seen += x
    gamma, steps = np.concatenate(gammas), np.sum(xis, axis=0)
    symbols = gamma.T @ np.eye(B.shape[1])[seen]
    return np.mean(first, axis=0), steps / steps.sum(1, keepdims=True), symbols / symbols.sum(1, keepdims=True)


def em_by_slopes(pi, A, B, sequences):
    """An expected count is a parameter times the slope of the log-likelihood along it: p times d log p / dp."""

    def likelihood(pi, A, B):
        result = 0
        for x in sequences:
            alpha = pi * B[:, x[0]]
            for k in x[1:]:
                alpha = (alpha @ A) * B[:, k]
            result = result + np.log(alpha.sum())
        return result

    tables, new = [table.astype(complex) for table in (pi, A, B)], []
    for table in tables:
        counts = np.zeros(table.shape)
        for place in np.ndindex(table.shape):
            before = table[place]
            table[place] = before + 1e-30j
            counts[place] = before.real * likelihood(*tables).imag / 1e-30
            table[place] = before
        new.append(counts / counts.sum(axis=-1, keepdims=True))
    return new


def averages_the_models(pi, A, B, sequences):
    """Each sequence gets a model of its own and these are averaged, so a short sequence says as much as a long one: add
    up the counts of all sequences, and divide once."""
    found = []
    for x in sequences:
        b = B[:, x].T
        alpha, beta = [pi * b[0]], [np.ones(len(pi))]
        for t in range(1, len(x)):
            alpha.append(alpha[-1] @ A * b[t])
            beta.insert(0, A @ (b[-t] * beta[0]))
        gamma = np.stack(alpha) * np.stack(beta) / alpha[-1].sum()
        steps = sum((np.outer(alpha[t - 1], b[t] * beta[t]) * A for t in range(1, len(x))), 0 * A + 1e-12)
        symbols = gamma.T @ np.eye(B.shape[1])[x]
        found.append((gamma[0], steps / steps.sum(axis=1)[:, None], symbols / symbols.sum(axis=1)[:, None]))
    return [np.mean(tables, axis=0) for tables in zip(*found, strict=True)]


def forgets_the_evidence(pi, A, B, sequences):
    """The counts of a sequence are not divided by its probability, so a likely sequence counts more than an unlikely
    one: each frame of each sequence is one frame."""
    start, steps, symbols = np.zeros_like(pi), np.zeros_like(A), np.zeros_like(B)
    for x in sequences:
        b = B[:, x].T
        alpha, beta = [pi * b[0]], [np.ones(len(pi))]
        for t in range(1, len(x)):
            alpha.append(alpha[-1] @ A * b[t])
            beta.insert(0, A @ (b[-t] * beta[0]))
        start += alpha[0] * beta[0]
        for t, k in enumerate(x):
            symbols[:, k] += alpha[t] * beta[t]
            if t:
                steps += np.outer(alpha[t - 1], b[t] * beta[t]) * A
    return start / start.sum(), steps / steps.sum(axis=1)[:, None], symbols / symbols.sum(axis=1)[:, None]


def counts_the_best_walk(pi, A, B, sequences):
    """Only the best walk of each sequence is counted: count every walk, by how probable it is."""
    start, steps, symbols = np.full_like(pi, 1e-12), np.full_like(A, 1e-12), np.full_like(B, 1e-12)
    for x in sequences:
        walks = list(itertools.product(range(len(pi)), repeat=len(x)))
        scores = [
            pi[w[0]] * math.prod(A[i, j] for i, j in itertools.pairwise(w))
            * math.prod(B[i, k] for i, k in zip(w, x, strict=True)) for w in walks
        ]  # fmt: skip
        walk = walks[int(np.argmax(scores))]
        start[walk[0]] += 1
        np.add.at(symbols, (list(walk), x), 1)
        np.add.at(steps, (list(walk[:-1]), list(walk[1:])), 1)
    return [table / table.sum(axis=-1, keepdims=True) for table in (start, steps, symbols)]


def looks_back_only(pi, A, B, sequences):
    """A state is judged by the frames up to it alone: what comes after tells about it too, that is what beta is for."""
    start, steps, symbols = np.zeros_like(pi), np.zeros_like(A), np.zeros_like(B)
    for x in sequences:
        alpha = pi * B[:, x[0]]
        for t, k in enumerate(x):
            if t:
                both = alpha[:, None] * A * B[:, k]
                steps += both / both.sum()
                alpha = both.sum(axis=0)
            start += alpha / alpha.sum() if t == 0 else 0
            symbols[:, k] += alpha / alpha.sum()
    return start / start.sum(), steps / steps.sum(axis=1)[:, None], symbols / symbols.sum(axis=1)[:, None]


def divides_by_all_frames(pi, A, B, sequences):
    """The rows of A do not add up to 1: the last frame of a sequence has no step after it, so leave it out below the
    fraction line."""
    start, steps, symbols = np.zeros_like(pi), np.zeros_like(A), np.zeros_like(B)
    for x in sequences:
        b = B[:, x].T
        alpha, beta = [pi * b[0]], [np.ones(len(pi))]
        for t in range(1, len(x)):
            alpha.append(alpha[-1] @ A * b[t])
            beta.insert(0, A @ (b[-t] * beta[0]))
        p = alpha[-1].sum()
        start += alpha[0] * beta[0] / p
        for t, k in enumerate(x):
            symbols[:, k] += alpha[t] * beta[t] / p
            if t:
                steps += np.outer(alpha[t - 1], b[t] * beta[t]) * A / p
    return start / start.sum(), steps / symbols.sum(axis=1)[:, None], symbols / symbols.sum(axis=1)[:, None]


COUNTS = (
    "start += alpha[0] * beta[0] / p",
    "steps += alpha[t][:, None] * A * (B[:, x[t + 1]] * beta[t + 1]) / p",
    "symbols[:, x[t]] += alpha[t] * beta[t] / p",
)

EM = Exercise(
    name="hmm.em",
    title="One step of learning a hidden Markov model",
    function="em_step",
    points=30,
    minutes=75,
    equations=("hmm-backward", "hmm-posteriors", "hmm-reestimate"),
    cases=observed_sequences,
    oracle=em_by_listing_walks,
    tolerance=float32(1024),  # a few hundred roundings in products of at most ten factors
    hints=(
        "If you knew the walks, what would you count, and what would you divide by? Now each walk is there only with a"
        " probability.",
        "For each sequence alpha and beta give gamma, the share of each state at each frame, and xi, the share of each"
        " step. Add them up over all sequences, and divide at the very end.",
        "gamma is alpha times beta over p(X). xi for a step from i to j is alpha[t, i] A[i, j] B[j, x of t + 1]"
        " beta[t + 1, j] over p(X). pi comes from the first gammas, A from the xi, B from the gammas by symbol.",
    ),
    right=(em_by_both_passes, em_in_logarithms, em_by_slopes, em_by_listing_walks),
    mistakes=(
        averages_the_models,
        forgets_the_evidence,
        counts_the_best_walk,
        looks_back_only,
        divides_by_all_frames,
    ),
    forbidden=HMMS,
    survivors={
        "p = alpha[-1].sum() | alpha[-1].sum() -> alpha[-1].mean()": "A factor of all counts, which the shares lose.",
        **{
            f"{one} | {one} -> {one.replace('+=', '-=')}": "Counts that are all negative have the same shares."
            for one in COUNTS
        },
    },
)

SET = ExerciseSet("1-background-walks", "Adding up walks", "book/1-background/classical", (FORWARD, EM))
