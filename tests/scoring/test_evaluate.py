"""Evaluation: every way of decoding, its error rate as `score` gives it, and a report that one can read."""

import json
import math
from dataclasses import replace

import pytest
import torch
import toy

from asrlab.core.errors import AsrlabError
from asrlab.decode import greedy
from asrlab.recognizer import Recognizer
from asrlab.scoring import score
from asrlab.scoring.evaluate import Evaluation, dev_metrics, evaluate
from asrlab.training.loop import train

SAID = {"u1": "ab c", "u2": "d", "u3": "a b", "u4": "e"}
HEARD = {"beam": {"u1": "ab", "u2": "d", "u3": "a b", "u4": "e e"}, "lm": dict(SAID)}
SPEAKERS = dict.fromkeys(SAID, "s")


def test_the_figures_are_those_of_score():
    result = Evaluation(SAID, HEARD, SPEAKERS)
    assert result.wer("beam") == score.bootstrap(SAID, HEARD["beam"])
    assert result.wer("beam").value == 2 / 6
    metrics = result.metrics()
    assert set(metrics) - {"wer"} == {f"wer.{way}{end}" for way in HEARD for end in ("", ".low", ".high")}
    assert metrics["wer.beam"] == 2 / 6
    assert Evaluation(SAID, HEARD, SPEAKERS, "beam").metrics()["wer"] == 2 / 6
    assert metrics["wer.lm"] == metrics["wer.lm.low"] == 0.0
    assert metrics["wer.lm.high"] == pytest.approx(1.96**2 / (6 + 1.96**2), rel=1e-3)  # Wilson's, of six words


def test_where_words_are_not_spaced_characters_count():
    said = {"u1": "打开灯", "u2": "关上门", "u3": "你好"}
    heard = {"greedy": {**said, "u1": "打开"}, "beam": {**said, "u1": "打门", "u2": "关门"}}
    result = Evaluation(said, heard, SPEAKERS)
    assert result.unit == "character"
    assert result.metrics()["wer.greedy"] == 1 / 3 and result.metrics()["cer.greedy"] == 1 / 8
    assert result.metrics()["cer"] == result.error("beam").value == 3 / 8
    assert result.report(0).splitlines()[0].startswith("greedy       CER 12.50%")
    assert Evaluation(SAID, HEARD, SPEAKERS).error("beam") == Evaluation(SAID, HEARD, SPEAKERS).wer("beam")


def test_the_report_shows_what_was_misheard_first():
    lines = Evaluation(SAID, {"lm": HEARD["beam"]}, SPEAKERS).report(examples=3).splitlines()
    assert lines[0].startswith("lm           WER 33.33%   95% interval ")
    assert lines[1:3] == ["  said   ab c", "  heard  ab"]
    assert lines[3:5] == ["  said   e", "  heard  e e"]
    assert lines[5:] == ["  said   d", "  heard  d"]
    assert len(Evaluation(SAID, HEARD, SPEAKERS).report(examples=0).splitlines()) == 2


def test_one_utterance_has_an_error_rate_and_no_interval():
    one = Evaluation({"u1": "ab c"}, {"beam": {"u1": "ab"}}, {"u1": "s"})
    assert one.metrics() == {"wer": 0.5, "wer.beam": 0.5}
    assert one.report(0) == "beam         WER 50.00%"
    interval = score.measure({"u1": "ab c"}, {"u1": "ab"}, "character")
    assert interval.value == 0.5
    assert math.isnan(interval.low)
    assert score.shown(interval) == "50.00%"


def test_every_way_is_decoded(toy_run):
    recognizer, said = toy_run.recognizer, toy_run.corpus["test"]
    result = evaluate(recognizer, said)
    assert list(result.hypotheses) == ["greedy", "beam", "lm"]
    assert result.references == {u.id: u.text for u in said}
    assert result.speakers == {u.id: u.speaker for u in said}
    for utterance in said:
        (log_probs,) = recognizer.log_probs([utterance.load(recognizer.sample_rate)])
        text = greedy(log_probs, recognizer.tokenizer, recognizer.frame_seconds).text
        assert result.hypotheses["greedy"][utterance.id] == text
        assert result.hypotheses["lm"][utterance.id] == recognizer.decode(log_probs)[0].text
    with pytest.raises(AsrlabError, match="no utterances to decode: choose another split"):
        evaluate(recognizer, ())


def test_the_ways_of_a_recogniser(toy_run):
    r = toy_run.recognizer
    plain = Recognizer(r.inputs, r.model, r.tokenizer)
    assert list(plain.searches()) == ["greedy", "beam"]
    worded = Recognizer(r.inputs, r.model, r.tokenizer, lm=r.lm, lexicon=["ab", "c"]).searches()
    assert list(worded) == ["greedy", "beam", "lexicon", "lexicon_lm"]
    (heard,) = r.hear([toy_run.corpus["dev"][0].load(r.sample_rate)])
    alone = replace(r.beam, word_bonus=0.0)  # the bonus makes up for what a language model costs
    for way, beam, lm, lexicon in (
        ("beam", alone, None, None), ("lexicon", alone, None, ["ab", "c"]), ("lexicon_lm", r.beam, r.lm, ["ab", "c"])
    ):  # fmt: skip
        assert worded[way](heard) == r.with_decoder(beam, lm, lexicon).decode(heard.log_probs)[0]


def test_dev_metrics_count_errors_and_silence(toy_run):
    dev = toy_run.corpus["dev"]
    recognizer = toy_run.recognizer
    outputs = recognizer.log_probs([u.load(recognizer.sample_rate) for u in dev])
    heard = {u.id: recognizer.greedy(o).text for u, o in zip(dev, outputs, strict=True)}
    said = {u.id: u.text for u in dev}
    frames = sum(len(o) for o in outputs)
    silent = sum(int(row.argmax() == 0) for o in outputs for row in o)
    assert dev_metrics(recognizer, dev) == {
        "dev_wer": score.wer(said, heard), "dev_cer": score.cer(said, heard), "blank": silent / frames,
        "variety": len(set(heard.values())) / len(set(said.values())),
    }  # fmt: skip
    assert dev_metrics(recognizer, ()) == {}


def test_a_model_that_is_silent_has_only_blanks(toy_run):
    import copy

    model = copy.deepcopy(toy_run.recognizer.model)
    with torch.no_grad():
        model.ctc.bias[0] += 100.0
    r = toy_run.recognizer
    found = dev_metrics(Recognizer(r.inputs, model, r.tokenizer), toy_run.corpus["dev"])
    texts = {u.text for u in toy_run.corpus["dev"]}
    assert found == {"dev_wer": 1.0, "dev_cer": 1.0, "blank": 1.0, "variety": 1 / len(texts)}


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_attention_heads_are_trained_measured_and_used(tmp_path, share):
    """From `train` to a file's text, for attention alone and for both heads."""
    corpus = toy.corpus(tmp_path, train=12, dev=3, test=2)
    recipe = toy.recipe(toy.BOTH if share else toy.ATTENTION, epochs=2)
    recognizer = train(recipe, tmp_path / "run", corpus, progress=False, device="cpu")
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert ("blank" in line) == (share > 0)
    assert math.isfinite(line["dev_wer"])
    with_ctc = ["greedy", "beam", "attention", "joint"]
    assert list(recognizer.searches()) == (with_ctc if share else ["attention"])
    result = evaluate(recognizer, corpus["test"])
    said = corpus["test"][0]
    (heard,) = recognizer.hear([said.load(recognizer.sample_rate)])
    assert result.hypotheses["attention"][said.id] == recognizer.attend(heard, joint=False)[0].text
    back = Recognizer.load(tmp_path / "run")
    assert back.transcribe(said.source().path).text == recognizer.best(heard).text
