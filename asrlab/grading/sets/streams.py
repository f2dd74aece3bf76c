"""Section 2: a prior that is taken out, a gate between sound and lips, a loss that brings pairs together."""

import math

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet

# --- the prior of the network ---------------------------------------------------------------------


def weighed_texts(rng):
    """Texts, an empty one among them, with three log-probabilities each and three weights, none of them 0 or 1."""
    words = ["put", "the", "red", "circle", "star"]
    for N in (1, 2, 3, 6, 6):
        texts = [" ".join(rng.choice(words, n)) for n in rng.integers(1, 6, N)]
        texts[0] = "" if N == 3 else texts[0]
        yield texts, *np.log(rng.uniform(0.01, 0.9, (3, N))), *rng.uniform(0.2, 0.8, 3).tolist()


def corrected_one_by_one(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """The oracle: as a product of powers, text by text."""
    return [
        math.log(math.exp(a) * math.exp(b) ** lm_weight / math.exp(c) ** prior_weight)
        + word_bonus * (text.count(" ") + 1 if text else 0)
        for text, a, b, c in zip(texts, log_model, log_lm, log_prior, strict=True)
    ]


def corrected_by_arrays(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    words = np.array([len(text.split()) for text in texts])
    return log_model + lm_weight * log_lm - prior_weight * log_prior + word_bonus * words


def corrected_by_matrix(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    words = [len(text.split()) for text in texts]
    table = np.array([log_model, log_lm, log_prior, words], dtype=np.float32)
    return np.array([1, lm_weight, -prior_weight, word_bonus], dtype=np.float32) @ table


def corrected_by_loop(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    scores = []
    for n, text in enumerate(texts):
        score = float(log_model[n]) + lm_weight * float(log_lm[n])
        score -= prior_weight * float(log_prior[n])
        for _ in text.split():
            score += word_bonus
        scores.append(score)
    return scores


def adds_the_prior(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """The prior is added, so what the transcripts made likely counts twice: it must be taken out."""
    words = np.array([len(text.split()) for text in texts])
    return log_model + lm_weight * log_lm + prior_weight * log_prior + word_bonus * words


def leaves_the_prior_in(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """The prior of the network stays in: that is shallow fusion. Take it out with its own weight."""
    words = np.array([len(text.split()) for text in texts])
    return log_model + lm_weight * log_lm + word_bonus * words


def counts_letters(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """The bonus is paid for each letter: count the words of the text."""
    letters = np.array([len(text) for text in texts])
    return log_model + lm_weight * log_lm - prior_weight * log_prior + word_bonus * letters


def counts_spaces(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """The empty text is paid for a word that it does not have: "".split(" ") is a list with one empty text in it."""
    words = np.array([len(text.split(" ")) for text in texts])
    return log_model + lm_weight * log_lm - prior_weight * log_prior + word_bonus * words


def corrects_with_one_weight(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """Language model and prior have the same weight: each has its own, since neither is known exactly."""
    words = np.array([len(text.split()) for text in texts])
    return log_model + lm_weight * (log_lm - log_prior) + word_bonus * words


def charges_for_words(texts, log_model, log_lm, log_prior, lm_weight, prior_weight, word_bonus):
    """Each word costs the bonus: it is paid, because the language model already makes every further word expensive."""
    words = np.array([len(text.split()) for text in texts])
    return log_model + lm_weight * log_lm - prior_weight * log_prior - word_bonus * words


CORRECTED = Exercise(
    name="fusion.corrected",
    title="What the network already expects",
    function="corrected_scores",
    points=5,
    minutes=10,
    equations=("fusion-corrected",),
    cases=weighed_texts,
    oracle=corrected_one_by_one,
    tolerance=float32(64),  # eight roundings, of terms up to eight times as large as their sum
    hints=(
        "Four terms make the score of a text. Which of them should make a text more likely that the place of use likes,"
        " and which one should undo what the transcripts taught?",
        "Logarithms are added where probabilities are multiplied; what is divided out is subtracted. Each of the two"
        " models has its own weight, and the network has none.",
        "The number of words is len(text.split()), which is 0 for the empty text. Add word_bonus times that number.",
    ),
    right=(corrected_by_arrays, corrected_by_matrix, corrected_by_loop, corrected_one_by_one),
    mistakes=(
        adds_the_prior,
        leaves_the_prior_in,
        counts_letters,
        counts_spaces,
        corrects_with_one_weight,
        charges_for_words,
    ),
    forbidden=("asrlab.decode",),
)

# --- a gate with modality dropout -----------------------------------------------------------------


def pairs_of_streams(rng):
    """Sound and lips of a batch, some absent and then full of NaN; a gate; chance, with a share p to be dropped."""
    for B, T, D, p in ((1, 1, 1, 0.0), (2, 1, 2, 0.0), (4, 2, 2, 0.0), (4, 2, 2, 1.0), (6, 3, 2, 0.5), (12, 3, 3, 0.5)):
        sound, lips = rng.standard_normal((2, B, T, D))
        has_sound, has_lips = np.arange(B) % 4 != 3, np.arange(B) % 4 != 2
        if B == 12:
            has_sound[10] = has_lips[10] = False
        sound[~has_sound], lips[~has_lips] = np.nan, np.nan
        draws = rng.permutation((np.arange(B) + rng.uniform(0.1, 0.9, B)) / B)
        if B == 6:
            draws[:2] = p / 2, p  # both are there, and the draws lie on the borders
        if B == 12:
            draws[2:4] = p / 4, 3 * p / 4  # what is alone would have been dropped
        yield sound, lips, has_sound, has_lips, rng.standard_normal((2 * D, D)), rng.standard_normal(D), draws, p


def gate_by_entries(sound, lips, has_sound, has_lips, W, b, draws, p):
    """The oracle: utterance by utterance, entry by entry."""
    B, T, D = sound.shape
    fused = np.zeros((B, T, D))
    for n in range(B):
        both = has_sound[n] and has_lips[n]
        if both and draws[n] >= p:
            for t, d in np.ndindex(T, D):
                score = math.fsum([b[d], *(sound[n, t] * W[:D, d]), *(lips[n, t] * W[D:, d])])
                g = 0.5 + 0.5 * math.tanh(0.5 * score)
                fused[n, t, d] = g * sound[n, t, d] + (1 - g) * lips[n, t, d]
        elif has_sound[n] and not (both and draws[n] < p / 2):
            fused[n] = sound[n]
        elif has_lips[n]:
            fused[n] = lips[n]
    return fused


def gate_by_where(sound, lips, has_sound, has_lips, W, b, draws, p):
    both = has_sound & has_lips
    has_sound = (has_sound & ~(both & (draws < p / 2)))[:, None, None]
    has_lips = (has_lips & ~(both & (draws >= p / 2) & (draws < p)))[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    g = np.where(has_sound & has_lips, g, has_sound)
    return g * sound + (1 - g) * lips


def gate_by_utterances(sound, lips, has_sound, has_lips, W, b, draws, p):
    fused = []
    for x, z, heard, seen, u in zip(sound, lips, has_sound, has_lips, draws, strict=True):
        if heard and seen and u < p:
            heard, seen = u >= p / 2, u < p / 2
        if heard and seen:
            g = 1 / (1 + np.exp(-np.hstack([x, z]) @ W - b))
            fused.append(g * x + (1 - g) * z)
        else:
            fused.append(x if heard else z if seen else 0 * b + np.zeros_like(x))
    return np.stack(fused)


def gate_in_float32(sound, lips, has_sound, has_lips, W, b, draws, p):
    x, z, W, b = (array.astype(np.float32) for array in (sound, lips, W, b))
    D = x.shape[-1]
    out = np.zeros_like(x)
    chosen = np.where(draws < p / 2, 2, np.where(draws < p, 1, 3))  # 1: sound, 2: lips, 3: both
    chosen = np.where(has_sound & has_lips, chosen, has_sound + 2 * has_lips)
    out[chosen == 1], out[chosen == 2] = x[chosen == 1], z[chosen == 2]
    x, z = x[chosen == 3], z[chosen == 3]
    g = 1 / (1 + np.exp(-(x @ W[:D] + z @ W[D:] + b)))
    out[chosen == 3] = z + g * (x - z)
    return out


def multiplies_by_zero(sound, lips, has_sound, has_lips, W, b, draws, p):
    """What an absent stream holds is multiplied by 0. It may hold NaN, and 0 times NaN is NaN: choose with np.where."""
    both = has_sound & has_lips
    has_sound = (has_sound & ~(both & (draws < p / 2)))[:, None, None]
    has_lips = (has_lips & ~(both & (draws >= p / 2) & (draws < p)))[:, None, None]
    sound, lips = sound * has_sound, lips * has_lips
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    g = np.where(has_sound & has_lips, g, has_sound)
    return g * sound + (1 - g) * lips


def gates_what_is_alone(sound, lips, has_sound, has_lips, W, b, draws, p):
    """A stream that is alone is still made smaller by the gate: with nothing to weigh it against, it passes as it
    is."""
    both = has_sound & has_lips
    has_sound = (has_sound & ~(both & (draws < p / 2)))[:, None, None]
    has_lips = (has_lips & ~(both & (draws >= p / 2) & (draws < p)))[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    return g * sound + (1 - g) * lips


def drops_the_last_one(sound, lips, has_sound, has_lips, W, b, draws, p):
    """The only stream of an utterance was dropped, and nothing is left to learn from: drop one only where both are
    there."""
    has_sound = (has_sound & ~(draws < p / 2))[:, None, None]
    has_lips = (has_lips & ~((draws >= p / 2) & (draws < p)))[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    g = np.where(has_sound & has_lips, g, has_sound)
    return g * sound + (1 - g) * lips


def never_drops(sound, lips, has_sound, has_lips, W, b, draws, p):
    """No modality is dropped: where both are there and the draw is below p, one of them has to go."""
    has_sound, has_lips = has_sound[:, None, None], has_lips[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    g = np.where(has_sound & has_lips, g, has_sound)
    return g * sound + (1 - g) * lips


def always_drops_the_sound(sound, lips, has_sound, has_lips, W, b, draws, p):
    """Only the sound is dropped: below p/2 the sound goes, from there to p the lips."""
    has_sound = (has_sound & ~(has_lips & (draws < p)))[:, None, None]
    has_lips = has_lips[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    g = np.where(has_sound & has_lips, g, has_sound)
    return g * sound + (1 - g) * lips


def opens_to_the_lips(sound, lips, has_sound, has_lips, W, b, draws, p):
    """The gate opens the wrong way: where g is near 1 the sound should pass, here the lips do."""
    both = has_sound & has_lips
    has_sound = (has_sound & ~(both & (draws < p / 2)))[:, None, None]
    has_lips = (has_lips & ~(both & (draws >= p / 2) & (draws < p)))[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = 1 / (1 + np.exp(-(np.concatenate([sound, lips], axis=-1) @ W + b)))
    g = np.where(has_sound & has_lips, g, has_lips)
    return (1 - g) * sound + g * lips


def forgets_the_sigmoid(sound, lips, has_sound, has_lips, W, b, draws, p):
    """The gate is not between 0 and 1: its score must go through the sigmoid."""
    both = has_sound & has_lips
    has_sound = (has_sound & ~(both & (draws < p / 2)))[:, None, None]
    has_lips = (has_lips & ~(both & (draws >= p / 2) & (draws < p)))[:, None, None]
    sound, lips = np.where(has_sound, sound, 0), np.where(has_lips, lips, 0)
    g = np.where(has_sound & has_lips, np.concatenate([sound, lips], axis=-1) @ W + b, has_sound)
    return g * sound + (1 - g) * lips


GATE = Exercise(
    name="fusion.gate",
    title="A gate, and streams that are missing",
    function="gated_fusion",
    points=20,
    minutes=40,
    cases=pairs_of_streams,
    oracle=gate_by_entries,
    tolerance=float32(256),  # a sum of seven products of numbers up to four, and a curve that makes differences smaller
    hints=(
        "First decide, for each utterance, which of the two streams takes part. Only then think about the gate.",
        "There are four kinds of utterance: both take part, the sound alone, the lips alone, neither. What should come"
        " out in each, and what must never touch the result?",
        "Where both take part, score = [sound, lips] W + b, g = sigmoid(score), and g sound + (1 - g) lips comes out. A"
        " stream alone comes out unchanged, no stream gives zeros. Select with np.where or by index, never with * 0.",
    ),
    right=(gate_by_where, gate_by_utterances, gate_in_float32, gate_by_entries),
    mistakes=(
        multiplies_by_zero,
        gates_what_is_alone,
        drops_the_last_one,
        never_drops,
        always_drops_the_sound,
        opens_to_the_lips,
        forgets_the_sigmoid,
    ),
    forbidden=("asrlab.models", "torch.nn", "torch.sigmoid", "scipy.special"),
)

# --- InfoNCE --------------------------------------------------------------------------------------


def paired_rows(rng):
    """N rows of sound and N of text that belong together, at temperatures down to a thousandth."""
    for N, d, temperature in ((1, 2, 1.0), (2, 2, 1.0), (3, 4, 0.5), (5, 3, 0.1), (8, 6, 0.07), (4, 3, 0.001)):
        X = rng.standard_normal((N, d)) * rng.uniform(0.5, 3, (N, 1))
        Z = X + rng.standard_normal((N, d))
        Z[0] = 2 * X[0]  # as like as can be: at a low temperature exp overflows
        yield X, Z, temperature


def nce_by_pairs(X, Z, temperature):
    """The oracle: each pair against each other, with exact sums; log of a ratio as log of a sum of ratios."""

    def cosine(x, z):
        return math.fsum(x * z) / math.sqrt(math.fsum(x * x) * math.fsum(z * z))

    losses = []
    for n in range(len(X)):
        right = cosine(X[n], Z[n])
        for others in ([cosine(X[n], z) for z in Z], [cosine(x, Z[n]) for x in X]):
            gaps = [(one - right) / temperature for one in others]
            top = max(gaps)
            losses.append(top + math.log(math.fsum(math.exp(gap - top) for gap in gaps)))
    return math.fsum(losses) / len(losses)


def nce_by_logaddexp(X, Z, temperature):
    X, Z = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Z))
    S = X @ Z.T / temperature
    right = np.diagonal(S)
    return 0.5 * ((np.logaddexp.reduce(S, axis=1) - right).mean() + (np.logaddexp.reduce(S, axis=0) - right).mean())


def nce_by_loop(X, Z, temperature):
    total = 0.0
    for A, B in ((X, Z), (Z, X)):
        for n, a in enumerate(A):
            scores = [a @ b / math.sqrt((a @ a) * (b @ b)) / temperature for b in B]
            weights = [math.exp(score - max(scores)) for score in scores]
            total += max(scores) + math.log(sum(weights)) - scores[n]
    return total / (2 * len(X))


def nce_in_float32(X, Z, temperature):
    X, Z = X.astype(np.float32), Z.astype(np.float32)
    lengths = np.sqrt(np.outer((X**2).sum(axis=1), (Z**2).sum(axis=1)))
    S = X @ Z.T / lengths / np.float32(temperature)
    loss = np.float32(0)
    for T in (S, S.T):
        T = T - T.max(axis=1, keepdims=True)
        loss -= np.trace(T - np.log(np.exp(T).sum(axis=1, keepdims=True)))
    return loss / (2 * len(S))


def asks_one_way(X, Z, temperature):
    """Only the rows of X choose among those of Z: the rows of Z must find theirs among X as well, take the mean of
    both."""
    X, Z = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Z))
    S = X @ Z.T / temperature
    return (np.logaddexp.reduce(S, axis=1) - np.diagonal(S)).mean()


def forgets_the_length(X, Z, temperature):
    """The rows are not divided by their lengths, so a long row is similar to everything: compare directions."""
    S = X @ Z.T / temperature
    right = np.diagonal(S)
    return 0.5 * ((np.logaddexp.reduce(S, axis=1) - right).mean() + (np.logaddexp.reduce(S, axis=0) - right).mean())


def multiplies_by_the_temperature(X, Z, temperature):
    """The similarities are multiplied by the temperature: divide by it, a low one makes differences large."""
    X, Z = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Z))
    S = X @ Z.T * temperature
    right = np.diagonal(S)
    return 0.5 * ((np.logaddexp.reduce(S, axis=1) - right).mean() + (np.logaddexp.reduce(S, axis=0) - right).mean())


def leaves_out_the_partner(X, Z, temperature):
    """The right partner is missing in the sum below the fraction line: it is one of the candidates."""
    X, Z = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Z))
    S = X @ Z.T / temperature
    right = np.diagonal(S)
    S = np.where(np.eye(len(S), dtype=bool), -np.inf, S)
    return 0.5 * ((np.logaddexp.reduce(S, axis=1) - right).mean() + (np.logaddexp.reduce(S, axis=0) - right).mean())


def sums_over_the_batch(X, Z, temperature):
    """The losses are added up: take their mean, so that the loss does not grow with the batch."""
    X, Z = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Z))
    S = X @ Z.T / temperature
    right = np.diagonal(S)
    return 0.5 * ((np.logaddexp.reduce(S, axis=1) - right).sum() + (np.logaddexp.reduce(S, axis=0) - right).sum())


def overflows(X, Z, temperature):
    """At a low temperature the exponential overflows: stay with logarithms, and take the largest out before you add."""
    X, Z = (Y / np.linalg.norm(Y, axis=1, keepdims=True) for Y in (X, Z))
    E = np.exp(X @ Z.T / temperature)
    right = np.diagonal(E)
    return -0.5 * (np.log(right / E.sum(axis=1)).mean() + np.log(right / E.sum(axis=0)).mean())


NCE = Exercise(
    name="contrast.info_nce",
    title="A loss that brings pairs together",
    function="info_nce",
    points=15,
    minutes=30,
    cases=paired_rows,
    oracle=nce_by_pairs,
    tolerance=float32(16 * 1000),  # a cosine has up to 16 roundings, and the lowest temperature makes them 1,000 times
    hints=(
        "Think of each row as a question with N possible answers. Which loss do you know for that?",
        "Make one table of all similarities, divided by the temperature. Along a row a sound chooses among the texts;"
        " along a column a text chooses among the sounds. The right answers lie on the diagonal.",
        "Each row's loss is log-sum-exp of the row minus the diagonal entry. Do the same for the columns, and take the"
        " mean of all 2N losses. np.logaddexp.reduce adds without overflow.",
    ),
    right=(nce_by_logaddexp, nce_by_loop, nce_in_float32, nce_by_pairs),
    mistakes=(
        asks_one_way,
        forgets_the_length,
        multiplies_by_the_temperature,
        leaves_out_the_partner,
        sums_over_the_batch,
        overflows,
    ),
    forbidden=("asrlab.training", "torch.nn", "torch.logsumexp", "scipy.special"),
    survivors={
        "losses.append(np.logaddexp.reduce(table, axis=1) - np.diagonal(table)) | 1 -> 0": (
            "The columns of a table are the rows of its transpose, so both directions are still there."
        ),
    },
)

SET = ExerciseSet(
    "2-core-concepts-streams", "Two sources, one answer", "book/2-core-concepts/index", (CORRECTED, GATE, NCE)
)
