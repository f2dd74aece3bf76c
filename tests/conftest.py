"""What several test modules share."""

from types import SimpleNamespace

import pytest
import torch


@pytest.fixture
def one_thread():
    """Torch with one thread: results repeat bit for bit, and small models are not slowed down by waiting."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def toy_run(tmp_path_factory):
    """The toy language, learned once: its corpus, recipe, directory, recogniser and log."""
    import json

    import toy

    from asrlab.training.loop import train

    folder = tmp_path_factory.mktemp("toy")
    corpus = toy.corpus(folder, train=48, dev=8, test=8)
    recipe = toy.recipe(epochs=20, average_epochs=1.0, language={"order": 2})
    lines = []
    recognizer = train(recipe, folder / "run", corpus, progress=False, device="cpu", after_epoch=lines.append)
    logged = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    assert logged == lines
    return SimpleNamespace(corpus=corpus, recipe=recipe, directory=folder / "run", recognizer=recognizer, log=logged)
