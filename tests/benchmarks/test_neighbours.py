"""The benchmark of language models: weights never see what they are judged on, and lists keep all that can win."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from asrlab.decode import Hypothesis
from asrlab.decode.rescore import reweighted
from asrlab.scoring import score
from asrlab.scoring.surface import surface
from benchmarks import neighbours
from benchmarks.neighbours import Split

GRID = {"lm": (0.0, 0.5, 1.0, 2.0), "words": (-1.0, 0.0, 1.0)}
TEXTS = ["a b c", "a b", "b c", "c", "a c"]


def split(seed, speakers="xyz", each=6):
    rng = np.random.default_rng(seed)
    utterances, nbest = [], []
    for i, speaker in enumerate(speakers * each):
        said = str(rng.choice(TEXTS))
        utterances.append(SimpleNamespace(id=f"{speaker}{i}", text=said, speaker=speaker))
        nbest.append([
            Hypothesis(t, (), 0.0, {"ctc": float(rng.normal()), "lm": float(rng.normal()), "words": len(t.split())})
            for t in rng.choice(TEXTS, 4, replace=False).tolist()
        ])  # fmt: skip
    return Split(utterances, [None] * len(utterances), nbest)


def test_on_dev_the_best_weights_are_taken_to_test():
    dev, test = split(0), split(1)
    texts, chosen = neighbours.choose(dev, test, GRID, others=False)
    best = surface(dev.texts, dev.nbest, GRID, {"ctc": 1.0}).best
    assert chosen["weights"] == best
    assert texts == {u.id: reweighted(h, best)[0].text for u, h in zip(test.utterances, test.nbest, strict=True)}


def test_a_speakers_own_words_never_choose_its_weights():
    test = split(2)
    texts, chosen = neighbours.choose(test, test, GRID, others=True)
    for speaker in "xyz":
        mine = [u.speaker == speaker for u in test.utterances]
        rest_texts = [u.text for u, own in zip(test.utterances, mine, strict=True) if not own]
        rest = [h for h, own in zip(test.nbest, mine, strict=True) if not own]
        assert chosen["by_speaker"][speaker] == surface(rest_texts, rest, GRID, {"ctc": 1.0}).best
    changed = [
        SimpleNamespace(id=u.id, text="c c c" if u.speaker == "x" else u.text, speaker=u.speaker)
        for u in test.utterances
    ]
    _, again = neighbours.choose(
        Split(changed, test.heard, test.nbest), Split(changed, test.heard, test.nbest), GRID, True
    )
    assert again["by_speaker"]["x"] == chosen["by_speaker"]["x"]
    assert set(texts) == {u.id for u in test.utterances}


def test_what_is_kept_of_a_list_wins_wherever_the_list_wins():
    test = split(3)
    plane = surface(test.texts, test.nbest, GRID, {"ctc": 1.0})
    for u, h in zip(test.utterances, test.nbest, strict=True):
        kept = neighbours.kept(u, h, plane)
        texts = {row[0]: dict(zip(kept["parts"], row[1:], strict=True)) for row in kept["texts"]}
        for x, y in itertools.product(*GRID.values()):
            weights = {"ctc": 1.0, "lm": x, "words": y}
            best = reweighted(h, weights)[0].text
            left = max(texts, key=lambda t: sum(w * texts[t][name] for name, w in weights.items()))
            assert left == best


def test_figures_compare_every_system_with_none():
    test = split(4)
    said = {u.id: u.text for u in test.utterances}
    answers = {"none": {i: "a b c" for i in said}, "perfect": said}
    found = neighbours.figures(test, answers)
    assert found["wer.perfect"] == 0.0 and found["wer.none"] == pytest.approx(score.wer(said, answers["none"]))
    assert found["difference.perfect"] == pytest.approx(-found["wer.none"])
    assert found["difference.perfect.high"] <= 0


def test_typed_commands_are_none_that_was_spoken():
    typed = neighbours.typed_commands(set())
    assert len(typed) > 1000 and len(set(typed)) == len(typed)
    heldout = set(typed[:50])
    assert not heldout & set(neighbours.typed_commands(heldout))


def test_names_are_spelled(tmp_path, monkeypatch):
    (tmp_path / "census-names").mkdir()
    (tmp_path / "census-names" / "dist.all.last").write_text("SMITH 1.006 1.006 1\nLEE 0.2 1.2 2\n")
    monkeypatch.setenv("ASRLAB_DATA", str(tmp_path))
    assert neighbours.spelled_names() == ["s m i t h", "l e e"]


def test_texts_are_read_a_sentence_a_line(tmp_path):
    path = tmp_path / "texts"
    path.write_text("go left\n\n  go  \n", encoding="utf-8")
    assert neighbours.read_texts(path) == ["go left", "go"]
