"""Attention decoding: against enumeration of all texts, torch's CTC loss, and the decoder run on the known text."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.decode.attention import AttentionBeam, AttentionOptions, _empty_paths, _extend, token_log_probs
from asrlab.language import NGram, WordAutomaton, automaton, context_graph
from asrlab.models import AttentionDecoder, DecoderOptions

VOCABULARY, FRAMES = 4, 5


class Letters:
    tokens = ("<blank>", "▁a", "b", "▁c")


@dataclass(frozen=True)
class History:
    """The state of a decoder whose answer depends on the whole text so far."""

    texts: tuple[tuple[int, ...], ...]

    def select(self, rows):
        return History(tuple(self.texts[i] for i in rows.tolist()))


class Table:
    """A decoder that makes up, from the text so far, the probabilities of what follows."""

    def start(self, memory, lengths):
        return History(((),) * len(memory))

    def step(self, state, tokens):
        texts = tuple(
            (*text, int(token)) if text else (int(token),) for text, token in zip(state.texts, tokens, strict=True)
        )
        return torch.stack([self.follow(text[1:]) for text in texts]), History(texts)

    def __call__(self, memory, lengths, targets):
        text = tuple(targets[0].tolist())
        weights = torch.zeros(1, len(text) + 1, memory.shape[1])
        return torch.stack([self.follow(text[:i]) for i in range(len(text) + 1)])[None], weights

    @staticmethod
    def follow(text):
        seed = sum(3**i * v for i, v in enumerate(text, start=1)) + 7
        return torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(seed)).mul(2).log_softmax(dim=-1)

    def score(self, text):
        return sum(float(self.follow(text[:i])[v]) for i, v in enumerate([*text, 0]))


def ctc_score(log_probs, text):
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None], torch.tensor([text], dtype=torch.long).reshape(1, -1),
        torch.tensor([len(log_probs)]), torch.tensor([len(text)]), reduction="sum",
    )  # fmt: skip
    return -float(loss)


def all_texts(longest):
    for length in range(longest + 1):
        yield from itertools.product(range(1, VOCABULARY), repeat=length)


def random_log_probs(seed, frames=FRAMES):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(frames, VOCABULARY, generator=generator).double().log_softmax(-1).numpy()


@pytest.mark.parametrize("seed", range(5))
def test_prefix_score_is_the_probability_of_all_texts_that_begin_so(seed):
    log_probs = random_log_probs(seed)
    scores = {text: ctc_score(log_probs, text) for text in all_texts(FRAMES)}
    for text in all_texts(2):
        paths, last = _empty_paths(log_probs), -1
        for token in text:
            score, new = _extend(log_probs, paths, last, np.array([token]))
            paths, last = new[0], token
        if text:
            begun = [s for other, s in scores.items() if other[: len(text)] == text]
            assert score[0] == pytest.approx(np.logaddexp.reduce(begun), abs=1e-9)
        assert np.logaddexp(*paths[-1]) == pytest.approx(scores[text], abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_a_wide_beam_finds_the_best_of_all_texts(seed, weight):
    log_probs, table = random_log_probs(seed), Table()
    options = AttentionOptions(beam=300, ctc_weight=weight, length_bonus=0.2, nbest=3)
    found = AttentionBeam(table, Letters, options).decode(torch.zeros(FRAMES, 2), log_probs)
    expected = {
        text: (1 - weight) * table.score(text)
        + (weight * ctc_score(log_probs, text) if weight else 0.0)
        + 0.2 * len(text)
        for text in all_texts(FRAMES - 1)
    }
    best = sorted(expected, key=expected.get, reverse=True)[:3]
    assert [h.tokens for h in found] == best
    assert [h.score for h in found] == pytest.approx([expected[text] for text in best], abs=1e-5)
    assert found[0].parts["attention"] == pytest.approx(table.score(best[0]), abs=1e-5)


def spoken(text):
    """The words of tokens."""
    return "".join(Letters.tokens[v] for v in text).replace("▁", " ").split()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("weight", [None, 0.4])
@pytest.mark.parametrize("through", ["language", "extra"])
def test_languages_score_the_words_of_all_texts(seed, weight, through):
    log_probs, table = random_log_probs(seed), Table()
    # "b" may come first, "c" never twice, "a" at most once in a row
    grammar = WordAutomaton(
        automaton.build([{0: (-0.3, 0), 1: (0.2, 1)}, {0: (0.1, 0)}], [0.0, -0.4]), {"c": 1}, whole_vocabulary=True
    )
    languages = {
        "lm": (0.6, NGram.train(["ab c", "a", "a ab", "c c"], order=2)),
        "hot": (1.0, context_graph({"a c": 1.5, "cb": 1.0})),
        "grammar": (0.8, grammar),
    }
    options = AttentionOptions(beam=400, ctc_weight=weight or 0.0, length_bonus=0.2, nbest=3)
    heard = None if weight is None else log_probs
    if through == "language":
        found = AttentionBeam(table, Letters, options, language=languages).decode(torch.zeros(FRAMES, 2), heard)
    else:
        own = {"lm": languages.pop("lm")}
        found = AttentionBeam(table, Letters, options, language=own).decode(torch.zeros(FRAMES, 2), heard, languages)
        languages = own | languages

    def nats(text):
        return {
            name: automaton.score(
                one.automaton, int(one.automaton.start[0]), np.array([one.labels.get(w, 0) for w in spoken(text)], int)
            )
            for name, (_, one) in languages.items()
        }

    expected = {}
    for text in all_texts(FRAMES - 1):
        parts = nats(text)
        expected[text] = (1 - (weight or 0.0)) * table.score(text) + 0.2 * len(text)
        expected[text] += weight * ctc_score(log_probs, text) if weight else 0.0
        expected[text] += sum(w * parts[name] for name, (w, _) in languages.items())
    best = sorted(expected, key=expected.get, reverse=True)[:3]
    assert [h.tokens for h in found] == best
    assert [h.score for h in found] == pytest.approx([expected[text] for text in best], abs=1e-5)
    for name, value in nats(best[0]).items():
        assert found[0].parts[name] == pytest.approx(value, abs=1e-9)


def test_a_grammar_that_fits_nothing_leaves_the_empty_text():
    never = WordAutomaton(automaton.build([{1: (0.0, 1)}, {}], [-np.inf, 0.0]), {"zzz": 1})
    (found,) = AttentionBeam(Table(), Letters, language={"grammar": (1.0, never)}).decode(torch.zeros(FRAMES, 2))
    assert (found.text, found.score) == ("", -np.inf)


def test_without_ctc_the_decoder_decides_alone():
    table = Table()
    options = AttentionOptions(beam=300, length_bonus=0.0)
    (found,) = AttentionBeam(table, Letters, options).decode(torch.zeros(FRAMES, 2))
    assert found.tokens == max(all_texts(FRAMES - 1), key=table.score)
    assert "ctc" not in found.parts


def test_the_score_of_a_known_text_is_the_sum_of_its_steps():
    decoder = AttentionDecoder(6, VOCABULARY, DecoderOptions(dim=8, attention_dim=8)).eval()
    memory = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    texts = [(1, 2), (), (3,), (2, 1, 3, 3)]
    together = token_log_probs(decoder, memory, texts)
    for text, found in zip(texts, together, strict=True):
        state, total = decoder.start(memory[None], torch.tensor([7])), 0.0
        for before, after in itertools.pairwise([0, *text, 0]):
            step, state = decoder.step(state, torch.tensor([before]))
            total += float(step[0, after].detach())
        assert found == pytest.approx(total, abs=1e-4)
    assert token_log_probs(decoder, memory, []) == []


@pytest.mark.parametrize("joint", [False, True])
def test_a_real_decoder_gives_words_with_times_inside_the_recording(joint):
    torch.manual_seed(3)
    decoder = AttentionDecoder(6, VOCABULARY, DecoderOptions(dim=8, attention_dim=8)).eval()
    log_probs = random_log_probs(2, frames=9) if joint else None
    options = AttentionOptions(beam=4, length_bonus=3.0)
    (found,) = AttentionBeam(decoder, Letters, options, 0.04).decode(torch.randn(9, 6), log_probs)
    assert found.text == " ".join(word.text for word in found.words)
    assert found.words
    for word in found.words:
        assert 0 <= word.start < word.end <= 9 * 0.04 + 1e-9
        assert 0 < word.confidence <= 1


def test_bad_input_is_told():
    beam = AttentionBeam(Table(), Letters)
    with pytest.raises(AsrlabError, match="T >= 1"):
        beam.decode(torch.zeros(0, 2))
    with pytest.raises(AsrlabError, match="frame 2 is not finite"):
        beam.decode(torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, torch.nan]]))
    with pytest.raises(AsrlabError, match="V is 3"):
        beam.decode(torch.zeros(4, 2), np.zeros((4, 3), np.float32))
    with pytest.raises(AsrlabError, match="beam=0"):
        AttentionOptions(beam=0)
    with pytest.raises(AsrlabError, match="ctc_weight=2"):
        AttentionOptions(ctc_weight=2)
