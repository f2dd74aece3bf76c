"""Recipes: those of the package load, and what cannot be trained is refused before anything is loaded."""

import json

import pytest
import toy
import yaml

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.corpora import shards
from asrlab.corpora.manifest import save_manifest
from asrlab.training import recipe
from asrlab.training.recipe import Recipe


@pytest.mark.parametrize("name", recipe.names())
def test_the_recipes_of_the_package_load_and_name_corpora_that_exist(name):
    loaded = recipe.load(name)
    assert isinstance(loaded, Recipe)
    own = loaded.corpus == "recordings"  # stands for the folder that its user names
    assert own or loaded.corpus in corpora.names()
    assert set(loaded.corpus_options) <= set(corpora.options("manifest" if own else loaded.corpus))
    assert config.from_dict(Recipe, json.loads(json.dumps(config.to_dict(loaded)))) == loaded


def test_scenetalk_comes_with_the_package():
    assert "scenetalk" in recipe.names()
    assert recipe.load("scenetalk").corpus == "scenetalk"


def test_a_recipe_of_ones_own(tmp_path):
    path = tmp_path / "mine.yaml"
    model = {"branches": {"sound": {"kind": "lstm"}}}
    path.write_text(yaml.safe_dump({"corpus": "fsdd", "model": model, "speeds": [0.9, 1.1]}))
    mine = recipe.load(str(path))
    assert (mine.corpus, mine.model.branches["sound"].kind, mine.speeds) == ("fsdd", "lstm", (0.9, 1.1))
    written = tmp_path / "recipe.json"  # as it lies in the directory of a run
    written.write_text(json.dumps(config.to_dict(mine)))
    assert recipe.load(str(written)) == mine


def test_names_that_are_none():
    with pytest.raises(AsrlabError, match=r"recipe 'scentalk': there are .*scenetalk.*; or give the path of a YAML"):
        recipe.load("scentalk")
    with pytest.raises(AsrlabError, match=r"no\.yaml: no such file"):
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
        ("speeds=[20]", r"speeds=\(20.0,\): give 0.1 to 10"),
        ("precision=half", "precision='half': give one of auto, float32, bfloat16"),
        ("model.branches.sound.kind=rnn", "sound.kind='rnn': give one of cnn, lstm, transformer, conformer"),
        ("model.branches.sound.dim=30", "dim=30: not a multiple of 2 x heads=4"),
        ("model.branches.sound.heads=0", "model.branches.sound.heads=0: give a whole number, 1 to 10000"),
        ("model.branches.sound.subsampling=3", "subsampling=3: give one of 1, 2, 4, 8"),
        ("model.branches.sound.dropout=1", "dropout=1.0: give 0 to below 0.99"),
        ("model.branches.sound.left_chunks=-2", "left_chunks=-2: give a whole number, -1 or more"),
        ("objectives.ctc=-1", r"objectives=\{'ctc': -1.0\}: give 0 to 1000000"),
        ("objectives.inner_ctc=0.3", "the model has no such head; give model.inner_ctc=true"),
        ("objectives.attention=0.3", "the model has no such head; give model.decoder"),
        ("objectives.lips=1", "unknown 'lips'; there are ctc, inner_ctc, path, attention, consistency"),
        ("model.decoder={}", "nothing trains the attention head"),
        ("model.ctc=false", "the model has no head"),
        ("model.trunk={}", "trunk.subsampling=4: a trunk keeps the frames it gets"),
        ("search=psychic", "search='psychic': one of greedy"),
        ("model.decoder.label_smoothing=1", "label_smoothing=1.0"),
        ("model.decoder.dim=0", "model.decoder.dim=0: give a whole number, 1 to 16384"),
        ("inputs.sound.kind=wav", "inputs.sound.kind='wav': give one of log_mel, mfcc"),
        ("clip=.inf", "clip=inf: give above 0 to 1000000"),
        ("average_epochs=.inf", "average_epochs=inf"),
        ("learning_rate=1e9", "learning_rate=1000000000.0: give above 0 to 100"),
        ("workers=100000", "workers=100000: give a whole number, 0 to 256"),
        ("model.branches.sound.layers=100000", "layers=100000: give a whole number, 1 to 200"),
        ("model.branches.sound.kernel=100000", "kernel=100000"),
        ("beam.beam=1000000", "beam.beam=1000000: give a whole number, 1 to 100000"),
        ("language.order=1000000", "language.order=1000000"),
        ("epochs=99999999999999999999", "epochs=99999999999999999999: give a whole number, 1 to 1000000"),
        ("inputs.sound.dither=-1", "inputs.sound.dither=-1.0: give 0 to 1"),
        ("beam.beam=0", "beam=0"),
        ("spec_augment.time_fraction=2", "time_fraction=2.0"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, message):
    with pytest.raises(AsrlabError, match=message):
        config.override(Recipe(), [change])


def test_an_encoder_of_one_layer_has_no_middle():
    with pytest.raises(AsrlabError, match="no middle"):
        config.override(Recipe(), ["model.branches.sound.layers=1", "model.inner_ctc=true"])


def test_consistency_is_of_ctc():
    with pytest.raises(AsrlabError, match=r"consistency: it compares what the CTC head says"):
        config.override(Recipe(), ["model={ctc: false, decoder: {}}", "objectives={attention: 1, consistency: 0.2}"])


def test_two_directions_share_an_even_width():
    with pytest.raises(AsrlabError, match="dim=31: two directions share it"):
        config.override(Recipe(), ["model.branches.sound.kind=lstm", "model.branches.sound.dim=31"])
    config.override(Recipe(), ["model.branches.sound={kind: lstm, dim: 31, causal: true}"])


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


def test_paths_in_a_recipe_begin_at_its_folder(tmp_path, monkeypatch):
    said = toy.corpus(tmp_path, train=2, dev=1, test=1)
    project = tmp_path / "project"
    save_manifest(said["train"], project / "lamp" / "train.jsonl")
    (project / "hum").mkdir()
    (project / "first").mkdir()
    text = "corpus: lamp\ninit: first\nnoise: {kinds: [files], files: hum}\n"
    (project / "mine.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    found = recipe.load("project/mine.yaml")
    assert (found.corpus, found.init, found.noise.files) == ("project/lamp", "project/first", "project/hum")
    assert len(recipe.load_corpus(found)["train"]) == 2
    monkeypatch.chdir(project)
    assert recipe.load("mine.yaml").corpus == "lamp"
    (project / "an4").mkdir()  # a corpus by name stays one, and so does what is not there
    (project / "other.yaml").write_text("corpus: an4\ninit: scenetalk-las\n")
    assert (recipe.load("other.yaml").corpus, recipe.load("other.yaml").init) == ("an4", "scenetalk-las")


def test_a_folder_of_shards_is_a_corpus(tmp_path):
    said = toy.corpus(tmp_path, train=3, dev=1, test=1)
    for split, utterances in said.splits.items():
        shards.write(utterances, tmp_path / "packed" / split, per_shard=2)
    found = recipe.load_corpus(Recipe(corpus=str(tmp_path / "packed")))
    assert {split: [u.text for u in found[split]] for split in found.splits} == {
        split: [u.text for u in said[split]] for split in said.splits
    }
    with pytest.raises(AsrlabError, match="unknown option 'hold_out'"):
        recipe.load_corpus(Recipe(corpus=str(tmp_path / "packed"), corpus_options={"hold_out": {"dev": 0.1}}))
