"""The packaged listen, attend and spell: it is what its receipt says, and hears voices that it never met."""

import pytest
from torch import nn

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.sources import PACKAGE
from asrlab.pages import course
from asrlab.scoring import receipt
from asrlab.training import recipe

RECEIPT = course.RESULTS / "scenetalk-las.json"


@pytest.fixture(scope="module")
def run():
    if not RECEIPT.exists():
        pytest.skip(f"{RECEIPT}: receipts travel with the repository, not with the package")
    return receipt.read(RECEIPT)


@pytest.fixture(scope="module")
def test_split():
    return corpora.load("scenetalk")["test"]


def test_it_is_small_and_has_the_three_layers_of_the_listing():
    las = course.packaged("scenetalk-las")
    decoder = las.model.decoder
    layers = [type(part) for part in (decoder.embed, decoder.lstm, decoder.out)]
    assert layers == [nn.Embedding, nn.LSTMCell, nn.Linear]
    assert las.model.options.branches["sound"].kind == "lstm"
    folder = PACKAGE / "pretrained" / "scenetalk-las"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 5e6


def test_the_receipt_is_of_the_recipe_and_of_committed_code(run):
    assert config.from_dict(recipe.Recipe, run["recipe"]) == recipe.load("scenetalk-las")
    assert "dirty" not in run["commit"] and run["command"].startswith("asrlab train scenetalk-las")


def test_the_receipt_can_be_rescored_and_attention_beats_ctc_alone(run, test_split):
    rates = receipt.rescore(run, {u.id: u.text for u in test_split})
    for way, rate in rates.items():
        assert run["metrics"][f"wer.{way}"] == pytest.approx(rate)
    assert max(rates["attention"], rates["joint"]) < rates["greedy"]


def test_the_packaged_weights_write_what_the_receipt_says(run, test_split, one_thread):
    """In 16 bits and on another machine a close decision may fall otherwise: one of twelve."""
    las = course.packaged("scenetalk-las")
    some = test_split[::9]
    written = [las.best(heard).text for heard in las.hear([las.read(u) for u in some])]
    noted = [run["hypotheses"][las.search][u.id] for u in some]
    assert sum(a != b for a, b in zip(written, noted, strict=True)) <= 1


def test_an_unknown_name_is_told_what_there_is():
    with pytest.raises(AsrlabError, match=r"las: no recogniser here; .* the packaged an4, .*scenetalk-las"):
        course.packaged("las")
