"""Section 4: one step of Adam, a difference with its interval, a split that does not leak."""

import math
import random

import numpy as np

from asrlab.grading.compare import float32
from asrlab.grading.exercise import Exercise, ExerciseSet, hint_of

# --- one step of Adam -----------------------------------------------------------------------------


def training_moments(rng):
    """Weights, gradients and running means at the first step and at later ones; the last with an eps that matters."""
    for t, shape, lr, eps in (
        (1, (1,), 0.1, 1e-8), (1, (3,), 0.01, 1e-8), (2, (4,), 0.1, 1e-8), (5, (2, 3), 0.01, 1e-8),
        (50, (5,), 0.1, 1e-8), (3, (4,), 0.5, 0.1), (1, (4,), 0.5, 0.1),
    ):  # fmt: skip
        w, g = rng.standard_normal((2, *shape))
        m = 0.3 * rng.standard_normal(shape) if t > 1 else np.zeros(shape)
        v = 0.1 * rng.random(shape) if t > 1 else np.zeros(shape)
        yield w, g, m, v, t, lr, 0.9, 0.98, eps


def adam_by_entries(w, g, m, v, t, lr, beta1, beta2, eps):
    """The oracle: entry by entry, the two corrections drawn out of the fraction."""
    new = []
    for w_i, g_i, m_i, v_i in zip(*(array.ravel().tolist() for array in (w, g, m, v)), strict=True):
        m_i += (1 - beta1) * (g_i - m_i)
        v_i += (1 - beta2) * (g_i * g_i - v_i)
        root = math.sqrt(-math.expm1(t * math.log(beta2)))  # of 1 - beta2 ** t
        w_i -= lr * root / -math.expm1(t * math.log(beta1)) * m_i / (math.sqrt(v_i) + eps * root)
        new.append((w_i, m_i, v_i))
    return tuple(np.array(column).reshape(w.shape) for column in zip(*new, strict=True))


def adam_by_arrays(w, g, m, v, t, lr, beta1, beta2, eps):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def adam_by_loop(w, g, m, v, t, lr, beta1, beta2, eps):
    w, m, v = w.copy(), m.copy(), v.copy()
    for i in np.ndindex(w.shape):
        m[i] = beta1 * m[i] + (1 - beta1) * g[i]
        v[i] = beta2 * v[i] + (1 - beta2) * g[i] * g[i]
        w[i] -= lr * m[i] / (1 - beta1**t) / (math.sqrt(v[i] / (1 - beta2**t)) + eps)
    return [w, m, v]


def adam_in_float32(w, g, m, v, t, lr, beta1, beta2, eps):
    w, g, m, v = (array.astype(np.float32) for array in (w, g, m, v))
    m += np.float32(1 - beta1) * (g - m)
    v += np.float32(1 - beta2) * (g * g - v)
    step = np.float32(lr * math.sqrt(1 - beta2**t) / (1 - beta1**t))
    return w - step * m / (np.sqrt(v) + np.float32(eps * math.sqrt(1 - beta2**t))), m, v


def forgets_the_correction(w, g, m, v, t, lr, beta1, beta2, eps):
    """The means are not corrected: they start at 0, so in the first steps both are far too small. Divide each by
    1 - beta^t."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * m / (np.sqrt(v) + eps), m, v


def returns_corrected_means(w, g, m, v, t, lr, beta1, beta2, eps):
    """The corrected means are returned: the next step needs them as they are, or it corrects them twice."""
    m = (beta1 * m + (1 - beta1) * g) / (1 - beta1**t)
    v = (beta2 * v + (1 - beta2) * g**2) / (1 - beta2**t)
    return w - lr * m / (np.sqrt(v) + eps), m, v


def climbs(w, g, m, v, t, lr, beta1, beta2, eps):
    """The weights go up the slope: the gradient points to where the loss grows, so subtract the step."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w + lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def takes_no_root(w, g, m, v, t, lr, beta1, beta2, eps):
    """The step is divided by the mean of the squares: divide by its square root, or the step depends on the scale
    of the loss."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / (v / (1 - beta2**t) + eps), m, v


def puts_eps_under_the_root(w, g, m, v, t, lr, beta1, beta2, eps):
    """eps is added under the root: add it to the root."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * (m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t) + eps), m, v


def swaps_the_betas(w, g, m, v, t, lr, beta1, beta2, eps):
    """beta1 and beta2 are swapped: the first belongs to the mean of the gradients, the second to that of squares."""
    m = beta2 * m + (1 - beta2) * g
    v = beta1 * v + (1 - beta1) * g**2
    return w - lr * (m / (1 - beta2**t)) / (np.sqrt(v / (1 - beta1**t)) + eps), m, v


def squares_the_mean(w, g, m, v, t, lr, beta1, beta2, eps):
    """The second mean is fed with the square of the first: it is the mean of the squared gradients."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * m**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def steps_along_the_gradient(w, g, m, v, t, lr, beta1, beta2, eps):
    """The step goes along the last gradient: it must go along the corrected mean of the gradients."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    return w - lr * g / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


ADAM = Exercise(
    name="adam.step",
    title="One step of Adam",
    function="adam_step",
    points=10,
    minutes=20,
    cases=training_moments,
    oracle=adam_by_entries,
    tolerance=float32(64),  # a dozen roundings, and a division by a root that may be small
    hints=(
        "Three things change in a step: two running means and the weights. Which of them needs which?",
        "First renew both means, then make corrected copies of them, then step. What would happen at t = 1 without the"
        " correction?",
        "m = beta1 m + (1 - beta1) g, and v likewise with g squared. The step is lr times m / (1 - beta1^t), divided by"
        " eps plus the root of v / (1 - beta2^t). Return the new w, m and v.",
    ),
    right=(adam_by_arrays, adam_by_loop, adam_in_float32, adam_by_entries),
    mistakes=(
        forgets_the_correction,
        returns_corrected_means,
        climbs,
        takes_no_root,
        puts_eps_under_the_root,
        swaps_the_betas,
        squares_the_mean,
        steps_along_the_gradient,
    ),
    forbidden=("torch.optim", "asrlab.training"),
)


# --- the paired bootstrap -------------------------------------------------------------------------


def paired_scores(rng):
    """Errors of two systems on the same utterances, the words of each, and which utterances each resample draws."""
    for N, B in ((2, 5), (3, 8), (6, 20), (20, 60), (50, 200), (80, 150)):
        words = rng.integers(1, 12, N)
        hard = rng.random(N)  # what makes an utterance hard is the same for both systems
        first = rng.binomial(words, 0.6 * hard)
        second = rng.binomial(words, 0.5 * hard)
        yield first, second, words, rng.integers(0, N, (B, N))


def bootstrap_by_counting(baseline, system, words, draws):
    """The oracle: how often each utterance was drawn, times what it counts."""
    differences = []
    for drawn in draws:
        times = np.bincount(drawn, minlength=len(words))
        differences.append((times @ (system - baseline)) / (times @ words))
    ranked = sorted(differences)
    ends = []
    for share in (0.025, 0.975):  # between the two neighbours of the place, linearly
        place = share * (len(ranked) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ranked) - 1)
        ends.append(ranked[below] + (place - below) * (ranked[above] - ranked[below]))
    return tuple(float(end) for end in ends)


def bootstrap_by_arrays(baseline, system, words, draws):
    differences = (system[draws].sum(axis=1) - baseline[draws].sum(axis=1)) / words[draws].sum(axis=1)
    return np.quantile(differences, [0.025, 0.975])


def bootstrap_by_loop(baseline, system, words, draws):
    found = []
    for drawn in draws:
        before = after = said = 0
        for n in drawn:
            before, after, said = before + baseline[n], after + system[n], said + words[n]
        found.append(after / said - before / said)
    return float(np.percentile(found, 2.5)), float(np.percentile(found, 97.5))


def bootstrap_in_float32(baseline, system, words, draws):
    table = np.stack([baseline, system, words], axis=1).astype(np.float32)
    sums = table[draws].sum(axis=1)
    rates = sums[:, :2] / sums[:, 2:]
    return np.quantile(rates[:, 1] - rates[:, 0], np.array([0.025, 0.975], dtype=np.float32)).tolist()


def averages_rates(baseline, system, words, draws):
    """The error rate of each utterance is taken first and then averaged, so a short utterance counts as much as a long
    one: add up the errors, add up the words, then divide."""
    rates = (system - baseline) / words
    return np.quantile(rates[draws].mean(axis=1), [0.025, 0.975])


def subtracts_intervals(baseline, system, words, draws):
    """Each system gets an interval of its own and the two are subtracted: take the difference within each resample,
    then its interval."""
    first, second = (
        np.quantile(errors[draws].sum(axis=1) / words[draws].sum(axis=1), [0.025, 0.975])
        for errors in (baseline, system)
    )
    return second - first


def draws_apart(baseline, system, words, draws):
    """The two systems are scored on different resamples: both must be scored on the same one, that is the pairing."""
    other = draws[::-1]
    second = system[other].sum(axis=1) / words[other].sum(axis=1)
    return np.quantile(second - baseline[draws].sum(axis=1) / words[draws].sum(axis=1), [0.025, 0.975])


def subtracts_the_wrong_way(baseline, system, words, draws):
    """The difference has the wrong sign: system minus baseline, so that fewer errors give a negative number."""
    differences = (baseline[draws].sum(axis=1) - system[draws].sum(axis=1)) / words[draws].sum(axis=1)
    return np.quantile(differences, [0.025, 0.975])


def cuts_five_per_cent_a_side(baseline, system, words, draws):
    """5 % are cut off on each side, which leaves 90 %: for 95 % cut 2.5 % on each."""
    differences = (system[draws].sum(axis=1) - baseline[draws].sum(axis=1)) / words[draws].sum(axis=1)
    return np.quantile(differences, [0.05, 0.95])


def divides_by_all_words(baseline, system, words, draws):
    """The errors of a resample are divided by the words of the whole test set: divide by the words that were drawn."""
    differences = (system[draws].sum(axis=1) - baseline[draws].sum(axis=1)) / words.sum()
    return np.quantile(differences, [0.025, 0.975])


def assumes_a_bell(baseline, system, words, draws):
    """The interval is the mean plus and minus twice the standard deviation: take the quantiles of the differences,
    which assume no shape."""
    differences = (system[draws].sum(axis=1) - baseline[draws].sum(axis=1)) / words[draws].sum(axis=1)
    return differences.mean() - 1.96 * differences.std(), differences.mean() + 1.96 * differences.std()


BOOTSTRAP = Exercise(
    name="bootstrap.paired",
    title="A difference and its interval",
    function="paired_bootstrap",
    points=15,
    minutes=25,
    equations=("word-error-rate",),
    cases=paired_scores,
    oracle=bootstrap_by_counting,
    tolerance=float32(256),  # sums of at most 80 whole numbers are exact; a rate and a quantile round a few times
    hints=(
        "One row of `draws` is one test set that might have been. What is the error rate of each system on it?",
        "Within one row both systems meet the same utterances. Take the difference there, row by row, and only then"
        " look at how the differences are spread.",
        "errors[draws] has the shape (B, N); its sum over the last axis, divided by that of words[draws], is the rate"
        " in each resample. The interval is np.quantile of system minus baseline at 0.025 and 0.975.",
    ),
    right=(bootstrap_by_arrays, bootstrap_by_loop, bootstrap_in_float32, bootstrap_by_counting),
    mistakes=(
        averages_rates,
        subtracts_intervals,
        draws_apart,
        subtracts_the_wrong_way,
        cuts_five_per_cent_a_side,
        divides_by_all_words,
        assumes_a_bell,
    ),
    forbidden=("asrlab.scoring", "scipy.stats", "jiwer"),
)


# --- a split without a leak -----------------------------------------------------------------------


def recordings(rng):
    """Who speaks each utterance, the share to hold out, a seed. Every input comes twice, and with other seeds."""
    for people, most, share in ((2, 3, 0.3), (4, 4, 0.25), (8, 6, 0.2), (12, 20, 0.1), (12, 20, 0.5)):
        names = [f"speaker{k}" for k in rng.choice(100, people, replace=False)]
        speakers = [name for name in names for _ in range(rng.integers(1, most + 1))]
        speakers = [speakers[k] for k in rng.permutation(len(speakers))]
        for seed in (1, 1, 2, 3, 4, 5):
            yield speakers, share, seed


def judge_splits(cases, answers):
    """Any split is right that leaks no speaker, loses no utterance, is as large as asked and repeats with its seed."""
    for number, (case, answer) in enumerate(zip(cases, answers, strict=True)):
        wrong = _fault_of_split(*case, answer)
        if wrong:
            return number, wrong
    for number in range(0, len(cases), 6):  # the six seeds of one input, the first two of which are the same
        same, six = answers[number : number + 2], answers[number : number + 6]
        if same[0] != same[1]:
            return number + 1, hint_of(forgets_the_seed)
        if len(set(cases[number][0])) >= 8 and all(one == six[0] for one in six):
            return number, hint_of(ignores_the_seed)
    return None


def _fault_of_split(speakers, share, seed, answer):
    if not (isinstance(answer, list) and len(answer) == 2 and all(isinstance(part, list) for part in answer)):
        return "Two lists are asked for: the positions of the training utterances, and those of the test utterances."
    train, test = answer
    if not all(type(k) is int and 0 <= k < len(speakers) for k in train + test):
        return "The lists must hold positions in `speakers`, whole numbers from 0."
    both = {speakers[k] for k in train} & {speakers[k] for k in test}
    counts = sorted(speakers.count(name) for name in {speakers[k] for k in test})
    need = share * len(speakers)
    if both:
        return hint_of(draws_utterances)
    if len(train) + len(test) < len(speakers):
        return hint_of(loses_utterances)
    if sorted(train + test) != list(range(len(speakers))):
        return "An utterance stands twice in the lists."
    if len(test) < need:
        return hint_of(counts_speakers)
    if len(test) - counts[-1] >= need:
        return hint_of(holds_out_too_many)
    return None


def split_by_loop(speakers, share, seed):
    names = sorted(set(speakers))
    random.Random(seed).shuffle(names)
    held = set()
    for name in names:
        if sum(speaker in held for speaker in speakers) >= share * len(speakers):
            break
        held.add(name)
    train = [k for k, speaker in enumerate(speakers) if speaker not in held]
    return train, [k for k, speaker in enumerate(speakers) if speaker in held]


def split_by_arrays(speakers, share, seed):
    names, index, counts = np.unique(speakers, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    enough = np.searchsorted(np.cumsum(counts[order]), share * len(index) - 1e-9) + 1
    held = np.isin(index, order[:enough])
    return np.flatnonzero(~held), np.flatnonzero(held)


def split_by_groups(speakers, share, seed):
    places = {}
    for k, speaker in enumerate(speakers):
        places.setdefault(speaker, []).append(k)
    waiting = list(places.values())
    chance = random.Random(seed)
    test = []
    while len(test) < share * len(speakers):
        test += waiting.pop(chance.randrange(len(waiting)))
    return [sorted(k for group in waiting for k in group), sorted(test)]


def draws_utterances(speakers, share, seed):
    """Some speaker is on both sides, so the model is tested on a voice that it has learned: draw speakers, not
    utterances."""
    order = np.random.default_rng(seed).permutation(len(speakers))
    size = math.ceil(share * len(speakers))
    return order[size:], order[:size]


def counts_speakers(speakers, share, seed):
    """The test side is too small: the share is of the utterances, and some speakers have few of them. Hold out speakers
    until the share is reached."""
    names = sorted(set(speakers))
    random.Random(seed).shuffle(names)
    held = set(names[: max(1, int(share * len(names)))])
    train = [k for k, speaker in enumerate(speakers) if speaker not in held]
    return train, [k for k, speaker in enumerate(speakers) if speaker in held]


def holds_out_too_many(speakers, share, seed):
    """More speakers are held out than it takes: stop as soon as the share is reached, training needs the rest."""
    names = sorted(set(speakers))
    random.Random(seed).shuffle(names)
    held, count = set(), 0
    for name in names:
        held.add(name)
        count += speakers.count(name)
        if count >= share * len(speakers) and len(held) > 0.7 * len(names):
            break
    train = [k for k, speaker in enumerate(speakers) if speaker not in held]
    return train, [k for k, speaker in enumerate(speakers) if speaker in held]


def loses_utterances(speakers, share, seed):
    """Some utterances are on neither side: each belongs to the training or to the test side."""
    names = sorted(set(speakers))
    random.Random(seed).shuffle(names)
    test = []
    while len(test) < share * len(speakers):
        name = names.pop()
        test += [k for k, speaker in enumerate(speakers) if speaker == name]
    return [speakers.index(name) for name in names], test


def forgets_the_seed(speakers, share, seed):
    """The same seed gives another split each time, and nobody can repeat the experiment: draw from a generator that was
    made from the seed."""
    names = sorted(set(speakers))
    random.shuffle(names)
    held = set()
    while sum(speaker in held for speaker in speakers) < share * len(speakers):
        held.add(names.pop())
    train = [k for k, speaker in enumerate(speakers) if speaker not in held]
    return train, [k for k, speaker in enumerate(speakers) if speaker in held]


def ignores_the_seed(speakers, share, seed):
    """Every seed gives the same split: draw the speakers from a generator that was made from the seed."""
    names, held = sorted(set(speakers)), set()
    while sum(speaker in held for speaker in speakers) < share * len(speakers):
        held.add(names.pop())
    train = [k for k, speaker in enumerate(speakers) if speaker not in held]
    return train, [k for k, speaker in enumerate(speakers) if speaker in held]


SPLIT = Exercise(
    name="split.speakers",
    title="A split without a leak",
    function="split_by_speaker",
    points=10,
    minutes=20,
    cases=recordings,
    oracle=split_by_loop,
    judge=judge_splits,
    hints=(
        "If a voice is on both sides, what does the test measure? What, then, must be drawn at random?",
        "Put the different speakers in a random order that depends on the seed alone. Hold out one after the other.",
        "Stop as soon as those held out have at least `share` of all utterances. Then go through the utterances once,"
        " and put each on the side of its speaker.",
    ),
    right=(split_by_loop, split_by_arrays, split_by_groups),
    mistakes=(
        draws_utterances,
        counts_speakers,
        holds_out_too_many,
        loses_utterances,
        forgets_the_seed,
        ignores_the_seed,
    ),
    forbidden=("asrlab.corpora", "sklearn"),
    survivors={
        "names = sorted(set(speakers)) | sorted(set(speakers)) -> list(set(speakers))": (
            "A set of texts has one order within a process, in which a check looks; the next process has another."
        ),
    },
)

SET = ExerciseSet("4-worked-code", "Train, split, compare", "book/4-worked-code/evaluation", (ADAM, BOOTSTRAP, SPLIT))
