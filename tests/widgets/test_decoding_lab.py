"""The decoding lab answers as the recogniser's decoder does, and tells what is wrong with a sound."""

import io

import numpy as np
import pytest
import soundfile

pytest.importorskip("anywidget", reason="anywidget is not installed; pip install asrlab[book]")

from node import run_js, run_many

from asrlab.core.errors import AsrlabError
from asrlab.widgets.decoding_lab import BEAMS, DecodingLab
from asrlab.widgets.sound_input import SoundInput


def noise(seconds=1.0, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(int(16000 * seconds))).astype(np.float32)


def wav(samples, rate=16000):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def lab():
    return DecodingLab(example=noise())


def test_the_knobs_are_the_decoders_options(lab):
    found = lab.decode(beam=4, weight=0.0, bonus=0.0, lexicon=True)
    r = lab.recognizer
    from dataclasses import replace

    beam = replace(r.beam, beam=4, lm_weight=0.0, word_bonus=0.0, nbest=lab.nbest)
    expected = r.with_decoder(beam, None, r.lexicon).decode(lab.log_probs)
    assert [(h.text, h.score) for h in found] == [(h.text, h.score) for h in expected]
    lab.beam.value = 1
    assert found[0].text in lab.answer.value or "(nothing)" in lab.answer.value or lab.decode(1, 0.4, 1.0, True)


def test_the_recorded_run_has_every_setting(lab):
    data = lab.recorded().data
    assert len(data["runs"]) == len(BEAMS) * len(data["weights"])
    beam, weight, lexicon = data["start"]
    key = run_js("decoding_lab", "runKey", beam, weight, lexicon)
    assert key in data["runs"]
    best = lab.decode(beam, weight, lab.bonus.value if weight else 0.0, lexicon)[0]
    assert [w[0] for w in data["runs"][key][0]["words"]] == [w.text for w in best.words]
    keys = run_many("decoding_lab", "runKey", [(b, w, True) for b in BEAMS for w in data["weights"]])
    assert set(keys) <= set(data["runs"])


def test_a_sound_of_the_reader_is_decoded(lab):
    sound = noise(0.5, seed=3)
    lab.sound.name, lab.sound.wav = "mine.wav", wav(sound)
    lab.sound.wav = b""
    lab.sound.set_state({"wav": memoryview(wav(sound)), "name": "mine.wav"})  # as a browser sends it
    assert len(lab.samples) == len(sound)
    assert np.abs(lab.samples - sound).max() < 1e-3
    assert "<table>" in lab.answer.value


@pytest.mark.parametrize(
    "samples, rate, message",
    [(np.zeros(16000), 16000, "silent"), (noise(), 8000, "8000 Hz"), (noise(30), 16000, "at most 20 s"),
     (np.zeros(0), 16000, "silent"), (noise(0.005), 16000, "window")],
)  # fmt: skip
def test_an_odd_sound_gets_a_message_and_no_traceback(lab, samples, rate, message):
    lab.sound.wav = wav(samples, rate)
    assert message in lab.answer.value


def test_nothing_yet():
    with pytest.raises(AsrlabError, match="choose a file or press Record"):
        SoundInput().samples()
    with pytest.raises(AsrlabError, match="nothing to record"):
        DecodingLab().recorded()


def test_the_bytes_that_a_browser_sends_are_a_wav():
    samples = [0.0, 0.5, -0.5, 1.0, -1.0, 0.25]
    numbers = run_js("sound_input", "wavNumbers", samples, 16000)
    read, rate = soundfile.read(io.BytesIO(bytes(numbers)), dtype="float32")
    assert rate == 16000
    assert read == pytest.approx(samples, abs=1e-4)


def test_a_microphone_that_cannot_be_used_is_explained():
    names = ["NotAllowedError", "NotFoundError", "NotReadableError", "Unsupported", "AnythingElse"]
    messages = run_many("sound_input", "microphoneMessage", [(name,) for name in names])
    assert len(set(messages)) == len(names)
    assert all("hoose a file" in message for message in messages)
