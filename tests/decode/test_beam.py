"""BeamDecoder = exact enumeration over all alignments (unlimited beam) = the plain Python reference (any options)."""

import itertools
import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest

from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.decode.reference import ReferenceDecoder
from asrlab.language import NGram

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


def enumerate_texts(log_probs, tokenizer, o, lm=None, lexicon=None):
    """Text -> exact best score."""
    best = defaultdict(lambda: -math.inf)
    for tokens, ctc in enumerate_ctc(log_probs).items():
        if lexicon is None:
            ways = ["".join(tokenizer.tokens[v] for v in tokens).replace("▁", " ").split()]
        else:
            ways = list(segmentations(tokens, [(s, w) for w, of in lexicon.items() for s in of]))
        for words in ways:
            score = ctc + o.word_bonus * len(words)
            if lm is not None:
                score += o.lm_weight * lm.logprob(words) - o.unknown_penalty * sum(w not in lm for w in words)
            best[" ".join(words)] = max(best[" ".join(words)], score)
    return best


@pytest.mark.parametrize(
    ("tokenizer", "lexicon", "with_lm", "bonus"),
    [
        (LETTERS, None, False, 0.0),
        (LETTERS, None, False, 0.7),
        (LETTERS, None, True, 0.7),
        (LETTERS, LETTER_LEXICON, False, -0.3),
        (LETTERS, LETTER_LEXICON, True, 0.5),
        (PHONES, PHONE_LEXICON, False, 0.2),
        (PHONES, PHONE_LEXICON, True, 0.2),
    ],
)
def test_unlimited_beam_is_exact_enumeration(tokenizer, lexicon, with_lm, bonus):
    rng = np.random.default_rng(3)
    words = list(lexicon or ("a", "ab", "bb", "ba"))
    lm = random_lm(rng, words) if with_lm else None
    o = BeamOptions(**EXACT, lm_weight=0.9, word_bonus=bonus, unknown_penalty=1.5)
    decoder = BeamDecoder(tokenizer, o, {"lm": (0.9, lm)} if lm else None, lexicon)
    for frames in (1, 2, 5, 6):
        log_probs = random_log_probs(rng, frames, len(tokenizer.tokens))
        expected = enumerate_texts(log_probs, tokenizer, o, lm, lexicon)
        found = decoder.decode(log_probs)
        assert {h.text: pytest.approx(h.score, abs=1e-9) for h in found} == dict(expected)
        assert [h.score for h in found] == sorted((h.score for h in found), reverse=True)


CASES = {
    "tokens": (LETTERS, None, False, 0.0),
    "bonus": (LETTERS, None, False, 1.0),
    "open": (PIECES, None, True, 0.5),
    "lexicon": (PIECES, PIECE_LEXICON, False, 0.5),
    "pieces": (PIECES, PIECE_LEXICON, True, 0.5),
    "phones": (PHONES, PHONE_LEXICON, True, 0.5),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_to_the_reference(case, dtype):
    tokenizer, lexicon, with_lm, bonus = CASES[case]
    rng = np.random.default_rng(7)
    words = list(lexicon or ("a", "ab", "abb", "cb"))
    for trial in range(25):
        lm = random_lm(rng, words, order=int(rng.integers(1 + (case == "phones"), 4))) if with_lm else None
        o = BeamOptions(
            beam=int(rng.choice([1, 2, 5, 12])), word_bonus=bonus,
            lm_weight=float(rng.choice([0.0, 0.4, 1.5][case == "phones" :])),
            unknown_penalty=float(rng.choice([0.0, 3.0])), token_threshold=float(rng.choice([2.0, 6.0, math.inf])),
            max_tokens=int(rng.choice([2, 50])), beam_threshold=float(rng.choice([3.0, 10.0, math.inf])),
            blank_threshold=float(rng.choice([0.9, 2.0])), nbest=4,
        )  # fmt: skip
        log_probs = random_log_probs(rng, int(rng.integers(1, 30)), len(tokenizer.tokens), rng.choice([0, 3, 6]), dtype)
        fast = BeamDecoder(tokenizer, o, lm, lexicon).decode(log_probs)
        slow = ReferenceDecoder(tokenizer, o, lm, lexicon).decode(log_probs)
        assert [h.text for h in fast] == [h.text for h in slow], (trial, o)
        for a, b in zip(fast, slow, strict=True):
            assert a.tokens == b.tokens
            assert a.score == pytest.approx(b.score, abs=1e-6)
            assert a.parts == {part: pytest.approx(b.parts[part], abs=1e-6) for part in a.parts}
