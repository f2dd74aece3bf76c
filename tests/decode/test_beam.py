"""BeamDecoder = exact enumeration over all alignments (unlimited beam) = the plain Python reference (any options),
with any number of languages."""

import itertools
import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.decode.reference import ReferenceDecoder
from asrlab.language import NGram, WordAutomaton, automaton, context_graph

EXACT = {
    "beam": 100_000, "token_threshold": math.inf, "max_tokens": 1000, "beam_threshold": math.inf,
    "blank_threshold": 2.0, "nbest": 1000,
}  # fmt: skip
LETTERS = SimpleNamespace(tokens=("<blank>", "▁", "a", "b"))
PIECES = SimpleNamespace(tokens=("<blank>", "▁a", "b", "▁ab", "▁", "a", "▁c", "bc"))
PHONES = SimpleNamespace(tokens=("<blank>", "P", "Q", "R"))
LETTER_LEXICON = {"a": [(1, 2)], "ab": [(1, 2, 3)], "bb": [(1, 3, 3)]}
# pronunciations, homophones, and two ways to cut P Q R into words
PHONE_LEXICON = {"pee": [(1,)], "pea": [(1,)], "pq": [(1, 2), (2, 1)], "qr": [(2, 3)], "are": [(3,), (3, 3)]}
PIECE_LEXICON = {"ab": [(1, 2), (3,)], "abc": [(1, 7)], "c": [(6,)], "a": [(1,), (4, 5)]}


def random_log_probs(rng, frames, size, peak=0.0, dtype=np.float64):
    logits = rng.normal(size=(frames, size))
    logits[np.arange(frames), rng.integers(0, size, frames)] += peak
    logits[rng.random(frames) < 0.3, 0] += 2 * peak
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(dtype)


def random_lm(rng, words, order=2):
    """Trained on random sentences that leave the first word out, so that it is unknown; no two words score alike."""
    sentences = [" ".join(rng.choice(words[1:], size=rng.integers(1, 5), p=_uneven(len(words) - 1))) for _ in range(20)]
    return NGram.train(sentences, order)


def random_hotwords(rng, words):
    """Phrases that share words, and one with a word of nobody else."""
    phrases = {" ".join(rng.choice(words, size=rng.integers(1, 4))): float(rng.uniform(-1, 4)) for _ in range(5)}
    return context_graph({**phrases, f"{words[-1]} bab": 2.5})


def random_grammar(rng, words):
    """States that forbid what they have no arc for; one lets unknown words pass."""
    states = 3
    arcs = [
        {label: (float(rng.normal()), int(rng.integers(states))) for label in range(0 if s == 1 else 1, len(words) + 1)
         if rng.random() < 0.7}
        for s in range(states)
    ]  # fmt: skip
    a = automaton.build(arcs, [-0.5, 0.3, -math.inf], [-1, -1, 0], [0.0, 0.0, -1.0])
    return WordAutomaton(a, {word: i for i, word in enumerate(words, start=1)})


def random_languages(rng, words, count):
    """`count` languages, each of another kind, with weights that may be 0 or negative."""
    builders = {"lm": random_lm, "hot": random_hotwords, "grammar": random_grammar}
    names = rng.permutation(list(builders))[:count].tolist()
    return {name: (float(rng.choice([0.0, 0.5, 1.2, -0.3])), builders[name](rng, words)) for name in names}


def _uneven(n):
    p = 1.3 ** np.arange(n)
    return p / p.sum()


def enumerate_ctc(log_probs):
    """Token sequence -> exact log-probability, from every one of the V ** T alignments."""
    frames, size = log_probs.shape
    total = defaultdict(lambda: -math.inf)
    for path in itertools.product(range(size), repeat=frames):
        merged = [v for i, v in enumerate(path) if i == 0 or v != path[i - 1]]
        tokens = tuple(v for v in merged if v != 0)
        total[tokens] = np.logaddexp(total[tokens], log_probs[np.arange(frames), path].sum())
    return total


def segmentations(tokens, spellings):
    """Every way to cut tokens into lexicon words."""
    if not tokens:
        yield ()
    for spelling, word in spellings:
        if tokens[: len(spelling)] == spelling:
            for rest in segmentations(tokens[len(spelling) :], spellings):
                yield (word, *rest)


def sentence_nats(language, words):
    """What a language gives to a sentence, step by step in plain Python."""
    a, total = language.automaton, 0.0
    state = int(a.start[0])
    for word in words:
        nats, state = automaton.plain_step(a, state, language.labels.get(word, automaton.OTHER))
        total += nats
    return total + automaton.plain_finish(a, state)


def share(weight, nats):
    if weight == 0:
        return 0.0
    return -math.inf if nats == -math.inf else weight * nats


def enumerate_texts(log_probs, tokenizer, o, languages=None, lexicon=None):
    """Text -> exact best score, of all texts that are allowed."""
    languages = languages or {}
    lm = next((one for _, one in languages.values() if isinstance(one, NGram)), None)
    best = defaultdict(lambda: -math.inf)
    for tokens, ctc in enumerate_ctc(log_probs).items():
        if lexicon is None:
            ways = ["".join(tokenizer.tokens[v] for v in tokens).replace("▁", " ").split()]
        else:
            ways = list(segmentations(tokens, [(s, w) for w, of in lexicon.items() for s in of]))
        for words in ways:
            score = ctc + o.word_bonus * len(words)
            score += sum(share(weight, sentence_nats(one, words)) for weight, one in languages.values())
            if lm is not None:
                score -= o.unknown_penalty * sum(w not in lm for w in words)
            best[" ".join(words)] = max(best[" ".join(words)], score)
    return {text: score for text, score in best.items() if score > -math.inf}


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.parametrize(
    ("tokenizer", "lexicon", "bonus"),
    [
        (LETTERS, None, 0.0),
        (LETTERS, None, 0.7),
        (LETTERS, LETTER_LEXICON, -0.3),
        (PHONES, PHONE_LEXICON, 0.2),
    ],
)
def test_unlimited_beam_is_exact_enumeration(tokenizer, lexicon, bonus, count):
    rng = np.random.default_rng(3)
    words = list(lexicon or ("a", "ab", "bb", "ba"))
    o = BeamOptions(**EXACT, word_bonus=bonus, unknown_penalty=1.5)
    for frames in (1, 2, 5, 6):
        languages = random_languages(rng, words, count)
        log_probs = random_log_probs(rng, frames, len(tokenizer.tokens))
        expected = enumerate_texts(log_probs, tokenizer, o, languages, lexicon)
        found = BeamDecoder(tokenizer, o, languages, lexicon).decode(log_probs)
        if not expected:  # nothing is allowed, not even to say nothing
            assert [(h.text, h.score) for h in found] == [("", -math.inf)]
            continue
        assert {h.text: pytest.approx(h.score, abs=1e-9) for h in found} == dict(expected)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


CASES = {
    "tokens": (LETTERS, None, [0], 0.0),
    "bonus": (LETTERS, None, [0], 1.0),
    "open": (PIECES, None, [1, 2, 3], 0.5),
    "letters": (LETTERS, None, [1, 2, 3], 0.5),
    "lexicon": (PIECES, PIECE_LEXICON, [0, 2], 0.5),
    "pieces": (PIECES, PIECE_LEXICON, [1, 2, 3], 0.5),
    "phones": (PHONES, PHONE_LEXICON, [1, 2, 3], 0.5),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_the_reference(case, dtype):
    tokenizer, lexicon, counts, bonus = CASES[case]
    rng = np.random.default_rng(7)
    words = list(lexicon or ("a", "ab", "abb", "cb"))
    compared = 0
    for trial in range(25):
        languages = random_languages(rng, words, int(rng.choice(counts)))
        o = BeamOptions(
            beam=int(rng.choice([1, 2, 5, 12])), word_bonus=bonus,
            unknown_penalty=float(rng.choice([0.0, 3.0])), token_threshold=float(rng.choice([2.0, 6.0, math.inf])),
            max_tokens=int(rng.choice([2, 50])), beam_threshold=float(rng.choice([3.0, 10.0, math.inf])),
            blank_threshold=float(rng.choice([0.9, 2.0])), nbest=4,
        )  # fmt: skip
        log_probs = random_log_probs(rng, int(rng.integers(1, 30)), len(tokenizer.tokens), rng.choice([0, 3, 6]), dtype)
        if case == "phones" and not any(languages.get(name, (0.0, None))[0] for name in ("lm", "grammar")):
            continue  # homophones that no language tells apart are equals, and which of them stays is chance
        compared += 1
        fast = BeamDecoder(tokenizer, o, languages, lexicon).decode(log_probs)
        slow = ReferenceDecoder(tokenizer, o, languages, lexicon).decode(log_probs)
        assert [h.text for h in fast] == [h.text for h in slow], (trial, o)
        for a, b in zip(fast, slow, strict=True):
            assert a.tokens == b.tokens
            assert a.score == pytest.approx(b.score, abs=1e-6)
            assert a.parts == {part: pytest.approx(b.parts[part], abs=1e-6) for part in a.parts}
            assert set(languages) <= set(a.parts)
    assert compared >= 10


@pytest.mark.parametrize("lexicon", [None, PIECE_LEXICON])
def test_extra_languages_are_as_if_the_decoder_had_been_made_with_them(lexicon):
    rng = np.random.default_rng(1)
    words = list(PIECE_LEXICON)
    o = BeamOptions(word_bonus=0.5, nbest=4)
    for _ in range(10):
        own, extra = {"lm": (0.7, random_lm(rng, words))}, {"scene": (1.0, random_hotwords(rng, words))}
        decoder = BeamDecoder(PIECES, o, own, lexicon)
        log_probs = random_log_probs(rng, 12, len(PIECES.tokens), 3)
        expected = BeamDecoder(PIECES, o, own | extra, lexicon).decode(log_probs)
        assert decoder.decode(log_probs, extra) == decoder.decode(log_probs, extra) == expected
        assert decoder.decode(log_probs) == BeamDecoder(PIECES, o, own, lexicon).decode(log_probs)
    with pytest.raises(AsrlabError, match="'lm': the decoder has one"):
        decoder.decode(log_probs, own)


def test_hotwords_are_found_and_half_a_phrase_changes_no_score():
    rng = np.random.default_rng(2)
    o = BeamOptions(**EXACT, unknown_penalty=0.0)
    log_probs = random_log_probs(rng, 6, len(LETTERS.tokens))
    lm = random_lm(rng, ["a", "b", "ab", "ba"])
    plain = {h.text: h.score for h in BeamDecoder(LETTERS, o, {"lm": (0.5, lm)}).decode(log_probs)}
    hot = {"lm": (0.5, lm), "hot": (2.0, context_graph({"ab a": 3.0}))}
    found = {h.text: h for h in BeamDecoder(LETTERS, o, hot).decode(log_probs)}
    assert "ab a" in found and "ab" in found and set(found) == set(plain)
    for text, h in found.items():
        times = f" {text} ".count(" ab a ")
        assert h.parts["hot"] == pytest.approx(3.0 * times)
        assert h.score == pytest.approx(plain[text] + 6.0 * times)


def test_a_grammar_that_fits_nothing_leaves_the_empty_hypothesis():
    never = WordAutomaton(automaton.build([{1: (0.0, 1)}, {}], [-math.inf, 0.0]), {"zzz": 1})
    log_probs = random_log_probs(np.random.default_rng(0), 8, len(LETTERS.tokens))
    (found,) = BeamDecoder(LETTERS, BeamOptions(), {"grammar": (1.0, never)}).decode(log_probs)
    assert (found.text, found.score, found.parts["grammar"]) == ("", -math.inf, -math.inf)
    (free,) = BeamDecoder(LETTERS, BeamOptions(), {"grammar": (0.0, never)}).decode(log_probs)
    assert free.score > -math.inf  # with weight 0 it has no say


@pytest.mark.parametrize(
    ("language", "message"),
    [
        (NGram.train(["a"]), "pass name -> "),
        ({"lm": NGram.train(["a"])}, "pass .weight, language."),
        ({"lm": (1.0, "a.arpa")}, "'lm' is str"),
        ({"lm": (math.nan, NGram.train(["a"]))}, "weight nan"),
        ({"lm": (math.inf, NGram.train(["a"]))}, "weight inf"),
        ({"ctc": (1.0, NGram.train(["a"]))}, "'ctc': this is the name"),
        ({"x": (1.0, WordAutomaton(context_graph({"a": 1.0}).automaton, {"a": 0}))}, "'x': labels of its words"),
        ({"x": (1.0, WordAutomaton(context_graph({"a": 1.0}).automaton, {"": 1}))}, "'x': a word without letters"),
        (
            {"x": (1.0, WordAutomaton(context_graph({"a": 1.0}).automaton._replace(fail=np.zeros(2, np.int32)), {}))},
            "'x': automaton: the failure arcs",
        ),
        (
            {"x": (1.0, WordAutomaton(context_graph({"a": 1.0}).automaton._replace(final=np.full(2, -np.inf)), {}))},
            "'x': automaton: accepts no sentence",
        ),
    ],
)
def test_bad_languages_are_told(language, message):
    with pytest.raises(AsrlabError, match=message):
        BeamDecoder(LETTERS, BeamOptions(), language)


def test_languages_need_to_know_where_words_end():
    with pytest.raises(AsrlabError, match="pass lexicon="):
        BeamDecoder(PHONES, BeamOptions(), {"hot": (1.0, context_graph({"a": 1.0}))})


def test_half_a_hotword_changes_no_score_and_a_whole_one_earns_its_weight():
    """Every text that fits into six frames: the score with hotwords is the score without, and the phrases in it."""
    log_probs = random_log_probs(np.random.default_rng(3), 6, 4)
    options = BeamOptions(**{**EXACT, "nbest": 5000, "times": False})
    graphs = [context_graph(phrases) for phrases in ({}, {"a b": 3.0, "ab": 2.0, "a a a a": 50.0})]
    plain, hot = (BeamDecoder(LETTERS, options, {"hot": (1.0, graph)}).decode(log_probs) for graph in graphs)
    without = {h.text: h.score for h in plain}
    assert without.keys() == {h.text for h in hot}
    halves = wholes = 0
    for h in hot:
        words = h.text.split()
        earned = 3.0 * sum(pair == ("a", "b") for pair in itertools.pairwise(words)) + 2.0 * words.count("ab")
        assert h.score == pytest.approx(without[h.text] + earned, abs=1e-9)
        halves, wholes = halves + (earned == 0 and "a" in words), wholes + (earned > 0)
    assert min(halves, wholes) > 3
