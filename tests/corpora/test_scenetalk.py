"""scenetalk: sentences mean one thing, splits share nothing, and the same call gives the same bytes."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import wave
from collections import Counter
from itertools import product
from random import Random

import numpy as np
import pytest

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import manifest, scenetalk
from asrlab.corpora.scenetalk import Meaning, Place, Thing, espeak, grammar, shard
from asrlab.text import normalise

SPLITS = ("train", "dev", "test")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("scenetalk")


@pytest.fixture(scope="module")
def corpus(root):
    return scenetalk.load(root, minutes=3)


# --- grammar ----------------------------------------------------------------------------------------------------------


def test_every_paraphrase_of_every_kind_of_meaning_parses_back():
    """Each way to fill each slot once, and every place with every action that takes one."""
    things = [
        Thing("orange", "shape", "ring"),
        Thing("red", "letter", "b", "tiny"),
        Thing("grey", "number", "one", "big"),
    ]
    regions = [Place(region=region) for region in grammar.REGIONS]
    relations = [Place(relation=r, thing=t) for r, t in product(grammar.RELATIONS, things)]
    places = [*regions, *relations, Place(cell=("k", "ten"))]
    meanings = [Meaning(action, thing) for action in ("add", "remove", "find") for thing in things]
    meanings += [Meaning(action, thing, place) for action in ("add", "move") for thing in things for place in places]
    meanings += [Meaning("paint", thing, value=colour) for thing in things for colour in grammar.COLOURS]
    meanings += [Meaning("resize", thing, value=value) for thing in things for value in grammar.CHANGES]
    meanings += [Meaning("swap", thing, other=other) for thing, other in product(things, things)]
    said = Counter()
    for meaning in meanings:
        spoken = grammar.sentences(meaning)
        assert len(spoken) >= 1 or len(" ".join(meaning.slots().values()).split()) > 4  # some are too long to say
        assert len(set(spoken)) == len(spoken)
        for sentence in spoken:
            assert grammar.parse(sentence) == meaning
            assert 2 <= len(sentence.split()) <= 9
            assert set(sentence.split()) <= set(grammar.vocabulary())
            said[sentence] += 1
    assert max(said.values()) == 1  # no sentence has two meanings
    assert "add an orange" in " ".join(said) and "a orange" not in " ".join(said)


@pytest.mark.parametrize("split", SPLITS)
def test_drawn_meanings_parse_back_stay_in_their_split_and_use_every_word(split):
    random = Random(5)
    words = Counter()
    for _ in range(1500):
        meaning, sentence = grammar.draw(random, split)
        assert grammar.parse(sentence) == meaning == Meaning.from_json(meaning.to_json())
        assert {grammar.split_of(pair) for pair in meaning.pairs()} == {split}
        assert normalise(sentence) == sentence
        words.update(sentence.split())
    assert set(words) == set(grammar.vocabulary())
    assert 60 <= len(words) <= 100


@pytest.mark.parametrize(
    "sentence",
    ["", "add", "add a red", "add the red circle", "put a red circle", "add an red circle", "paint the red ring tiny",
     "move the red circle", "add a red circle to the left", "please", "swap the red ring and the blue", "Add"],
)  # fmt: skip
def test_other_sentences_have_no_meaning(sentence):
    with pytest.raises(AsrlabError, match="no sentence about the scene"):
        grammar.parse(sentence)


def test_slots_are_flat_and_name_what_is_asked():
    meaning = grammar.parse("please put a tiny red b beside the blue six")
    assert meaning.action == "add"
    assert meaning.slots() == {
        "size": "tiny", "colour": "red", "letter": "b", "to.relation": "beside", "to.colour": "blue", "to.number": "six"
    }  # fmt: skip
    assert meaning.pairs() == {("red", "b"), ("blue", "six")}
    assert grammar.parse("move the red ring to b two").pairs() == {("red", "ring"), ("b", "two")}
    assert grammar.parse("turn the red ring blue").pairs() == {("red", "ring"), ("blue", "ring")}


def test_combinations_are_shared_out_evenly():
    names = (*grammar.SHAPES, *grammar.LETTERS, *grammar.NUMBERS)
    for name in names:
        shares = Counter(grammar.split_of((colour, name)) for colour in grammar.COLOURS)
        assert shares == {"train": 6, "dev": 2, "test": 2}
    for colour in grammar.COLOURS:
        assert Counter(grammar.split_of((colour, name)) for name in names) == {"train": 24, "dev": 8, "test": 8}


# --- the corpus -------------------------------------------------------------------------------------------------------


def test_splits_share_no_voice_and_no_combination(corpus):
    assert list(corpus.splits) == list(SPLITS)
    variants = {s: {u.speaker.split("+")[1] for u in corpus[s]} for s in SPLITS}
    possible = {s: {voice.split("+")[1] for voice in scenetalk.speakers(s)} for s in SPLITS}
    pairs = {s: {pair for u in corpus[s] for pair in scenetalk.meaning_of(u).pairs()} for s in SPLITS}
    texts = {s: {u.text for u in corpus[s]} for s in SPLITS}
    for groups in (variants, possible, pairs, texts):
        for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
            assert groups[one] and not groups[one] & groups[other]
    assert set.union(*possible.values()) == set(scenetalk.VARIANTS)
    accents = {s: {voice.split("+")[0] for voice in scenetalk.speakers(s)} for s in SPLITS}
    assert accents["test"] - accents["train"] == {scenetalk.UNSEEN_ACCENT} and accents["train"] == accents["dev"]
    assert {sex for voice in scenetalk.speakers("test") for sex in voice.split("+")[1][0]} == {"f", "m"}


def test_utterances_are_what_they_say(corpus):
    ids = [u.id for s in SPLITS for u in corpus[s]]
    assert len(ids) == len(set(ids))
    for split, share in (("train", 0.8), ("dev", 0.1), ("test", 0.1)):
        assert share * 180 <= corpus.seconds(split) < share * 180 + 6
        for u in corpus[split]:
            assert grammar.parse(u.text) == scenetalk.meaning_of(u)
            assert u.tags["accent"] == u.speaker.split("+")[0] and u.tags["action"] == scenetalk.meaning_of(u).action
            assert all(isinstance(value, str) for value in u.tags.values())
            with wave.open(str(u.source().path)) as file:
                assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16000, 1, 2)
                assert file.getnframes() == round(u.seconds * 16000)
            phones = scenetalk.phones_of(u)
            starts = [start for _, start, _ in phones]
            assert starts == sorted(starts) and starts[0] >= 0 and phones[-1][2] == u.seconds
            assert len(phones) >= len(u.text.split())
    mean = np.mean([u.seconds for s in SPLITS for u in corpus[s]])
    assert 1.4 < mean < 2.6
    assert set(corpus.lexicon) == set(grammar.vocabulary())


def test_audio_is_trimmed_audible_and_unclipped(corpus):
    for u in corpus["test"]:
        samples = u.load()
        peak = np.abs(samples).max()
        assert 0.1 < peak < 0.999
        audible = np.flatnonzero(np.abs(samples) > 0.01 * peak)
        assert audible[0] < 0.2 * 16000 and len(samples) - audible[-1] < 0.2 * 16000


def test_the_same_bytes_from_fresh_processes(root, corpus, tmp_path):
    code = "import sys; from asrlab import corpora; corpora.load('scenetalk', sys.argv[1], minutes=3)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    (first,), (second,) = root.iterdir(), tmp_path.iterdir()
    assert first.name == second.name

    def hashes(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    assert hashes(first) == hashes(second)


def test_manifests_hold_the_hashes_and_read_as_manifests(root, corpus):
    (folder,) = root.iterdir()
    index = json.loads((folder / "index.json").read_text())
    again = manifest.load(folder, verify=True)
    for split in SPLITS:
        assert hashlib.sha256((folder / f"{split}.jsonl").read_bytes()).hexdigest() == index["sha256"][split]
        assert again[split] == corpus[split]


def test_a_second_load_makes_nothing(root, corpus, monkeypatch):
    monkeypatch.setattr(shard.Job, "run", None)
    assert scenetalk.load(root, minutes=3) == corpus
    assert corpora.load("scenetalk", root, minutes=3) == corpus


def test_another_seed_says_other_things(tmp_path, corpus):
    other = scenetalk.load(tmp_path, minutes=0.5, seed=1)
    assert {u.text for u in other["test"]} != {u.text for u in corpus["test"]}
    assert {u.speaker for u in other["test"]} <= set(scenetalk.speakers("test"))


def test_what_was_changed_or_lost_is_noticed(root, corpus, tmp_path):
    shutil.copytree(root, tmp_path, dirs_exist_ok=True)
    (folder,) = tmp_path.iterdir()
    next(folder.glob("wav/test/*.wav")).unlink()
    with pytest.raises(AsrlabError, match=r"is missing.*delete the folder"):
        scenetalk.load(tmp_path, minutes=3)
    (folder / "dev.jsonl").write_text("")
    with pytest.raises(AsrlabError, match=r"dev\.jsonl has been changed"):
        scenetalk.load(tmp_path, minutes=3)
    (folder / "index.json").unlink()
    with pytest.raises(AsrlabError, match=r"index\.json"):
        scenetalk.load(tmp_path, minutes=3)


def test_failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(shard.Job, "run", lambda job: (_ for _ in ()).throw(AsrlabError("no sound")))
    with pytest.raises(AsrlabError, match="no sound"):
        scenetalk.load(tmp_path, minutes=0.5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [{"minutes": 0}, {"minutes": float("nan")}, {"minutes": "5"}, {"seed": 0.5}])
def test_bad_options(tmp_path, options):
    with pytest.raises(AsrlabError, match=next(iter(options))):
        scenetalk.load(tmp_path, **options)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AsrlabError, match="cannot be written"):
        scenetalk.load(tmp_path / "file", minutes=0.5)


# --- the voice --------------------------------------------------------------------------------------------------------


def test_speak_repeats_and_heeds_its_arguments():
    samples, rate = scenetalk.speak("put the red circle above the green b")
    again, _ = scenetalk.speak("put the red circle above the green b")
    assert rate == 16000 and samples.dtype == np.float32 and 0.1 < np.abs(samples).max() < 1
    np.testing.assert_array_equal(samples, again)
    slow, _ = scenetalk.speak("put the red circle above the green b", rate=100)
    assert len(slow) > 1.4 * len(samples)
    high, _ = scenetalk.speak("put the red circle above the green b", voice="en-gb-scotland+f2", pitch=80)
    assert median_pitch(high) > 1.3 * median_pitch(samples)


def median_pitch(samples):
    """Hz, from the autocorrelation of loud frames: an estimate that knows nothing of the synthesiser."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, 1024)[::512]
    frames = frames[np.abs(frames).max(axis=1) > 0.3 * np.abs(samples).max()]
    spectrum = np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 4096)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, 40:320]  # 400 Hz down to 50 Hz
    return float(np.median(16000 / (40 + correlation.argmax(axis=1))))


def test_a_batch_is_spoken_in_order_with_times():
    requests = [espeak.Request("red circle", "en-us+m1"), espeak.Request("the green letter b", "en-029+f4", 140, 60)]
    first, second = espeak.speak_all(requests)
    assert [word for word, _ in first.words] == ["red", "circle"]
    assert [name.strip("',") for name, _ in first.phones][:3] == ["r", "E", "d"]
    assert first.seconds < second.seconds and second.phones[-1][1] <= second.seconds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"voice": "klingon"}, "'klingon'.*en-us"),
        ({"voice": "en-us+whisper"}, "whisper.*m1"),
        ({"rate": 20}, "rate=20"),
        ({"pitch": 101}, "pitch=101"),
        ({"rate": 175.5}, "whole number"),
        ({"text": "  "}, "something to say"),
    ],
)
def test_bad_requests(arguments, message):
    with pytest.raises(AsrlabError, match=message):
        scenetalk.speak(**{"text": "red", **arguments})


def test_a_library_that_does_not_load_is_explained(monkeypatch, tmp_path):
    import espeakng_loader

    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(tmp_path / "libespeak-ng.so"))
    with pytest.raises(AsrlabError, match=r"cannot be loaded.*pip install"):
        espeak.Engine()
    monkeypatch.undo()
    monkeypatch.setattr(espeakng_loader, "get_data_path", lambda: str(tmp_path))
    with pytest.raises(AsrlabError, match=r"cannot read its data.*pip install"):
        espeak.Engine()


def test_errors_of_the_child_process_reach_the_caller():
    with pytest.raises(AsrlabError, match="must have something to say"):
        espeak.run_module("asrlab.corpora.scenetalk.espeak", b'{"text": " "}\n')


@pytest.mark.skipif(os.name != "posix", reason="makes a symbolic link")
def test_data_behind_a_long_path(monkeypatch, tmp_path):
    import espeakng_loader

    long = tmp_path.joinpath(*["a folder with a rather long name"] * 5)
    long.mkdir(parents=True)
    (long / "espeak-ng-data").symlink_to(espeakng_loader.get_data_path())
    code = (
        f"import espeakng_loader; espeakng_loader.get_data_path = lambda: {str(long / 'espeak-ng-data')!r}\n"
        "from asrlab.corpora.scenetalk.espeak import Engine, Request; print(len(Engine().say(Request('red')).samples))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 4000
