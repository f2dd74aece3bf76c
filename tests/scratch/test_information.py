"""Information against sums written out, closed forms and every decision there is; the pairs against all batches."""

import itertools
import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.scratch import information, letters

SEEDS = pytest.mark.parametrize("seed", range(5))
FAIR = np.full(4, 0.25)


def table(seed: int, *shape: int) -> np.ndarray:
    """Random joint probabilities, one of them zero."""
    p = np.random.default_rng(seed).random(shape)
    p.flat[seed % p.size] = 0
    return p / p.sum()


def channel(seed: int, rows: int, columns: int) -> np.ndarray:
    p = np.random.default_rng(100 + seed).random((rows, columns)) + 0.01
    return p / p.sum(axis=1, keepdims=True)


def entropy(p) -> float:
    return -sum(value * math.log2(value) for value in np.ravel(p) if value > 0)


@pytest.mark.equation("mutual-information")
@SEEDS
def test_information_is_what_the_entropies_leave(seed):
    joint = table(seed, 3, 4)
    expected = entropy(joint.sum(axis=1)) + entropy(joint.sum(axis=0)) - entropy(joint)
    assert information.mutual_information(joint) == pytest.approx(expected, abs=1e-12)


@pytest.mark.equation("mutual-information")
@pytest.mark.parametrize("wrong", [0.0, 0.11, 0.5])
def test_a_channel_that_flips_bits_has_its_closed_form(wrong):
    joint = np.array([[1 - wrong, wrong], [wrong, 1 - wrong]]) / 2
    assert information.mutual_information(joint) == pytest.approx(1 - entropy([wrong, 1 - wrong]), abs=1e-12)


@pytest.mark.equation("mutual-information")
def test_the_example_of_the_page():
    """Voicing always right, place three times in four: 0.75 log2 3 bits; lips: 1 bit; together all 2."""
    heard = np.kron(np.eye(2), [[0.75, 0.25], [0.25, 0.75]])
    seen = np.kron([[1], [1]], np.eye(2))
    joint = information.independent(FAIR, heard, seen)
    assert information.mutual_information(joint.sum(axis=2)) == pytest.approx(0.75 * math.log2(3))
    assert information.mutual_information(joint.sum(axis=1)) == pytest.approx(1)
    assert information.added_information(joint) == pytest.approx(2 - 0.75 * math.log2(3))


@pytest.mark.equation("added-information")
@SEEDS
def test_what_is_added_is_the_information_within_each_sound(seed):
    """The definition: the mean over x of the information between y and z where x is known."""
    joint = table(seed, 3, 4, 2)
    expected = 0.0
    for x in range(4):
        p_x = joint[:, x].sum()
        expected += p_x * information.mutual_information(joint[:, x] / p_x)
    assert information.added_information(joint) == pytest.approx(expected, abs=1e-12)
    assert expected >= 0


@pytest.mark.equation("data-processing")
@SEEDS
def test_processing_adds_nothing(seed):
    joint, made = table(seed, 3, 4), channel(seed, 4, 5)
    after = information.processed(joint, made)
    for y, x in itertools.product(range(3), range(5)):
        assert after[y, x] == pytest.approx(sum(joint[y, k] * made[k, x] for k in range(4)), abs=1e-15)
    assert information.mutual_information(after) < information.mutual_information(joint)
    together = joint[:, :, None] * made  # y, x and what was made of x
    assert information.added_information(together) == pytest.approx(0, abs=1e-12)
    renamed = information.processed(joint, np.eye(4)[[2, 0, 3, 1]])  # what can be undone loses nothing
    assert information.mutual_information(renamed) == pytest.approx(information.mutual_information(joint), abs=1e-12)


@pytest.mark.equation("smallest-error")
@SEEDS
def test_no_rule_at_all_decides_better(seed):
    joint = table(seed, 3, 4)
    rules = itertools.product(range(3), repeat=4)
    least = min(1 - sum(joint[rule[x], x] for x in range(4)) for rule in rules)
    assert information.smallest_error(joint) == pytest.approx(least, abs=1e-12)


@pytest.mark.equation("independent-streams")
@SEEDS
def test_combining_is_bayes_theorem(seed):
    prior = table(seed, 3) + 0.1
    prior /= prior.sum()
    p_x, p_z = channel(seed, 3, 4), channel(seed + 50, 3, 2)
    joint = information.independent(prior, p_x, p_z)
    for x, z in itertools.product(range(4), range(2)):
        by_x, by_z = prior * p_x[:, x], prior * p_z[:, z]
        found = information.combine(by_x / by_x.sum(), by_z / by_z.sum(), prior)
        np.testing.assert_allclose(found, joint[:, x, z] / joint[:, x, z].sum(), atol=1e-12)


@pytest.mark.equation("contrastive-loss")
def test_the_loss_of_pairs_written_out():
    generator = np.random.default_rng(0)
    a, b = generator.standard_normal((2, 3, 5))
    expected = 0.0
    for n in range(3):
        forth = [math.exp(a[n] @ b[m] / 0.5) for m in range(3)]
        back = [math.exp(a[m] @ b[n] / 0.5) for m in range(3)]
        expected -= (math.log(forth[n] / sum(forth)) + math.log(back[n] / sum(back))) / 6
    assert information.contrastive_loss(a, b, tau=0.5) == pytest.approx(expected, rel=1e-12)


@pytest.mark.equation("contrastive-bound")
@SEEDS
def test_the_bound_holds_for_every_scorer(seed):
    """The expected loss over all batches of two pairs, each with its probability."""
    joint = table(seed, 3, 3)
    generator = np.random.default_rng(seed)
    pairs = list(itertools.product(range(3), range(3)))
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    best = np.log(np.maximum(joint, 1e-300) / apart)
    for scores in (best, generator.standard_normal((3, 3))):
        loss = 0.0
        for first, second in itertools.product(pairs, repeat=2):
            a = scores[[first[0], second[0]]]  # what each says of every partner: a row of scores
            b = np.eye(3)[[first[1], second[1]]]
            loss += joint[first] * joint[second] * information.contrastive_loss(a, b, tau=1.0)
        assert information.least_information(loss, 2) <= information.mutual_information(joint) + 1e-9


def test_tables_that_are_none_are_refused():
    with pytest.raises(AsrlabError, match="adds up to 2"):
        information.mutual_information(np.eye(2))
    with pytest.raises(AsrlabError, match="expected 3 axes"):
        information.added_information(np.eye(2) / 2)
    with pytest.raises(AsrlabError, match="row of the channel"):
        information.processed(np.eye(2) / 2, np.ones((2, 2)))
    with pytest.raises(AsrlabError, match="exclude every answer"):
        information.combine(np.array([1.0, 0.0]), np.array([0.0, 1.0]), np.array([0.5, 0.5]))


# --- the letters ----------------------------------------------------------------------------------


def test_each_sense_knows_what_the_toy_says():
    """Sound errs in voicing and place as often as the normal distribution says; the mouth is closed for B and P."""
    said = letters.examples(20_000, seed=0)
    for column, truth, spread in ((0, letters.VOICED, 0.5), (1, letters.CLOSED, letters.BAD_LINE)):
        wrong = np.mean(np.sign(said.sound[:, column]) != truth[said.y])
        expected = 0.5 * math.erfc(1 / spread / math.sqrt(2))
        assert wrong == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / 20_000))
    dark = said.lips.sum(axis=1)
    assert dark[letters.CLOSED[said.y] < 0].mean() > dark[letters.CLOSED[said.y] > 0].mean() + 10
    voiced = letters.VOICED[said.y] > 0
    spread = dark.std() / math.sqrt(len(dark) / 4)
    assert abs(dark[voiced].mean() - dark[~voiced].mean()) < 4 * spread  # lips do not tell B from P


def test_letters_repeat_and_differ():
    first, again, other = letters.examples(50, 1), letters.examples(50, 1), letters.examples(50, 2)
    np.testing.assert_array_equal(first.lips, again.lips)
    assert not np.array_equal(first.y, other.y)
    with pytest.raises(AsrlabError, match="line=-1"):
        letters.examples(5, 0, line=-1)
