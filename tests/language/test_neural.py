"""A neural language model: probabilities add up, step by step and over all texts, and reach a known optimum."""

import itertools
import math
import random

import pytest
import torch
from safetensors.torch import load_file, save_file

from asrlab.core.errors import AsrlabError
from asrlab.decode import Hypothesis
from asrlab.language import NGram
from asrlab.language.neural import NeuralLM, NeuralOptions
from asrlab.text import WORD

KINDS = [(kind, unit) for kind in ("lstm", "transformer") for unit in ("word", "char")]
TEXTS = ["turn left", "turn right now", "go", "turn left now", "go left"]


def tiny(kind, unit, **more):
    return NeuralOptions(kind=kind, unit=unit, **{"dim": 16, "heads": 2, "layers": 2, "epochs": 3, **more})


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def lm(request):
    return NeuralLM.train(TEXTS, tiny(*request.param))


def pieces(lm, text):
    if lm.options.unit == "word":
        return [WORD + word for word in text.split()]
    return [c for word in text.split() for c in WORD + word]


def test_a_sentence_is_the_sum_of_its_steps(lm):
    text, total = "turn left now", 0.0
    said = pieces(lm, text)
    for k, piece in enumerate(said):
        ids = [lm.tokenizer.tokens.index(p) for p in said[:k]]
        logits = lm.network(torch.tensor([[0, *ids]]))[0, -1].detach().double()
        total += float(logits.log_softmax(-1)[lm.tokenizer.tokens.index(piece)])
    total += lm.following(text)["</s>"]
    assert lm.logprob(text) == pytest.approx(total, abs=1e-4)


def test_what_may_follow_sums_to_one(lm):
    for beginning in ("", "turn", "turn left"):
        assert sum(math.exp(x) for x in lm.following(beginning).values()) == pytest.approx(1.0, abs=1e-9)


def test_a_sentence_scores_alike_alone_in_a_batch_and_as_a_hypothesis(lm):
    texts = [*TEXTS, "", "now now now now now now now"]
    alone = [lm.logprob(text) for text in texts]
    assert lm.logprobs(texts) == pytest.approx(alone, abs=1e-4)
    assert lm([Hypothesis(text, (), 0.0) for text in texts]) == pytest.approx(alone, abs=1e-4)
    assert lm.logprobs([text.split() for text in texts]) == pytest.approx(alone, abs=1e-4)


def test_all_short_texts_together_have_a_probability_below_one(lm):
    if lm.options.unit == "char":
        pytest.skip("too many texts of letters")
    words = [t.removeprefix(WORD) for t in lm.tokenizer.tokens[1:]]
    texts = [" ".join(t) for n in range(4) for t in itertools.product(words, repeat=n)]
    assert 0.5 < sum(math.exp(x) for x in lm.logprobs(texts)) < 1 + 1e-6


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_a_chain_is_learned_down_to_its_entropy(kind):
    """Each sentence is a word of two, then the same with 0.9, then its end: the best perplexity is known."""
    rng = random.Random(0)
    flip = {"a": "b", "b": "a"}

    def sentence():
        first = rng.choice("ab")
        return f"{first} {first if rng.random() < 0.9 else flip[first]}"

    lm = NeuralLM.train(
        [sentence() for _ in range(1000)], tiny(kind, "word", layers=1, epochs=4, batch=16, dropout=0.0)
    )
    entropy = math.log(2) - 0.9 * math.log(0.9) - 0.1 * math.log(0.1)
    exact = {"a a": 0.45, "b b": 0.45, "a b": 0.05, "b a": 0.05}
    cross = -sum(p * lm.logprob(text) for text, p in exact.items())
    assert cross >= entropy - 1e-6  # nothing can be better
    # 1000 draws of the flip have a standard deviation of 0.01, which costs some 0.0006 nats: the rest is slack.
    assert cross < entropy + 0.04


@pytest.mark.equation("perplexity")
def test_perplexity_counts_words_and_ends_as_the_n_gram_does():
    texts = ["a b", "a", "b a b"]
    lm = NeuralLM.train(texts, tiny("lstm", "char"))
    ngram = NGram.train(texts, order=2)
    for model in (lm, ngram):
        total = sum(model.logprob(text) for text in texts)
        assert model.perplexity(texts) == pytest.approx(math.exp(-total / 9), rel=1e-6)


def test_the_same_seed_learns_the_same_and_the_caller_draws_as_before():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, second, other = (NeuralLM.train(TEXTS, tiny("lstm", "word", seed=s)).logprob("turn left") for s in (1, 1, 2))
    assert torch.rand(1) == expected
    assert first == pytest.approx(second, abs=1e-5)
    assert abs(first - other) > 1e-3


def test_dev_text_keeps_the_best_epoch():
    options = tiny("lstm", "word", epochs=15, learning_rate=0.05, dropout=0.0)
    dev = ["go right now", "turn now"]
    last, kept = NeuralLM.train(TEXTS, options), NeuralLM.train(TEXTS, options, dev)
    assert kept.perplexity(dev) < last.perplexity(dev)


def test_unknown_words_have_a_probability_and_of_whole_words_all_the_same(lm):
    one, other = lm.logprobs(["turn zebra", "turn yak"])
    assert math.isfinite(one) and math.isfinite(other)
    if lm.options.unit == "word":
        assert one == pytest.approx(other, abs=1e-5)
    else:
        assert one < other  # more letters cost more


def test_words_of_the_vocabulary_are_known():
    lm = NeuralLM.train(TEXTS, tiny("lstm", "word"), vocabulary=["zebra"])
    assert WORD + "zebra" in lm.tokenizer.tokens


def test_saved_and_loaded_it_says_the_same(lm, tmp_path):
    lm.save(tmp_path)
    again = NeuralLM.load(tmp_path)
    assert again.logprobs(TEXTS) == pytest.approx(lm.logprobs(TEXTS), abs=1e-5)
    assert again.options == lm.options


def test_bad_files_are_refused_by_name(tmp_path):
    with pytest.raises(AsrlabError, match="no neural language model here"):
        NeuralLM.load(tmp_path)
    lm = NeuralLM.train(TEXTS, tiny("lstm", "word"))
    lm.save(tmp_path)
    path = tmp_path / "language.safetensors"
    weights = load_file(path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(AsrlabError, match=r"language\.safetensors: damaged"):
        NeuralLM.load(tmp_path)
    lm.network.out.weight.data[0, 0] = math.nan  # sealed as it is: the digest is right, the weights are not
    lm.save(tmp_path)
    with pytest.raises(AsrlabError, match=r"language\.safetensors: out\.weight holds values that are not finite"):
        NeuralLM.load(tmp_path)
    save_file({k: v for k, v in weights.items() if k != "out.bias"}, path)
    with pytest.raises(AsrlabError, match="damaged, or of another"):
        NeuralLM.load(tmp_path)


def test_bad_input_is_refused():
    with pytest.raises(AsrlabError, match="none"):
        NeuralLM.train([])
    with pytest.raises(AsrlabError, match="one string"):
        NeuralLM.train("turn left")
    with pytest.raises(AsrlabError, match="sentence mark"):
        NeuralLM.train(["<s> turn left </s>"])
    with pytest.raises(AsrlabError, match="even width"):
        NeuralOptions(kind="transformer", dim=10, heads=4)
    with pytest.raises(AsrlabError, match="at least one"):
        NeuralLM.train(TEXTS, tiny("lstm", "word")).perplexity([])
