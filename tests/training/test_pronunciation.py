"""Which pronunciation was used? The model hears what its dictionary leaves open."""

import json

import numpy as np
import pytest
import torch
import toy
from safetensors import safe_open

from asrlab.corpora import Corpus
from asrlab.scratch import ctc
from asrlab.text import CharTokenizer, PhoneTokenizer
from asrlab.training.batching import Speech
from asrlab.training.loop import train
from asrlab.training.losses import InfeasibleError
from asrlab.training.pronunciation import choose_pronunciations, ctc_losses, guess_pronunciations, longest_targets

# "x" is sung as a or as d, "y" as b c or as c b; each tone is also the only one of a word of its own.
LEXICON = {"x": (("a",), ("d",)), "y": (("b", "c"), ("c", "b")), **{f"w{t}": ((t,),) for t in "abcd"}}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A corpus with a lexicon, and which pronunciation each of its words really had."""
    folder = tmp_path_factory.mktemp("toy")
    rng = np.random.default_rng(0)
    utterances, truth = [], {}
    for i in range(48):
        words = [str(w) for w in rng.choice(list(LEXICON), size=3, p=[0.12, 0.12, 0.19, 0.19, 0.19, 0.19])]
        chosen = tuple(int(rng.integers(len(LEXICON[w]))) if w in "xy" else 0 for w in words)
        sung = " ".join("".join(LEXICON[w][k]) for w, k in zip(words, chosen, strict=True))
        name = f"u{i}"
        utterances.append(toy.utterance(folder, name, " ".join(words), toy.sing(sung, rng)))
        truth[name] = chosen
    return Corpus("toy", {"train": tuple(utterances), "dev": tuple(utterances[:4])}, toy.RATE, LEXICON), truth


@pytest.fixture(scope="module")
def run(told, tmp_path_factory):
    corpus, _ = told
    directory = tmp_path_factory.mktemp("run")
    recipe = toy.recipe(tokenizer="phone", epochs=20, realign_epochs=6, average_epochs=0.5, dev_split="")
    return directory, train(recipe, directory, corpus, progress=False, device="cpu")


def wrong(found: dict, truth: dict) -> int:
    """How many words were given another pronunciation than they had."""
    return sum(a != b for name in truth for a, b in zip(found[name], truth[name], strict=True))


def test_training_finds_out_what_was_said(told, run):
    corpus, truth = told
    with safe_open(run[0] / "checkpoint.safetensors", "pt") as file:
        spoken = json.loads(file.metadata()["state"])["spoken"]
    found = {u.id: tuple(chosen) for u, chosen in zip(corpus["train"], spoken, strict=True)}
    second = sum(map(sum, truth.values()))  # so many words were not as the dictionary's first says
    assert second >= 10
    assert wrong(found, truth) <= second / 8


def test_a_fresh_start_is_corrected_once_and_then_stays(told, run):
    corpus, truth = told
    recognizer = run[1]
    speech = Speech(corpus["train"], recognizer.tokenizer, {"sound": toy.RATE})
    changed = choose_pronunciations(recognizer, speech)
    assert changed == sum(map(sum, speech.spoken))
    assert wrong(dict(zip((u.id for u in corpus["train"]), speech.spoken, strict=True)), truth) <= changed / 8
    for i, utterance in enumerate(corpus["train"]):
        spelled = [LEXICON[w][k] for w, k in zip(utterance.text.split(), speech.spoken[i], strict=True)]
        said = " ".join(phone for phones in spelled for phone in phones)
        assert recognizer.tokenizer.decode(speech.targets[i].tolist()) == said
    assert choose_pronunciations(recognizer, speech) <= changed / 8


def test_one_word_at_a_time_is_the_best_of_all_by_brute_force(told, run):
    corpus, _ = told
    recognizer = run[1]
    tokenizer = recognizer.tokenizer
    utterance = next(u for u in corpus["train"] if u.text.split().count("x") + u.text.split().count("y") == 1)
    words = utterance.text.split()
    (log_probs,) = recognizer.log_probs([utterance.load(toy.RATE)])
    at = next(i for i, w in enumerate(words) if w in "xy")
    spelled = [tokenizer.encode(utterance.text, [k if i == at else 0 for i in range(3)]) for k in range(2)]
    losses = [ctc.loss(log_probs.astype(np.float64), phones) for phones in spelled]
    speech = Speech([utterance], tokenizer, {"sound": toy.RATE})
    choose_pronunciations(recognizer, speech)
    assert speech.spoken[0][at] == int(np.argmin(losses))


def test_chance_is_even_and_a_function_of_seed_and_epoch(told):
    corpus, _ = told
    speech = Speech(corpus["train"], PhoneTokenizer(LEXICON), {"sound": toy.RATE})
    seen = []
    for epoch in range(20):
        guess_pronunciations(speech, seed=3, epoch=epoch)
        seen.append(list(speech.spoken))
    several = [k for spoken in seen for u, ks in zip(corpus["train"], spoken, strict=True)
               for word, k in zip(u.text.split(), ks, strict=True) if word in "xy"]  # fmt: skip
    assert sum(several) / len(several) == pytest.approx(0.5, abs=4 * 0.5 / len(several) ** 0.5)
    assert seen[0] != seen[1]
    guess_pronunciations(speech, seed=3, epoch=7)
    assert speech.spoken == seen[7]
    guess_pronunciations(speech, seed=4, epoch=7)
    assert speech.spoken != seen[7]


def test_the_longest_pronunciation_must_fit_in_too(told, tmp_path):
    corpus, _ = told
    u = corpus["train"][0]
    long = {**LEXICON, "x": (("a",), tuple("abcd" * 40))}
    said = Corpus("toy", {"train": (toy.utterance(tmp_path, "u", "x", u.load(toy.RATE)),)}, toy.RATE, long)
    speech = Speech(said["train"], PhoneTokenizer(long), {"sound": toy.RATE})
    assert [len(target) for target in longest_targets(speech)] == [160]
    with pytest.raises(InfeasibleError, match=r"utterance 'u'.* cannot hold L=160 tokens"):
        train(toy.recipe(tokenizer="phone", realign_epochs=1, dev_split=""), tmp_path, said, progress=False)


def test_losses_of_several_targets_are_those_of_each_alone():
    log_probs = torch.randn(9, 5, dtype=torch.float64).log_softmax(dim=-1)
    targets = [[1, 2], [3], [1, 1, 4, 2], [2] * 6]
    losses = ctc_losses(log_probs, targets)
    for target, loss in zip(targets[:3], losses, strict=False):
        assert loss.item() == pytest.approx(ctc.loss(log_probs.numpy(), target))
    assert losses[3] == float("inf")  # six times the same needs eleven frames


def test_nothing_to_choose_for_letters(toy_run):
    speech = Speech(toy_run.corpus["dev"], toy_run.recognizer.tokenizer, {"sound": toy.RATE})
    assert isinstance(toy_run.recognizer.tokenizer, CharTokenizer)
    assert choose_pronunciations(toy_run.recognizer, speech) == 0


def test_phones_become_words_by_their_lexicon_whether_named_or_not(told, run):
    from asrlab.scoring.evaluate import evaluate

    corpus, _ = told
    recognizer = run[1]
    assert isinstance(recognizer.tokenizer, PhoneTokenizer)
    assert set(recognizer.lexicon) == set(LEXICON)
    assert list(recognizer.searches()) == ["lexicon"]
    assert recognizer.tokenizer.spoken("x wb") == "a b"
    result = evaluate(recognizer, corpus["train"][:6])
    assert set(" ".join(result.hypotheses["lexicon"].values()).split()) <= set(LEXICON)
