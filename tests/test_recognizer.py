"""The recogniser: what is saved is what is loaded, files of any length are written down, bad input is told by name."""

import itertools
import json
import math
import os
import shutil

import numpy as np
import pytest
import soundfile
import torch
import toy
from safetensors.torch import load_file, save_file

from asrlab.core import sealed
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape
from asrlab.decode import BeamOptions
from asrlab.language import Hotword, NGram
from asrlab.models import Model
from asrlab.recognizer import Recognizer
from asrlab.scoring import score
from asrlab.signals import audio
from asrlab.signals.features import FrontEndOptions
from asrlab.signals.inputs import InputOptions

RATE = toy.RATE


@pytest.fixture(scope="module")
def recognizer(toy_run):
    return toy_run.recognizer


def sung(text: str, seed: int = 0) -> np.ndarray:
    return toy.sing(text, np.random.default_rng(seed))


# --- save and load ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", [False, True])
def test_there_and_back(recognizer, tmp_path, half):
    changed = recognizer.with_decoder(BeamOptions(beam=7), recognizer.lm, ["ab", "c"])
    changed.save(tmp_path / "new" / "model", half)
    back = Recognizer.load(tmp_path / "new" / "model")
    assert back.inputs == recognizer.inputs
    assert back.model.options == recognizer.model.options
    assert back.tokenizer.to_dict() == recognizer.tokenizer.to_dict()
    assert (back.beam, back.lexicon) == (BeamOptions(beam=7), ("ab", "c"))
    assert back.lm.logprob("ab c") == pytest.approx(recognizer.lm.logprob("ab c"), abs=1e-6)
    x = [sung("ab c"), sung("de")]
    for a, b in zip(recognizer.log_probs(x), back.log_probs(x), strict=True):
        assert np.array_equal(a, b) if not half else np.abs(np.exp(a) - np.exp(b)).max() < 5e-3
    assert back.transcribe(sung("ab c"), RATE).text == changed.transcribe(sung("ab c"), RATE).text == "ab c"


# --- further words ----------------------------------------------------------------------------------------------------


def test_a_word_that_the_lexicon_lacks_is_heard_once_it_is_added(recognizer, tmp_path):
    narrow = recognizer.with_decoder(BeamOptions(), None, ["ab", "c"])
    assert narrow.transcribe(sung("ed c"), RATE).text != "ed c"
    wide = narrow.add_words({"ed": (), "c": ()})
    assert wide.lexicon == ("ab", "c", "ed")
    assert wide.transcribe(sung("ed c"), RATE).text == "ed c"
    assert narrow.lexicon == ("ab", "c")
    wide.save(tmp_path)
    assert Recognizer.load(tmp_path).transcribe(sung("ed c"), RATE).text == "ed c"
    with pytest.raises(AsrlabError, match="this recogniser has no lexicon: it answers with any word already"):
        recognizer.add_words({"ed": ()})
    with pytest.raises(AsrlabError, match="character 'z' in 'zebra'"):
        narrow.add_words({"zebra": ()})


def test_a_word_of_phones_is_said_as_told_or_as_the_lexicon_says_others():
    r = Recognizer.load()  # phones
    tokens = r.tokenizer.tokens
    more = r.add_words(
        {"seventeenth": (), "data": (("D", "EY", "T", "AH"), ("D", "AE", "T", "AH")), "nine": (("N", "IY"),)}
    )
    assert more.tokenizer.tokens == tokens  # the model's outputs mean what they meant
    assert more.tokenizer.lexicon["data"] == (("D", "EY", "T", "AH"), ("D", "AE", "T", "AH"))
    assert more.tokenizer.lexicon["nine"] == (*r.tokenizer.lexicon["nine"], ("N", "IY"))
    (guess,) = more.tokenizer.lexicon["seventeenth"]
    assert guess[:5] == r.tokenizer.lexicon["seven"][0]
    assert set(more.lexicon) == {*r.lexicon, "seventeenth", "data"}
    with pytest.raises(AsrlabError, match="word 'data': no phone 'XX'; one of AA AE"):
        r.add_words({"data": (("XX",),)})


# --- hotwords ---------------------------------------------------------------------------------------------------------


def test_hotwords_are_a_search_of_their_own_that_answers(recognizer):
    r = recognizer.with_decoder(BeamOptions(beam=30), recognizer.lm, ["ab", "c"])
    expecting = r.with_hotwords([Hotword(("ab dee",), 30.0)])
    assert list(expecting.searches()) == [*r.searches(), "hotwords"]
    heard = r.hear([sung("ab de")])[0]
    assert "dee" not in r.best(heard).text  # the lexicon lacks it
    best = expecting.best(heard)
    assert best.text == "ab dee"
    assert best.parts["hotwords"] == pytest.approx(30.0)
    others = {name: way(heard) for name, way in expecting.searches().items() if name != "hotwords"}
    assert others == {name: way(heard) for name, way in r.searches().items()}


def test_no_hotwords_change_nothing_and_the_own_weight_counts(recognizer):
    heard = recognizer.hear([sung("ab c")])[0]
    plain, none = recognizer.searches()["lm"](heard), recognizer.with_hotwords([]).best(heard)
    assert (none.text, none.score) == (plain.text, plain.score)
    for weight, earned in ((None, 2.5), (1.0, 1.0)):
        best = recognizer.with_hotwords([Hotword(("ab",), weight)], 2.5).best(heard)
        assert (best.text, best.parts["hotwords"]) == ("ab c", pytest.approx(earned))


def test_what_hotwords_cannot_be(recognizer, tmp_path):
    for hotwords, weight, message in (
        ([Hotword(("abc",))], math.nan, "hotword weight nan"),
        ([Hotword(("xyz",))], 1.0, "'xyz': the recogniser has no letter 'x'"),
        ([Hotword(("ab",)), Hotword(("ab",))], 1.0, "there twice"),
        ([Hotword(("ab",), math.inf)], 1.0, "weight inf"),
    ):
        with pytest.raises(AsrlabError, match=message):
            recognizer.with_hotwords(hotwords, weight)
    with pytest.raises(AsrlabError, match="hotwords is not saved"):
        recognizer.with_hotwords([]).save(tmp_path)


# --- size -------------------------------------------------------------------------------------------------------------


def test_half_is_half(recognizer, tmp_path):
    for half in (False, True):
        recognizer.save(tmp_path / str(half), half)
    whole, small = ((tmp_path / str(half) / "model.safetensors").stat().st_size for half in (False, True))
    assert small < 0.6 * whole
    assert os.stat(tmp_path / "True" / "model.safetensors").st_mode & 0o400


def test_without_language_model_or_lexicon(recognizer, tmp_path):
    recognizer.with_decoder().save(tmp_path)
    back = Recognizer.load(tmp_path)
    assert (back.lm, back.lexicon) == (None, None)
    assert sorted(os.listdir(tmp_path)) == ["model.safetensors", "recognizer.json"]


@pytest.fixture
def saved(recognizer, tmp_path):
    recognizer.save(tmp_path)
    return tmp_path


def test_a_directory_that_is_none(saved):
    with pytest.raises(AsrlabError, match=r"nowhere/recognizer.json: no recogniser here; give a directory"):
        Recognizer.load(saved / "nowhere")
    for name in ("model.safetensors", "lm.arpa"):
        shutil.copytree(saved, saved / "copy")
        (saved / "copy" / name).unlink()
        with pytest.raises(AsrlabError, match=name):
            Recognizer.load(saved / "copy")
        shutil.rmtree(saved / "copy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "damaged"),
        ('{"format": 3', "damaged"),
        ("[" * 100_000, "damaged"),
        ("[1]", "format 'list', this version reads 3"),
        ('{"format": 99}', "format 99, this version reads 3; train again or change versions"),
        ('{"name": "something else"}', "format None"),
        ('{"format": 3, "model": {}}', "damaged, it lacks inputs, tokenizer, beam, attention, search"),
    ],
)
def test_a_description_that_is_none(saved, text, message):
    (saved / "recognizer.json").write_text(text)
    with pytest.raises(AsrlabError, match=rf"recognizer.json: {message}"):
        Recognizer.load(saved)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("model", "branches", "sound", "dims"), 3, "recognizer.json: model: branches.sound: unknown key 'dims'"),
        (("inputs", "sound", "hop_ms"), "x", "recognizer.json: inputs: sound.hop_ms='x': expected float"),
        (("beam", "beam"), 0, "recognizer.json: beam: beam=0: give a whole number"),
        (("tokenizer", "kind"), "runes", "recognizer.json: tokenizer kind 'runes'"),
        (("tokenizer",), 3, "recognizer.json: "),
        (("tokenizer", "tokens"), "abc", "recognizer.json: tokens: expected a list of texts"),
        (("tokenizer", "tokens"), [1, 2], "recognizer.json: tokens: expected a list of texts"),
        (("lexicon",), "ab", "recognizer.json: lexicon='ab': expected a list of words, or null"),
        (("lexicon",), {"ab": 1}, "recognizer.json: lexicon=.*: expected a list of words, or null"),
        (("search",), "guess", "recognizer.json: search='guess': this recogniser has"),
        (("language_model",), 1, "recognizer.json: language_model=1: expected bool"),
        (("files",), {}, "recognizer.json: files={}: expected the digests of model.safetensors, lm.arpa"),
        (
            ("model", "branches", "sound", "layers"),
            100_000,
            "branches.sound.layers=100000: give a whole number, 1 to 200",
        ),
        (("model", "branches", "sound", "layers"), 3, r"model.safetensors: weights of another model than"),
        (("model", "branches", "sound", "dim"), 34, r"model.safetensors: weights of another model than"),
    ],
)
def test_a_description_that_was_changed(saved, path, value, message):
    described = json.loads((saved / "recognizer.json").read_text())
    here = described
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    (saved / "recognizer.json").write_text(json.dumps(described))
    with pytest.raises(AsrlabError, match=rf"{message}|was changed since it was written; copy the whole folder again"):
        Recognizer.load(saved)
    if path != ("files",):
        reseal(saved, described)
        with pytest.raises(AsrlabError, match=message):
            Recognizer.load(saved)


def reseal(folder, described) -> None:
    """Note new digests, as somebody who wants to be believed would."""
    files = list(described["files"])
    sealed.write(
        folder / "recognizer.json", {k: v for k, v in described.items() if k not in ("files", "digest")}, files
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [(("inputs", "sound", "sample_rate"), 8000), (("inputs", "sound", "floor"), 1e-3), (("beam", "beam"), 3)],
)
def test_a_description_that_still_fits_but_is_another(saved, path, value):
    """The weights do not know at which rate they were trained; the digest does."""
    described = json.loads((saved / "recognizer.json").read_text())
    described[path[0]][path[1]] = value if len(path) == 2 else {**described[path[0]][path[1]], path[2]: value}
    (saved / "recognizer.json").write_text(json.dumps(described))
    with pytest.raises(AsrlabError, match=r"recognizer.json: was changed since it was written; copy the whole"):
        Recognizer.load(saved)


def test_files_of_another_recogniser(saved):
    for name in ("model.safetensors", "lm.arpa"):
        whole = (saved / name).read_bytes()
        (saved / name).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(AsrlabError, match=rf"{name}: damaged, or of another recogniser than recognizer.json"):
            Recognizer.load(saved)
        (saved / name).write_bytes(whole)
    Recognizer.load(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w | {"ctc.bias": w["ctc.bias"] * math.nan}, "ctc.bias holds values that are not finite"),
        (lambda w: w | {"ctc.bias": w["ctc.bias"].to(torch.int8)}, r"ctc.bias: torch.int8, not torch.float32"),
        (lambda w: w | {"ctc.bias": w["ctc.bias"][:-1]}, r"ctc.bias: \[\d\], not \[\d\]"),
        (lambda w: w | {"more": torch.zeros(1)}, "more is in one of them alone"),
    ],
)
def test_weights_that_do_not_fit_though_their_digest_does(saved, change, message):
    path = saved / "model.safetensors"
    save_file(change(load_file(path)), path)
    reseal(saved, json.loads((saved / "recognizer.json").read_text()))
    with pytest.raises(AsrlabError, match=rf"model.safetensors: .*{message}"):
        Recognizer.load(saved)


def test_a_language_model_of_other_words(recognizer, saved):
    recognizer.with_decoder(lm=NGram.train(["yes no"], 2), lexicon=["ab", "c"]).save(saved)
    with pytest.raises(AsrlabError, match=r"lm.arpa: knows no word of the lexicon"):
        Recognizer.load(saved)


def test_weights_that_are_damaged_or_of_others(saved):
    path = saved / "model.safetensors"
    whole = path.read_bytes()
    for data in (b"", whole[:100], whole[: len(whole) // 2], b"\x00" * 64, np.random.default_rng(0).bytes(5000)):
        path.write_bytes(data)
        with pytest.raises(AsrlabError, match=r"model.safetensors: damaged, or of another recogniser"):
            Recognizer.load(saved)
        reseal(saved, json.loads((saved / "recognizer.json").read_text()))
        with pytest.raises(AsrlabError, match=r"model.safetensors: .*damaged|weights of another model"):
            Recognizer.load(saved)


def test_a_place_that_cannot_be_written(recognizer, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(AsrlabError, match=r"file/model\.safetensors: cannot be written"):
        recognizer.save(tmp_path / "file")
    with pytest.raises(AsrlabError, match=r"file/model/model\.safetensors: cannot be written"):
        recognizer.save(tmp_path / "file" / "model")
    assert (tmp_path / "file").read_text() == "mine"


# --- log-probabilities ------------------------------------------------------------------------------------------------


def test_log_probabilities_are_those_of_each_utterance_alone(recognizer, monkeypatch):
    x = [sung(text, i) for i, text in enumerate(["ab c", "e", "abc de bad", "d", "ba"])]
    alone = [recognizer.log_probs([w])[0] for w in x]
    for limit in (60.0, 2.0):  # one batch, several
        monkeypatch.setattr("asrlab.recognizer.BATCH_SECONDS", limit)
        for a, b in zip(recognizer.log_probs(x), alone, strict=True):
            assert a.shape == b.shape
            assert np.allclose(a, b, atol=1e-4)
    assert recognizer.log_probs([]) == []
    frames = 1 + (len(x[0]) - 400) // 160
    assert alone[0].shape == (-(-frames // 4), len(recognizer.tokenizer))
    assert np.allclose(np.exp(alone[0]).sum(axis=1), 1.0, atol=1e-5)


def test_recognition_draws_no_lots():
    """Dropout and dither are for training."""
    torch.manual_seed(0)
    recipe = toy.recipe(toy.CHANCE)
    from asrlab.text import CharTokenizer

    tokenizer = CharTokenizer.fit(["abc"])
    options = InputOptions(FrontEndOptions(n_mels=24, dither=0.1))
    recognizer = Recognizer(options, Model({"sound": Shape(24)}, len(tokenizer), recipe.model).train(), tokenizer)
    a, b = (recognizer.log_probs([sung("ab")])[0] for _ in range(2))
    assert np.array_equal(a, b)


def test_an_attention_head_alone_has_nothing_for_ctc_to_decode(recognizer):
    recipe = toy.recipe(toy.ATTENTION)
    model = Model({"sound": Shape(24)}, len(recognizer.tokenizer), recipe.model)
    with pytest.raises(AsrlabError, match=r"attention head alone \(model.ctc=false\)"):
        Recognizer(recognizer.inputs, model, recognizer.tokenizer).log_probs([sung("a")])


# --- files and arrays -------------------------------------------------------------------------------------------------


def test_text_and_times_of_what_was_sung(recognizer):
    transcript = recognizer.transcribe(sung("ab cde b"), RATE)
    assert transcript.text == "ab cde b"
    assert [w.text for w in transcript.words] == ["ab", "cde", "b"]
    begin = toy.GAP
    for word in transcript.words:
        end = begin + toy.LETTER * len(word.text)
        assert word.start == pytest.approx(begin, abs=0.1)
        assert word.end == pytest.approx(end, abs=0.1)
        assert 0 < word.confidence <= 1
        begin = end + toy.GAP
    assert transcript.segments == ((0.0, pytest.approx(begin)),)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_files_of_any_format(recognizer, tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    audio.save(path, sung("ab cde"), RATE)
    assert recognizer.transcribe(path).text == recognizer.transcribe(str(path)).text == "ab cde"


def test_eight_kilohertz_stereo_is_much_like_sixteen_mono(recognizer, tmp_path):
    x = sung("ab c dab")
    narrow = audio.resample(x, RATE, 8000)
    soundfile.write(tmp_path / "stereo.wav", np.stack([1.2 * narrow, 0.8 * narrow], axis=1), 8000)
    mono = recognizer.transcribe(audio.resample(narrow, 8000, RATE), RATE)
    stereo = recognizer.transcribe(tmp_path / "stereo.wav")
    array = recognizer.transcribe(narrow, 8000)
    assert stereo.text == array.text == mono.text == "ab c dab"
    for a, b, c in zip(mono.words, stereo.words, array.words, strict=True):
        assert abs(a.start - b.start) <= 0.04
        assert abs(a.start - c.start) <= 0.04
        assert abs(a.confidence - b.confidence) < 0.05
    assert recognizer.transcribe(audio.resample(x, RATE, 48000), 48000).text == "ab c dab"


def test_a_long_file_is_cut_where_nobody_sings(recognizer, tmp_path):
    """Two minutes of words with pauses: all are heard, in order, each within the segment that holds it."""
    rng = np.random.default_rng(0)
    texts, pieces, begins, seconds = [], [], [], 0.0
    while seconds < 120:
        text = toy.sentence(rng)
        pause = rng.normal(0, 0.01, int(rng.uniform(0.5, 3.0) * RATE)).astype(np.float32)  # as between the words
        texts.append(text)
        begins.append(seconds)
        pieces += [toy.sing(text, rng), pause]
        seconds = sum(map(len, pieces)) / RATE
    long = np.concatenate(pieces)
    audio.save(tmp_path / "long.wav", long, RATE)
    transcript = recognizer.transcribe(tmp_path / "long.wav")
    assert score.wer([" ".join(texts)], [transcript.text]) <= 0.1
    assert transcript.text.split() == [w.text for w in transcript.words]
    for a, b in itertools.pairwise(transcript.words):
        assert 0 <= a.start < a.end <= b.start + 1e-6
    assert transcript.words[-1].end <= len(long) / RATE + 1e-6
    starts = np.array([w.start for w in transcript.words])
    assert all(np.abs(begin + toy.GAP - starts).min() < 0.2 for begin in begins)  # each where it was sung
    assert len(transcript.segments) > 20
    assert all(b - a <= 20.0 + 1e-6 for a, b in transcript.segments)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(transcript.segments))
    cut = recognizer.transcribe(long, RATE, max_seconds=1.0)
    assert max(b - a for a, b in cut.segments) <= 1.0 + 1e-6


def test_an_hour_of_nothing_much_says_nothing(recognizer):
    hour = np.random.default_rng(0).normal(0, 1e-3, 600 * RATE).astype(np.float32)  # ten minutes, to save time
    transcript = recognizer.transcribe(hour, RATE)
    assert transcript.words == ()
    assert transcript.text == ""


@pytest.mark.parametrize("seconds", [1.5, 3.0, 15.0])
def test_what_is_steady_says_nothing(recognizer, seconds):
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(1).normal(0, 0.1, len(time))
    for samples in (noise, np.sin(2 * np.pi * 440 * time) / 2, np.full(len(time), 0.5)):
        transcript = recognizer.transcribe(samples.astype(np.float32), RATE)
        assert (transcript.text, transcript.words, transcript.segments) == ("", (), ())


@pytest.mark.parametrize("snr", [10.0, 0.0])
def test_a_voice_in_noise_is_heard(recognizer, snr):
    voice = np.r_[np.zeros(RATE // 2), sung("abab"), np.zeros(RATE // 2)]
    level = np.sqrt(np.mean(sung("abab") ** 2)) / 10 ** (snr / 20)
    noisy = voice + np.random.default_rng(2).normal(0, level, len(voice))
    assert recognizer.transcribe(noisy.astype(np.float32), RATE).segments == ((0.0, len(voice) / RATE),)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_recordings_that_hold_nothing(recognizer, tmp_path):
    for name, samples, message in (
        ("one.wav", np.ones(1, np.float32), r"1 samples at 16000 Hz, shorter than one analysis window \(400 samples"),
        ("short.wav", np.ones(399, np.float32) / 2, r"399 samples"),
        ("silent.wav", np.zeros(RATE, np.float32), r"silent \(largest amplitude 0 of 1\); check the microphone"),
    ):
        audio.save(tmp_path / name, samples, RATE)
        with pytest.raises(AsrlabError, match=rf"{name}: {message}"):
            recognizer.transcribe(tmp_path / name)
        with pytest.raises(AsrlabError, match=rf"the recording: {message}"):
            recognizer.transcribe(samples, RATE)
    assert recognizer.transcribe(np.r_[sung("a")[:400]], RATE).segments == ((0.0, 0.025),)  # just one window


def test_files_that_are_no_recordings(recognizer, tmp_path):
    audio.save(tmp_path / "whole.wav", sung("ab"), RATE)
    whole = (tmp_path / "whole.wav").read_bytes()
    soundfile.write(tmp_path / "nan.wav", np.r_[sung("ab")[:800], np.nan], RATE, subtype="FLOAT")
    for name, data, message in (
        ("empty.wav", b"", r"empty \(0 bytes\)"),
        ("truncated.wav", whole[: len(whole) // 2], r"truncated"),
        ("header.wav", whole[:20], r""),
        ("text.wav", b"this is no sound" * 100, r"not readable as audio"),
        ("nan.wav", None, r".*NaN|.*nan"),
        ("missing.wav", None, r"no such file"),
    ):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(AsrlabError, match=rf"{name}: {message}"):
            recognizer.transcribe(tmp_path / name)
    with pytest.raises(AsrlabError, match=r"is a folder, expected a file"):
        recognizer.transcribe(tmp_path)


@pytest.mark.parametrize(
    ("samples", "rate", "message"),
    [
        (np.zeros((100, 2), np.float32), RATE, r"samples \(100, 2\): expected \(N,\); mix to mono"),
        (np.full(800, np.nan, np.float32), RATE, r"sample 0 is nan"),
        (np.r_[np.ones(800), np.inf], RATE, r"sample 800 is inf"),
        (np.ones(800, np.int16), RATE, r"samples of int16: expected floats in \[-1, 1\]; divide 16-bit ones by 32768"),
        (np.zeros(0, np.float32), RATE, r"\(0,\)"),
        (np.ones(800, np.float32), 0, r"rate=0"),
        (np.ones(800, np.float32), None, r"samples \(800,\) without their rate; pass sample_rate=16000"),
    ],
)
def test_arrays_that_are_no_recordings(recognizer, samples, rate, message):
    with pytest.raises(AsrlabError, match=message):
        recognizer.transcribe(samples, rate)
