"""The objective `path`: one way through the frames that is known from the times of the words."""

from dataclasses import replace

import pytest
import torch
import toy

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape, Stream
from asrlab.corpora import Corpus
from asrlab.corpora.base import note_of_times
from asrlab.models import EncoderOptions, Model, ModelOptions
from asrlab.text import WordTokenizer
from asrlab.training import objectives
from asrlab.training.batching import Batch, Speech, collate, token_path
from asrlab.training.loop import train

RECIPE = {"tokenizer": "word", "objectives": {"ctc": 0.5, "path": 0.5}}


def timed(corpus: Corpus) -> Corpus:
    """The toy corpus with the times of its words, which follow from how it is sung."""
    splits = {}
    for split, utterances in corpus.splits.items():
        found = []
        for u in utterances:
            words, at = [], toy.GAP
            for word in u.text.split():
                words.append((word, round(at, 3), round(at + toy.LETTER * len(word), 3)))
                at += toy.LETTER * len(word) + toy.GAP
            found.append(replace(u, notes={"words": note_of_times(words)}))
        splits[split] = tuple(found)
    return Corpus(corpus.name, splits, corpus.sample_rate)


def test_a_path_says_what_is_said_at_each_moment():
    path = token_path([(3, 0.02, 0.05), (4, 0.05, 0.06)], seconds=0.08)
    assert path.tolist() == [0, 0, 3, 3, 3, 4, 0, 0]
    assert token_path([(3, 0.02, 0.04)], 0.08, speed=2.0).tolist() == [0, 3, 0, 0]
    assert len(token_path([], 1.0)) == 0


def test_the_loss_is_that_of_the_path_and_nothing_where_it_is_not_known():
    one = EncoderOptions("cnn", 8, 1, kernel=3, subsampling=1)
    model = Model({"sound": Shape(4, 0.02)}, 5, ModelOptions({"sound": one})).eval()
    x = Stream(torch.randn(3, 4, 4), torch.tensor([4, 3, 4]))
    output = model({"sound": x})
    paths = Stream(torch.tensor([[0, 0, 2, 2, 2, 3, 0, 0], [1, 1, 1, 1, 4, 4, 0, 0], [0] * 8]), torch.tensor([8, 6, 0]))
    batch = Batch(("a", "b", "c"), {}, {"path": paths})
    found = objectives.path(model, output, batch)
    p = output.log_probs
    assert torch.allclose(found[0], -(p[0, 0, 0] + p[0, 1, 2] + p[0, 2, 3] + p[0, 3, 0]), atol=1e-5)
    assert torch.allclose(found[1], -(p[1, 0, 1] + p[1, 1, 1] + p[1, 2, 4]), atol=1e-5)
    assert found[2] == 0


def test_paths_are_read_only_where_somebody_asks(tmp_path):
    corpus = timed(toy.corpus(tmp_path, train=3, dev=0, test=0))
    tokenizer = WordTokenizer.fit([u.text for u in corpus["train"]])
    items = [Speech(corpus["train"], tokenizer, {"sound": 16000}, paths=ask)[0, 1.0] for ask in (False, True)]
    assert "path" not in collate(items[:1]).targets
    path = collate(items[1:]).targets["path"]
    spoken = [int(token) for token in torch.unique_consecutive(path.values[0]) if token]
    assert spoken == tokenizer.encode(corpus["train"][0].text) and path.lengths[0] == path.values.shape[1]


def test_training_follows_the_path(tmp_path):
    corpus = timed(toy.corpus(tmp_path, train=24, dev=2, test=2))
    rows = []
    recipe = toy.recipe(RECIPE, epochs=4)
    train(recipe, tmp_path / "run", corpus, progress=False, device="cpu", after_epoch=rows.append)
    assert rows[-1]["loss.path"] < 0.95 * rows[0]["loss.path"] and "loss.ctc" in rows[0]


def test_words_of_several_tokens_and_a_corpus_without_times(tmp_path):
    corpus = toy.corpus(tmp_path, train=3, dev=1, test=1)
    with pytest.raises(AsrlabError, match=r"objectives\.path: no utterance of 'toy' has times"):
        train(toy.recipe(RECIPE), tmp_path / "a", corpus, progress=False, device="cpu")
    letters = toy.recipe({"objectives": {"ctc": 0.5, "path": 0.5}})
    with pytest.raises(AsrlabError, match=r"objectives\.path: '\w+' of utterance.* tokens.*give tokenizer=word"):
        train(letters, tmp_path / "b", timed(corpus), progress=False, device="cpu")
    with pytest.raises(AsrlabError, match=r"objectives\.path: it teaches what the CTC head says"):
        toy.recipe(toy.ATTENTION, objectives={"attention": 1.0, "path": 1.0})


def test_sound_lips_dropout_jitter_and_path_together(tmp_path):
    corpus = timed(toy.shown(toy.corpus(tmp_path, train=8, dev=2, test=2), tmp_path))
    change = {"modality_dropout": {"sound": 0.4, "lips": 0.4}, "lips_augment": {"mirror": 0.5, "shift": 1}}
    lips = {"picture_rows": 4, "subsampling_channels": 16}
    model = {"model": {"branches": {"lips": lips}, "fusion": {"kind": "gate"}}}
    recipe = toy.recipe(toy.LIPS, model, RECIPE, change, epochs=2)
    recognizer = train(recipe, tmp_path / "run", corpus, progress=False, device="cpu")
    heard = recognizer.hear([recognizer.read(corpus["test"][0])])
    assert len(heard) == 1
