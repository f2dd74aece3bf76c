"""Scores: jiwer, the version from scratch and brute force agree; the bootstrap covers what it claims to cover."""

import random
from dataclasses import dataclass, field

import jiwer
import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.scoring import score
from asrlab.scratch import edit_distance

RANDOM = random.Random(0)


def corpus(n=60, vocabulary="abcd", seed=0):
    """References and hypotheses of random words, {id: text}."""
    draw = random.Random(seed)
    text = lambda least: " ".join(draw.choices(vocabulary, k=draw.randint(least, 8)))  # noqa: E731
    return {f"u{i}": text(1) for i in range(n)}, {f"u{i}": text(0) for i in range(n)}


def test_an_interval_goes_into_a_receipt_and_comes_back():
    interval = score.Interval(0.2, 0.1, 0.4)
    metrics = {"wer": 0.5, **interval.as_metrics("wer.beam")}
    assert metrics == {"wer": 0.5, "wer.beam": 0.2, "wer.beam.low": 0.1, "wer.beam.high": 0.4}
    assert score.Interval.from_metrics(metrics, "wer.beam") == interval
    with pytest.raises(KeyError):
        score.Interval.from_metrics(metrics, "wer")


def shuffled(texts, seed=1):
    keys = list(texts)
    random.Random(seed).shuffle(keys)
    return {key: texts[key] for key in keys}


@pytest.mark.parametrize("seed", range(3))
def test_rates_are_those_of_jiwer_and_from_scratch(seed):
    references, hypotheses = corpus(seed=seed)
    said, heard = list(references.values()), list(hypotheses.values())
    assert score.wer(references, hypotheses) == pytest.approx(jiwer.wer(said, heard), abs=1e-12)
    assert score.wer(said, heard) == pytest.approx(edit_distance.word_error_rate(said, heard), abs=1e-12)
    assert score.cer(references, hypotheses) == pytest.approx(jiwer.cer(said, heard), abs=1e-12)
    for key, found in score.errors(references, hypotheses).items():
        assert found.total == edit_distance.edit_distance(references[key].split(), hypotheses[key].split())
        assert found.length == len(references[key].split())
        assert found.length - found.deletions + found.insertions == len(hypotheses[key].split())


def test_white_space_and_order_do_not_matter():
    references, hypotheses = corpus()
    spaced = {key: "  " + text.replace(" ", " \t\n ") for key, text in hypotheses.items()}
    assert score.wer(references, spaced) == score.wer(references, hypotheses)
    assert score.cer(references, spaced) == score.cer(references, hypotheses)
    assert score.wer(shuffled(references), hypotheses) == score.wer(references, shuffled(hypotheses, 2))


def test_single_texts_and_chinese():
    assert score.wer("a b c d", "a c d") == 0.25
    assert score.cer("打开红灯", "打开绿灯") == 0.25
    assert score.wer("a", "b c d") == 3.0


@pytest.mark.parametrize(
    ("references", "hypotheses", "message"),
    [
        ({"a": "x", "b": "y"}, {"a": "x"}, "lack 1 of 2 utterances .'b'."),
        ({"a": "x"}, {"a": "x", "c": "y"}, "nobody asked for .'c'."),
        ({"a": "x"}, ["x"], "two dictionaries .* or two sequences"),
        (["x", "y"], ["x"], "2 references, 1 hypotheses"),
        ({"a": "  "}, {"a": "x"}, "utterance 'a': the reference is empty"),
        ({}, {}, "no utterance to score"),
        ({"a": "x"}, {"a": None}, "utterance 'a': None is NoneType"),
    ],
)
@pytest.mark.parametrize("function", [score.wer, score.cer, score.errors])
def test_texts_that_do_not_match_are_told(function, references, hypotheses, message):
    with pytest.raises(AsrlabError, match=message):
        function(references, hypotheses)


def test_confusions_count_every_error_once():
    references = {"a": "the red one", "b": "the the", "c": "red"}
    hypotheses = {"a": "a red", "b": "a the", "c": "red red"}
    found = {(c.reference, c.hypothesis): c.count for c in score.confusions(references, hypotheses)}
    assert found == {("the", "a"): 2, ("one", None): 1, (None, "red"): 1}
    assert score.confusions(references, hypotheses)[0] == score.Confusion("the", "a", 2)
    everything = score.confusions(references, hypotheses, correct=True)
    right = {("red", "red"): 2, ("the", "the"): 1}
    assert {(c.reference, c.hypothesis): c.count for c in everything} == {**found, **right}
    references, hypotheses = corpus()
    counted = sum(c.count for c in score.confusions(references, hypotheses))
    assert counted == sum(e.total for e in score.errors(references, hypotheses).values())


# --- the bootstrap


def simulated(generator, utterances, rate, spread=0.0, speakers=0):
    """Texts whose words go wrong with a known probability; with speakers, each has a rate of its own around it."""
    owner = np.arange(utterances) % speakers if speakers else np.arange(utterances)
    rates = np.clip(generator.normal(rate, spread, owner.max() + 1), 0, 1)
    references, hypotheses, groups = {}, {}, {}
    for i in range(utterances):
        n = int(generator.integers(2, 9))
        wrong = generator.random(n) < rates[owner[i]]
        references[f"u{i}"] = " ".join(["a"] * n)
        hypotheses[f"u{i}"] = " ".join("b" if w else "a" for w in wrong)
        groups[f"u{i}"] = f"s{owner[i]}"
    return references, hypotheses, groups


def test_interval_covers_the_true_rate_as_often_as_it_says():
    generator, trials, covered = np.random.default_rng(0), 200, 0
    for _ in range(trials):
        references, hypotheses, _ = simulated(generator, 80, 0.15)
        found = score.bootstrap(references, hypotheses, samples=400, confidence=0.9)
        covered += found.low <= 0.15 <= found.high
    assert 0.84 <= covered / trials <= 0.95  # 0.9, with 2.5 standard errors of 200 trials


def test_speaker_blocks_cover_where_utterances_do_not():
    generator, trials, by_speaker, by_utterance = np.random.default_rng(1), 100, 0, 0
    for _ in range(trials):
        references, hypotheses, groups = simulated(generator, 200, 0.5, spread=0.2, speakers=25)
        blocks = score.bootstrap(references, hypotheses, groups, samples=300, confidence=0.9)
        alone = score.bootstrap(references, hypotheses, samples=300, confidence=0.9)
        by_speaker += blocks.low <= 0.5 <= blocks.high
        by_utterance += alone.low <= 0.5 <= alone.high
    assert by_speaker / trials >= 0.8
    assert by_utterance / trials <= 0.7


def test_interval_is_that_of_all_resamples():
    """Two utterances have four resamples: 0/2 and 2/2 errors once, 1/2 twice."""
    wide = score.bootstrap({"a": "x", "b": "x"}, {"a": "x", "b": "y"}, samples=4000, confidence=0.6)
    narrow = score.bootstrap({"a": "x", "b": "x"}, {"a": "x", "b": "y"}, samples=4000, confidence=0.3)
    assert (wide.low, wide.high) == (0.0, 1.0)  # tails of 20% reach into the quarter at each end
    assert (narrow.low, narrow.high) == (0.5, 0.5)  # tails of 35% do not


def test_bootstrap_does_not_depend_on_the_order():
    references, hypotheses, groups = simulated(np.random.default_rng(2), 40, 0.2, speakers=8)
    for blocks in (None, groups):
        found = score.bootstrap(references, hypotheses, blocks)
        assert score.bootstrap(shuffled(references), shuffled(hypotheses, 5), blocks) == found
        assert score.bootstrap(references, hypotheses, blocks, seed=1) != found
    _, other, _ = simulated(np.random.default_rng(3), 40, 0.2)
    other = {key: " ".join(text.split()[: len(references[key].split())]) for key, text in other.items()}
    found = score.paired_bootstrap(references, hypotheses, other, groups)
    assert score.paired_bootstrap(shuffled(references), hypotheses, shuffled(other), groups) == found


def test_paired_bootstrap_sees_what_two_intervals_hide():
    """A system that mends one error in ten of the baseline's, whatever the utterance."""
    generator = np.random.default_rng(4)
    references, baseline, _ = simulated(generator, 300, 0.3, spread=0.2)
    better = {
        key: " ".join("a" if word == "b" and generator.random() < 0.1 else word for word in text.split())
        for key, text in baseline.items()
    }
    apart = [score.bootstrap(references, texts) for texts in (baseline, better)]
    assert apart[0].low < apart[1].high  # the two intervals overlap
    found = score.paired_bootstrap(references, baseline, better)
    assert found.difference == pytest.approx(apart[1].value - apart[0].value)
    assert found.low <= found.difference <= found.high < 0
    assert found.probability_of_improvement > 0.99
    back = score.paired_bootstrap(references, better, baseline)
    assert back.probability_of_improvement == pytest.approx(1 - found.probability_of_improvement, abs=1e-12)


def test_equal_systems_are_even():
    references, hypotheses, _ = simulated(np.random.default_rng(5), 30, 0.3)
    found = score.paired_bootstrap(references, hypotheses, hypotheses)
    assert (found.difference, found.low, found.high, found.probability_of_improvement) == (0, 0, 0, 0.5)


def test_improvement_of_equally_good_systems_is_uniform():
    """Where nothing differs but luck, a probability of improvement above 0.95 comes up about once in twenty."""
    generator, trials, found = np.random.default_rng(6), 200, []
    for _ in range(trials):
        references, first, _ = simulated(generator, 60, 0.2)
        second = {}
        for key, text in references.items():
            second[key] = " ".join("b" if generator.random() < 0.2 else "a" for _ in text.split())
        found.append(score.paired_bootstrap(references, first, second, samples=300).probability_of_improvement)
    assert np.mean(np.array(found) > 0.95) <= 0.10
    assert 0.42 <= np.mean(np.array(found) > 0.5) <= 0.58


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 0}, "samples=0"),
        ({"confidence": 95}, "confidence=95"),
        ({"groups": {"a": "s"}}, "groups lack 1 of 2"),
        ({"groups": {"a": "s", "b": "s"}}, "over 1 group"),
        ({"groups": ["s"]}, "1 groups for 2 utterances"),
        ({"unit": "phone"}, "unit='phone'"),
    ],
)
def test_bad_options_are_told(options, message):
    with pytest.raises(AsrlabError, match=message):
        score.bootstrap({"a": "x", "b": "y"}, {"a": "x", "b": "z"}, **options)


# --- by group


@dataclass
class Spoken:
    id: str
    speaker: str
    tags: dict = field(default_factory=dict)


def test_groups_add_up_to_the_whole():
    references, hypotheses = corpus()
    accents = ("north", "south")
    utterances = [Spoken(key, f"s{i % 3}", {"accent": accents[i % 2]}) for i, key in enumerate(references)]
    for tag in ("speaker", "accent"):
        rows = score.by_tag(references, hypotheses, score.tag_values(utterances, tag))
        assert [row.group for row in rows] == sorted({*score.tag_values(utterances, tag).values()})
        assert sum(row.utterances for row in rows) == len(references)
        together = sum((row.errors for row in rows), score.Errors())
        assert together.rate == pytest.approx(score.wer(references, hypotheses))
        for row in rows:
            own = [key for key, value in score.tag_values(utterances, tag).items() if value == row.group]
            assert row.rate == score.wer({k: references[k] for k in own}, {k: hypotheses[k] for k in own})
            assert row.interval.low <= row.rate <= row.interval.high
    with pytest.raises(AsrlabError, match="no tag 'snr'; it has speaker, accent"):
        score.tag_values(utterances, "snr")


def test_table_lines_up_and_sums():
    rows = score.by_tag(
        {"a": "x y", "b": "x y", "c": "x"}, {"a": "x", "b": "x z", "c": "x"}, {"a": "北京", "b": "北京", "c": "north"}
    )
    lines = score.format_table(rows, "accent").splitlines()
    assert lines[0].split() == ["accent", "utterances", "words", "sub", "del", "ins", "error", "%", "95%", "interval"]
    assert lines[1].split() == ["north", "1", "1", "0", "0", "0", "0.0", "-"]
    assert lines[2].split()[:7] == ["北京", "2", "4", "1", "1", "0", "50.0"]
    assert lines[3].split() == ["all", "3", "5", "1", "1", "0", "40.0", "-"]
    assert len({score.display_width(line) for line in lines}) == 1
    markdown = score.format_table(rows, "accent", markdown=True).splitlines()
    assert len({line.count("|") for line in markdown}) == 1
    assert set(markdown[1]) == set("|-: ")


def test_no_error_is_no_certainty():
    said = [f"a b c {i}" for i in range(25)]  # 100 words
    z = 1.959963984540054
    for groups in (None, [i % 5 for i in range(25)]):
        found = score.measure(said, said, groups=groups)
        assert (found.value, found.low) == (0.0, 0.0)
        # Wilson (1927): the largest p with (p - 0)^2 = z^2 p (1 - p) / n
        assert found.high == pytest.approx(z**2 / (100 + z**2))
        assert found.high**2 == pytest.approx(z**2 * found.high * (1 - found.high) / 100)
