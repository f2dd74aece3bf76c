"""Section 3: what a CTC path reads, the sum over all paths, and attention that may not look everywhere."""

import itertools
import math

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet

CTC = ("asrlab.training", "asrlab.decode", "asrlab.models", "torch.nn", "torch.ctc_loss", "torchaudio")
ATTENTION = (
    "asrlab.models",
    "torch.nn",
    "torch.softmax",
    "torch.scaled_dot_product_attention",
    "scipy.special.softmax",
)


# --- collapse -------------------------------------------------------------------------------------


def token_paths(rng):
    """Paths of tokens with a blank that is 0 or the last token; the first ones for the head, the rest drawn."""
    yield [], 0
    yield [0, 0, 0], 0
    yield ([1, 1, 0, 2],)
    yield [1, 0, 1, 1], 0
    yield [3, 0, 0, 3, 0], 3
    yield [1, 2, 0, 1], 0
    for _ in range(8):
        tokens = int(rng.integers(2, 5))
        path = np.repeat(rng.integers(0, tokens, 6), rng.integers(1, 4, 6))
        yield path.tolist(), int(rng.choice([0, tokens - 1]))


def collapse_by_groups(path, blank=0):
    return [token for token, _ in itertools.groupby(path) if token != blank]


def collapse_by_loop(path, blank=0):
    text, before = [], None
    for token in path:
        if token != before and token != blank:
            text.append(token)
        before = token
    return text


def collapse_by_mask(path, blank=0):
    path = np.asarray(path, dtype=int)
    begins = np.ones(len(path), dtype=bool)
    begins[1:] = path[1:] != path[:-1]
    return path[begins & (path != blank)]


def collapse_by_recursion(path, blank=0):
    if not len(path):
        return ()
    rest = collapse_by_recursion(path[1:], blank) if len(path) > 1 else ()
    ends = len(path) == 1 or path[0] != path[1]
    return (path[0], *rest) if ends and path[0] != blank else rest


def removes_blanks_first(path, blank=0):
    """The blanks are removed before the repeats are merged, so a blank can no longer keep two equal tokens apart:
    merge first."""
    return [token for token, _ in itertools.groupby(token for token in path if token != blank)]


def keeps_the_blanks(path, blank=0):
    """Repeats are merged, but the blanks are still there: remove them in a second step."""
    return [token for token, _ in itertools.groupby(path)]


def keeps_the_repeats(path, blank=0):
    """The blanks are removed, but a token that lasts for several frames still counts several times."""
    return [token for token in path if token != blank]


def takes_zero_for_the_blank(path, blank=0):
    """The blank is taken to be 0: use the argument `blank`, which may be another token."""
    return [token for token, _ in itertools.groupby(path) if token != 0]


def keeps_each_token_once(path, blank=0):
    """Each token appears only once, however often it is said: merge only neighbours."""
    return [token for token in dict.fromkeys(path) if token != blank]


COLLAPSE = Exercise(
    name="ctc.collapse",
    title="What a path reads",
    function="collapse",
    points=5,
    minutes=10,
    equations=("ctc-collapse",),
    cases=token_paths,
    oracle=collapse_by_groups,
    hints=(
        "What do the paths a-a, aa- and aaa read, where - is the blank? Say it aloud before you write code.",
        "Two steps, and their order matters: first merge neighbours that are equal, then drop the blanks.",
        "A token is written when it is not the blank and differs from the one just before it in the path.",
    ),
    right=(collapse_by_loop, collapse_by_groups, collapse_by_mask, collapse_by_recursion),
    mistakes=(
        removes_blanks_first,
        keeps_the_blanks,
        keeps_the_repeats,
        takes_zero_for_the_blank,
        keeps_each_token_once,
    ),
    forbidden=("asrlab.decode", "torch.unique_consecutive"),
)


# --- forward --------------------------------------------------------------------------------------


def lattices(rng):
    """log-probabilities and a text: the empty text, a double token, too few frames, then drawn ones, the last too long
    for probabilities that are not logarithms."""
    yield _log_softmax(2 * rng.standard_normal((2, 3))), [2]
    for T, V, target in (
        (1, 3, [1]), (3, 2, []), (3, 3, [1, 2]), (4, 3, [1, 1]), (2, 3, [1, 1]), (5, 4, [3, 1, 3]), (6, 3, [2, 2, 1]),
    ):  # fmt: skip
        yield _log_softmax(2 * rng.standard_normal((T, V))), target, 0
    for _ in range(3):
        V, L = int(rng.integers(3, 6)), int(rng.integers(2, 5))
        blank = int(rng.choice([0, V - 1]))
        target = rng.choice([k for k in range(V) if k != blank], L).tolist()
        yield _log_softmax(2 * rng.standard_normal((2 * L + 2, V))), target, blank
    yield _log_softmax(3 * rng.standard_normal((600, 5))), [1, 2, 2, 4], 0


def _log_softmax(x):
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def forward_by_vectors(log_y, target, blank=0):
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    may_skip = np.zeros(len(states), dtype=bool)
    may_skip[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    none = np.array([-np.inf])
    alpha = [np.where(np.arange(len(states)) < 2, log_y[0, states], -np.inf)]
    for frame in log_y[1:]:
        step = np.concatenate([none, alpha[-1]])[: len(states)]
        skip = np.where(may_skip, np.concatenate([none, none, alpha[-1]])[: len(states)], -np.inf)
        alpha.append(np.logaddexp(np.logaddexp(alpha[-1], step), skip) + frame[states])
    return np.stack(alpha)


def forward_by_loops(log_y, target, blank=0):
    states = [blank]
    for token in target:
        states += [int(token), blank]
    alpha = [[-math.inf] * len(states) for _ in log_y]
    for t, frame in enumerate(log_y):
        for s, token in enumerate(states):
            if t == 0:
                ways = [0.0] if s < 2 else []
            else:
                before = alpha[t - 1]
                ways = before[max(0, s - 1) : s + 1]
                if s > 1 and token != blank and token != states[s - 2]:
                    ways = [*ways, before[s - 2]]
            top = max(ways, default=-math.inf)
            if top > -math.inf:
                alpha[t][s] = float(frame[token]) + top + math.log(sum(math.exp(way - top) for way in ways))
    return alpha


def forward_in_float32(log_y, target, blank=0):
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    y = log_y.astype(np.float32)[:, states]
    alpha = np.full(y.shape, -np.inf, dtype=np.float32)
    alpha[0, :2] = y[0, :2]
    for t in range(1, len(y)):
        for s in range(len(states)):
            low = s - 2 if s > 1 and states[s] != blank and states[s] != states[s - 2] else max(0, s - 1)
            alpha[t, s] = np.logaddexp.reduce(alpha[t - 1, low : s + 1]) + y[t, s]
    return alpha


def forward_by_rescaled_matrices(log_y, target, blank=0):
    """The transitions as a matrix; each state keeps a logarithm of its own, the product is taken around the largest."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    S = len(states)
    allowed = np.eye(S) + np.eye(S, k=1)
    for s in range(2, S):
        allowed[s - 2, s] = states[s] != blank and states[s] != states[s - 2]
    with np.errstate(divide="ignore"):
        moves = np.log(allowed)
    alpha = np.full((len(log_y), S), -np.inf)
    alpha[0, :2] = log_y[0, states[:2]]
    for t in range(1, len(log_y)):
        alpha[t] = np.logaddexp.reduce(alpha[t - 1][:, None] + moves, axis=0) + log_y[t, states]
    return alpha


def skips_between_equal_tokens(log_y, target, blank=0):
    """Between two equal tokens the blank was skipped: then the two would merge into one, so this skip is forbidden."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    alpha = np.full((len(log_y), len(states)), -np.inf)
    alpha[0, :2] = log_y[0, states[:2]]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        low = s - 2 if s > 1 and states[s] != blank else max(0, s - 1)
        alpha[t, s] = np.logaddexp.reduce(alpha[t - 1, low : s + 1]) + log_y[t, states[s]]
    return alpha


def never_skips(log_y, target, blank=0):
    """The blank between two different tokens is never skipped: a path may go straight from one token to the next."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    alpha = np.full((len(log_y), len(states)), -np.inf)
    alpha[0, :2] = log_y[0, states[:2]]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        alpha[t, s] = np.logaddexp.reduce(alpha[t - 1, max(0, s - 1) : s + 1]) + log_y[t, states[s]]
    return alpha


def skips_tokens(log_y, target, blank=0):
    """A blank was reached by a skip, over a token: then that token would never be said. Only blanks may be skipped."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    alpha = np.full((len(log_y), len(states)), -np.inf)
    alpha[0, :2] = log_y[0, states[:2]]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        low = s - 2 if s > 1 and (states[s] == blank or states[s] != states[s - 2]) else max(0, s - 1)
        alpha[t, s] = np.logaddexp.reduce(alpha[t - 1, low : s + 1]) + log_y[t, states[s]]
    return alpha


def begins_anywhere(log_y, target, blank=0):
    """The first frame may begin in any state: a path begins with the first blank or with the first token, all other
    states are impossible there (minus infinity)."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    alpha = np.full((len(log_y), len(states)), -np.inf)
    alpha[0] = log_y[0, states]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        low = s - 2 if s > 1 and states[s] != blank and states[s] != states[s - 2] else max(0, s - 1)
        alpha[t, s] = np.logaddexp.reduce(alpha[t - 1, low : s + 1]) + log_y[t, states[s]]
    return alpha


def begins_in_the_blank(log_y, target, blank=0):
    """The first frame may only be the blank: a path may also begin with the first token."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    alpha = np.full((len(log_y), len(states)), -np.inf)
    alpha[0, 0] = log_y[0, blank]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        low = s - 2 if s > 1 and states[s] != blank and states[s] != states[s - 2] else max(0, s - 1)
        alpha[t, s] = np.logaddexp.reduce(alpha[t - 1, low : s + 1]) + log_y[t, states[s]]
    return alpha


def takes_the_best_way(log_y, target, blank=0):
    """Only the best way into each state is kept (that is Viterbi): add the probabilities of all ways."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    alpha = np.full((len(log_y), len(states)), -np.inf)
    alpha[0, :2] = log_y[0, states[:2]]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        low = s - 2 if s > 1 and states[s] != blank and states[s] != states[s - 2] else max(0, s - 1)
        alpha[t, s] = alpha[t - 1, low : s + 1].max() + log_y[t, states[s]]
    return alpha


def underflows(log_y, target, blank=0):
    """On long inputs the probabilities fall below the smallest number that there is and become 0: stay with
    logarithms, and take the largest out before you add."""
    states = np.full(2 * len(target) + 1, blank)
    states[1::2] = target
    y = np.exp(log_y)
    alpha = np.zeros((len(log_y), len(states)))
    alpha[0, :2] = y[0, states[:2]]
    for t, s in itertools.product(range(1, len(log_y)), range(len(states))):
        low = s - 2 if s > 1 and states[s] != blank and states[s] != states[s - 2] else max(0, s - 1)
        alpha[t, s] = alpha[t - 1, low : s + 1].sum() * y[t, states[s]]
    return np.log(alpha)


SKIP = "if s >= 2 and token != blank and (token != states[s - 2])"

FORWARD = Exercise(
    name="ctc.forward",
    title="The sum over all paths",
    function="ctc_forward",
    points=25,
    minutes=45,
    equations=("ctc-states", "ctc-alpha", "log-add"),
    cases=lattices,
    oracle=forward_by_vectors,
    tolerance=float32(6 * 600),  # at worst six roundings a frame, each relative to a sum that is as large as the answer
    hints=(
        "Write down the states of the text [1, 1]: how many are there, and which of them may a path begin in?",
        "In every frame a state is reached from itself, from the one before, and sometimes from the one before that."
        " When is this last step allowed?",
        "Add logarithms with np.logaddexp, which knows minus infinity. The step over one state is allowed only onto a"
        " token, and only if the token two states before is another one.",
    ),
    right=(forward_by_loops, forward_by_vectors, forward_in_float32, forward_by_rescaled_matrices),
    mistakes=(
        skips_between_equal_tokens,
        never_skips,
        skips_tokens,
        begins_anywhere,
        begins_in_the_blank,
        takes_the_best_way,
        underflows,
    ),
    forbidden=CTC,
    survivors={
        f"{SKIP}: | 2 -> 3": "State 2 is a blank, so no skip leads to it anyway.",
        f"{SKIP}: | s >= 2 -> s > 2": "State 2 is a blank, so no skip leads to it anyway.",
        f"{SKIP}: | {SKIP[3:]} -> s >= 2 and token != states[s - 2]": (
            "Two states before a blank there is always another blank, so the second condition forbids this skip too."
        ),
    },
)


# --- the attention mask ---------------------------------------------------------------------------


def lookups(rng):
    """Queries, keys, values and a mask: one place only, all places, drawn ones, padding, scores in the thousands."""
    for U, T, d_k, d_v in ((1, 2, 1, 1), (2, 3, 2, 2), (3, 4, 4, 2), (4, 4, 9, 3), (5, 7, 16, 4)):
        Q, K, V = (rng.standard_normal(shape) for shape in ((U, d_k), (T, d_k), (T, d_v)))
        mask = rng.random((U, T)) < 0.6
        mask[np.arange(U), rng.integers(0, T, U)] = True  # each query sees at least one place
        yield Q, K, V, mask
    Q, K, V = (rng.standard_normal(shape) for shape in ((3, 8), (5, 8), (5, 2)))
    yield Q, K, V, np.ones((3, 5), dtype=bool)
    yield Q, K, V, np.arange(5)[None] < np.full((3, 1), 2)
    yield 60 * Q, 60 * K, V, np.tri(3, 5, dtype=bool)


def attention_by_hand(Q, K, V, mask):
    """The oracle: one query at a time, over the places that it may see and no others."""
    rows = []
    for query, allowed in zip(Q.tolist(), mask.tolist(), strict=True):
        seen = [t for t, yes in enumerate(allowed) if yes]
        scores = [
            math.fsum(a * b for a, b in zip(query, K[t].tolist(), strict=True)) / math.sqrt(len(query)) for t in seen
        ]
        weights = [math.exp(score - max(scores)) for score in scores]
        rows.append([math.fsum(w * V[t, d] for w, t in zip(weights, seen, strict=True)) / math.fsum(weights)
                     for d in range(V.shape[1])])  # fmt: skip
    return np.array(rows)


def attention_by_infinity(Q, K, V, mask):
    scores = np.where(mask, Q @ K.T / np.sqrt(K.shape[1]), -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V


def attention_by_logarithms(Q, K, V, mask):
    scores = np.where(mask, Q @ K.T / math.sqrt(K.shape[1]), -np.inf)
    return np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)) @ V


def attention_by_renormalising(Q, K, V, mask):
    scores = Q @ K.T * K.shape[1] ** -0.5
    highest = np.where(mask, scores, scores.min()).max(axis=1, keepdims=True)
    weights = np.exp(np.minimum(scores - highest, 0)) * mask
    return (weights @ V) / (weights @ np.ones((len(K), 1)))


def attention_by_rows(Q, K, V, mask):
    return [
        np.exp((s := K[m] @ q / len(q) ** 0.5) - s.max()) @ V[m] / np.exp(s - s.max()).sum()
        for q, m in zip(Q, mask, strict=True)
    ]


def forgets_the_mask(Q, K, V, mask):
    """The mask is not used: some queries read places that they may not see."""
    scores = Q @ K.T / np.sqrt(K.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V


def masks_after_the_softmax(Q, K, V, mask):
    """The weights are set to 0 after the softmax, so those that are left no longer add up to 1: mask the scores."""
    scores = Q @ K.T / np.sqrt(K.shape[1])
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) * mask @ V


def masks_with_zero(Q, K, V, mask):
    """A forbidden place gets the score 0, and e to the power of 0 is 1, not 0: its score must be minus infinity."""
    scores = np.where(mask, Q @ K.T / np.sqrt(K.shape[1]), 0)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V


def turns_the_mask_round(Q, K, V, mask):
    """The mask is used the wrong way round: it is True where a query may look."""
    scores = np.where(~mask, Q @ K.T / np.sqrt(K.shape[1]), -1e30)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V


def forgets_the_root(Q, K, V, mask):
    """The scores are not divided by the root of d_k, the number of entries of a key."""
    scores = np.where(mask, Q @ K.T, -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V


def divides_without_a_root(Q, K, V, mask):
    """The scores are divided by d_k itself: its root is asked for."""
    scores = np.where(mask, Q @ K.T / K.shape[1], -np.inf)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True) @ V


def normalises_over_the_queries(Q, K, V, mask):
    """The weights add up to 1 over the queries: they must do so over the places that one query looks at."""
    scores = np.where(mask, Q @ K.T / np.sqrt(K.shape[1]), -1e30)
    weights = np.exp(scores - scores.max(axis=0, keepdims=True))
    return weights / weights.sum(axis=0, keepdims=True) @ V


def overflows(Q, K, V, mask):
    """With large scores the exponential overflows and infinity divided by infinity is NaN: subtract the largest score
    of each query first, which changes no weight."""
    weights = np.exp(np.where(mask, Q @ K.T / np.sqrt(K.shape[1]), -np.inf))
    return weights / weights.sum(axis=1, keepdims=True) @ V


MASK = Exercise(
    name="attention.mask",
    title="Attention that may not look everywhere",
    function="masked_attention",
    points=15,
    minutes=25,
    equations=("attention",),
    cases=lookups,
    oracle=attention_by_hand,
    tolerance=1e-6,  # scores of thousands in float64: 1e4 times 2^-53, times the entries of a key, leaves far more room
    hints=(
        "What weight must a place have that may not be seen? And what must the weights of the others add up to?",
        "A softmax of minus infinity is 0. So the mask belongs between the scores and the softmax.",
        "np.where(mask, scores, -np.inf); subtract each row's largest score, take the exponential, divide by each row's"
        " sum, multiply by V.",
    ),
    right=(attention_by_infinity, attention_by_logarithms, attention_by_renormalising, attention_by_rows),
    mistakes=(
        forgets_the_mask,
        masks_after_the_softmax,
        masks_with_zero,
        turns_the_mask_round,
        forgets_the_root,
        divides_without_a_root,
        normalises_over_the_queries,
        overflows,
    ),
    forbidden=ATTENTION,
)

SET = ExerciseSet(
    "3-mathematics", "Paths and attention", "book/3-mathematics/alignment-free", (COLLAPSE, FORWARD, MASK)
)
