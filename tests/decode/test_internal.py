"""The internal model taken out: the search finds what enumeration finds, and estimates are what they should be."""

import itertools
import math
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.decode import BeamDecoder, BeamOptions, Hypothesis
from asrlab.decode.attention import AttentionBeam, AttentionOptions, token_log_probs
from asrlab.decode.internal import LessInternal, ZeroContext, divided_by_prior, label_prior
from asrlab.language import NGram
from asrlab.models.decoder import AttentionDecoder, DecoderOptions

LETTERS = SimpleNamespace(tokens=("<blank>", "▁a", "▁b", "c"))
LEXICON = {"a": [(1,)], "b": [(2,)], "ac": [(1, 3)], "bc": [(2, 3)]}
SPOKEN = {spelling: word for word, (spelling,) in LEXICON.items()}
EXACT = BeamOptions(
    beam=10_000, token_threshold=math.inf, max_tokens=100, beam_threshold=math.inf, blank_threshold=2.0, nbest=500,
    unknown_penalty=0.0, word_bonus=0.4,
)  # fmt: skip


def random_log_probs(seed, frames=5, size=4):
    logits = np.random.default_rng(seed).normal(size=(frames, size))
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def texts_of(table):
    """Text -> log of the summed score of its paths, from every path over a table (T, V), whatever its rows sum to."""
    total = defaultdict(lambda: -math.inf)
    for path in itertools.product(range(table.shape[1]), repeat=len(table)):
        tokens = [v for i, v in enumerate(path) if v and (i == 0 or v != path[i - 1])]
        words, word = [], ()
        for v in tokens:
            if v != 3:
                words, word = [*words, word] if word else words, (v,)
            else:
                word = (*word, v)
        words = [*words, word] if word else words
        if all(w in SPOKEN for w in words):
            text = " ".join(SPOKEN[w] for w in words)
            total[text] = np.logaddexp(total[text], table[np.arange(len(table)), path].sum())
    return total


EXTERNAL = NGram.train(["a bc", "a bc a", "bc", "b ac bc"], order=2, vocabulary=LEXICON)
INTERNAL = NGram.train(["b b", "ac ac b", "b a b", "ac"], order=2, vocabulary=LEXICON)


@pytest.mark.equation("fusion-corrected")
@pytest.mark.parametrize(("lam", "mu"), [(0.7, 0.5), (1.0, 1.0), (0.0, 0.8), (0.6, 0.0), (1.5, 2.0)])
def test_density_ratio_in_the_search_is_its_definition(lam, mu):
    for seed in range(3):
        table = random_log_probs(seed)
        decoder = BeamDecoder(LETTERS, EXACT, {"lm": (lam, EXTERNAL), "internal": (-mu, INTERNAL)}, LEXICON)
        found = decoder.decode(table)
        expected = {
            text: ctc + lam * EXTERNAL.logprob(text) - mu * INTERNAL.logprob(text) + 0.4 * len(text.split())
            for text, ctc in texts_of(table).items()
        }
        best = sorted(expected, key=expected.get, reverse=True)
        assert [h.text for h in found[:5]] == best[:5]
        assert [h.score for h in found[:5]] == pytest.approx([expected[t] for t in best[:5]], abs=1e-6)


def test_pruning_is_not_misled_by_a_language_that_is_taken_away():
    """Where the sound is clear, a beam of 32 finds what a search that drops nothing does, whatever a weight's sign."""
    narrow = BeamOptions(beam=32, unknown_penalty=0.0, word_bonus=0.4)
    languages = {"lm": (0.7, EXTERNAL), "internal": (-0.5, INTERNAL)}
    for seed in range(20):
        logits = np.random.default_rng(seed).normal(size=(5, 4))
        logits[np.arange(5), [1, 3, 0, 2, 3]] += 4.0
        table = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        best, found = (BeamDecoder(LETTERS, o, languages, LEXICON).decode(table)[0] for o in (EXACT, narrow))
        assert found.text == best.text
        assert best.score - 0.2 < found.score <= best.score + 1e-9  # of its paths the unlikely ones are left out


def test_a_closed_vocabulary_may_not_be_taken_away(tmp_path):
    path = tmp_path / "closed.arpa"
    INTERNAL.write_arpa(path)
    path.write_text(
        "".join(line for line in path.read_text().splitlines(True) if "<unk>" not in line).replace(
            f"ngram 1={len(INTERNAL.words)}", f"ngram 1={len(INTERNAL.words) - 1}"
        )
    )
    closed = NGram.read_arpa(path)
    BeamDecoder(LETTERS, EXACT, {"lm": (0.5, closed)}, LEXICON)
    with pytest.raises(AsrlabError, match=r"'internal': weight -0\.5 and a closed vocabulary"):
        BeamDecoder(LETTERS, EXACT, {"internal": (-0.5, closed)}, LEXICON)


@pytest.mark.equation("label-prior")
def test_the_label_prior_is_the_mean_posterior():
    tables = [random_log_probs(seed, frames) for seed, frames in ((0, 5), (1, 9))]
    prior = label_prior(tables)
    assert np.exp(prior) == pytest.approx(np.exp(np.concatenate(tables)).mean(axis=0))
    never = np.log([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], where=[[True, False, False]] * 2, out=np.full((2, 3), -np.inf))
    assert np.isfinite(label_prior([never])).all()


@pytest.mark.equation("prior-divided")
@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_dividing_by_the_prior_ranks_texts_as_its_definition_does(weight):
    prior = label_prior([random_log_probs(seed) for seed in range(20, 24)])
    for seed in range(4):
        table = random_log_probs(seed)
        divided = divided_by_prior(table, prior, weight)
        assert np.logaddexp.reduce(divided, axis=1) == pytest.approx(0.0, abs=1e-9)
        found = BeamDecoder(LETTERS, EXACT, None, LEXICON).decode(divided)
        expected = {t: s + 0.4 * len(t.split()) for t, s in texts_of(table - weight * prior).items()}
        best = sorted(expected, key=expected.get, reverse=True)
        assert [h.text for h in found[:5]] == best[:5]
        # Scores differ by one constant, the same for every text.
        shifts = [h.score - expected[h.text] for h in found[:5]]
        assert max(shifts) - min(shifts) < 1e-6


def make_decoder():
    torch.manual_seed(5)
    return AttentionDecoder(6, 4, DecoderOptions(dim=8, attention_dim=8)).eval()


def test_zero_context_is_a_language_model():
    """Its steps sum to 1, they do not depend on any sound, and with the context's weights at 0 it is the decoder."""
    decoder = make_decoder()
    internal = ZeroContext(decoder, 6)
    texts = [text for n in range(4) for text in itertools.product((1, 2, 3), repeat=n)]
    nats = internal([Hypothesis("", text, 0.0) for text in texts])
    assert 0 < sum(math.exp(x) for x in nats) < 1
    with torch.no_grad():
        decoder.lstm.weight_ih[:, 8:] = 0.0
        decoder.out.weight[:, 8:] = 0.0
    deaf = token_log_probs(decoder, torch.randn(7, 6), texts)
    assert deaf == pytest.approx(nats, abs=1e-4)


def test_attention_less_its_internal_model_finds_what_enumeration_finds():
    decoder = make_decoder()
    memory = torch.randn(4, 6, generator=torch.Generator().manual_seed(2))
    internal = ZeroContext(decoder, 6)
    options = AttentionOptions(beam=500, length_bonus=0.0, nbest=5)
    for weight in (0.0, 0.6):
        found = AttentionBeam(LessInternal(decoder, weight), LETTERS, options).decode(memory)
        expected = {}
        for text in (t for n in range(4) for t in itertools.product((1, 2, 3), repeat=n)):
            (silent,) = internal([Hypothesis("", text, 0.0)])
            expected[text] = token_log_probs(decoder, memory, [text])[0] - weight * silent
        best = sorted(expected, key=expected.get, reverse=True)
        assert found[0].tokens == best[0]
        assert found[0].score == pytest.approx(expected[best[0]], abs=1e-4)


def test_bad_input_is_refused():
    table = random_log_probs(0)
    with pytest.raises(AsrlabError, match="none"):
        label_prior([])
    with pytest.raises(AsrlabError, match="sum to"):
        label_prior([table * 0.1])
    with pytest.raises(AsrlabError, match=r"prior \(3,\)"):
        divided_by_prior(table, np.zeros(3), 0.5)
    with pytest.raises(AsrlabError, match="finite"):
        divided_by_prior(table, np.array([0.0, -np.inf, 0.0, 0.0]), 0.5)
    with pytest.raises(AsrlabError, match="weight=nan"):
        divided_by_prior(table, np.zeros(4), math.nan)
