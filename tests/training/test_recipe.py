"""Recipes: those of the package load, and what cannot be trained is refused before anything is loaded."""

import json

import pytest
import toy
import yaml

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.corpora.manifest import save_manifest
from asrlab.training import recipe
from asrlab.training.recipe import Recipe


@pytest.mark.parametrize("name", recipe.names())
def test_the_recipes_of_the_package_load_and_name_corpora_that_exist(name):
    loaded = recipe.load(name)
    assert isinstance(loaded, Recipe)
    assert loaded.corpus in corpora.names()
    assert set(loaded.corpus_options) <= set(corpora.options(loaded.corpus))
    assert config.from_dict(Recipe, json.loads(json.dumps(config.to_dict(loaded)))) == loaded


def test_scenetalk_comes_with_the_package():
    assert "scenetalk" in recipe.names()
    assert recipe.load("scenetalk").corpus == "scenetalk"


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"corpus": "fsdd", "model": {"encoder": {"kind": "lstm"}}, "speeds": [0.9, 1.1]}))
    mine = recipe.load(str(path))
    assert (mine.corpus, mine.model.encoder.kind, mine.speeds) == ("fsdd", "lstm", (0.9, 1.1))
    written = tmp_path / "recipe.json"  # as it lies in the directory of a run
    written.write_text(json.dumps(config.to_dict(mine)))
    assert recipe.load(str(written)) == mine


def test_names_that_are_none():
    with pytest.raises(AsrlabError, match=r"recipe 'scentalk': there are .*scenetalk.*; or give the path of a YAML"):
        recipe.load("scentalk")
    with pytest.raises(AsrlabError, match=r"no.yaml: cannot be read"):
        recipe.load("no.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epochs=0", "epochs=0"),
        ("batch_seconds=-1", "batch_seconds=-1"),
        ("learning_rate=0", "learning_rate=0"),
        ("warmup_epochs=-1", "warmup_epochs=-1"),
        ("workers=-1", "workers=-1"),
        ("speeds=[]", r"speeds=\(\)"),
        ("speeds=[1.0, 0]", r"speeds=\(1.0, 0.0\)"),
        ("speeds=[20]", r"factors from 0.1 to 10"),
        ("precision=half", "precision='half': choose auto, float32 or bfloat16"),
        ("model.encoder.kind=rnn", "kind='rnn': choose one of cnn, lstm, transformer, conformer"),
        ("model.encoder.dim=30", "dim=30: not a multiple of 2 x heads=4"),
        ("model.encoder.heads=0", "heads=0: give 1 or more"),
        ("model.encoder.subsampling=3", "subsampling=3: choose 2, 4 or 8"),
        ("model.encoder.dropout=1", "dropout=1.0: give a probability"),
        ("model.encoder.left_chunks=-2", "left_chunks=-2: give -1 or more"),
        ("model.ctc_weight=1.5", "ctc_weight=1.5"),
        ("model.inner_weight=1", "inner_weight=1.0"),
        ("model.decoder.label_smoothing=1", "label_smoothing=1.0"),
        ("model.decoder.dim=0", "decoder dim=0"),
        ("front_end.kind=wav", "kind='wav'"),
        ("beam.beam=0", "beam=0"),
        ("spec_augment.time_fraction=2", "time_fraction=2.0"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, message):
    with pytest.raises(AsrlabError, match=message):
        config.override(Recipe(), [change])


def test_an_encoder_of_one_layer_has_no_middle():
    with pytest.raises(AsrlabError, match="no middle"):
        config.override(Recipe(), ["model.encoder.layers=1", "model.inner_weight=0.3"])


def test_consistency_is_of_ctc():
    with pytest.raises(AsrlabError, match=r"consistency=0.2: .*give model.ctc_weight above 0"):
        config.override(Recipe(), ["consistency=0.2", "model.ctc_weight=0"])


def test_two_directions_share_an_even_width():
    with pytest.raises(AsrlabError, match="dim=31 is odd"):
        config.override(Recipe(), ["model.encoder.kind=lstm", "model.encoder.dim=31"])
    config.override(Recipe(), ["model.encoder.kind=lstm", "model.encoder.dim=31", "model.encoder.causal=true"])


def test_a_corpus_by_name_or_by_path(tmp_path):
    said = toy.corpus(tmp_path, train=2, dev=1, test=1)
    folder = tmp_path / "mine"
    folder.mkdir()
    for split, utterances in said.splits.items():
        save_manifest(utterances, folder / f"{split}.jsonl")
    mine = recipe.load_corpus(Recipe(corpus=str(folder)))
    assert {split: [u.text for u in mine[split]] for split in mine.splits} == {
        split: [u.text for u in said[split]] for split in said.splits
    }
    one = recipe.load_corpus(Recipe(corpus=str(folder / "train.jsonl"), corpus_options={"verify": True}))
    assert [u.text for u in one["train"]] == [u.text for u in said["train"]]
    with pytest.raises(AsrlabError, match="corpus 'scentalk': no such manifest or folder, nor one of scenetalk"):
        recipe.load_corpus(Recipe(corpus="scentalk"))
    with pytest.raises(AsrlabError, match="unknown option 'minuts'"):
        recipe.load_corpus(Recipe(corpus="scenetalk", corpus_options={"minuts": 3}))
