"""GRID in the layouts in which it is found, and films of one's own by way of a manifest or a folder."""

import json
import zipfile

import numpy as np
import pytest
from films import face, film

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora import films, grid, manifest
from asrlab.corpora.base import Source, Utterance, note_of_times, word_times
from asrlab.corpora.manifest import ManifestError, load, save_manifest

ALIGN = "0 5000 sil\n5000 8000 {}\n8000 10000 {}\n10000 11000 {}\n11000 12000 sp\n12000 14000 {}\n14000 18000 {}\n"
ALIGN += "18000 24000 {}\n24000 25000 sil\n"
NAMES = [f"bbaf{digit}{end}" for digit in "z1234" for end in "anp"]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A second of a face that says nothing, with a tone."""
    room = np.full((260, 340), 90, np.uint8)
    room[30:230, 60:260] = face()
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", np.stack([room] * 25))


@pytest.fixture(params=["align/s1", "alignments/s1", "s1/align"])
def root(tmp_path, clip, request):
    """Fifteen films of a speaker, their times in one of three places."""
    root = tmp_path / "grid"
    for name in NAMES:
        path = root / "s1" / f"{name}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(clip.read_bytes())
        align = root / request.param / f"{name}.align"
        align.parent.mkdir(parents=True, exist_ok=True)
        align.write_text(ALIGN.format(*grid.sentence(name).split()))
    return root


def test_names_say_sentences():
    assert grid.sentence("bbaf2n") == "bin blue at f two now"
    assert grid.sentence("swwzzs") == "set white with z zero soon"
    with pytest.raises(AsrlabError, match="'bbaw2n': no sentence of GRID"):  # no letter w
        grid.sentence("bbaw2n")


def test_films_sentences_times_and_splits(root):
    corpus = corpora.load("grid", root)
    names = {split: [u.id for u in corpus[split]] for split in corpus.splits}
    ordered = sorted(NAMES)
    assert names["test"] == [f"s1/{ordered[i]}" for i in (0, 10)]
    assert names["dev"] == [f"s1/{ordered[i]}" for i in (1, 11)]
    assert len(names["train"]) == 11 and corpus.speakers("train") == ("s1",)
    first = corpus["test"][0]
    assert first.text == "bin blue at f one again" and set(first.sources) == {"sound", "lips"}
    assert word_times(first)[0] == ("bin", 0.2, 0.32) and word_times(first)[-1] == ("again", 0.72, 0.96)
    assert corpus.sample_rate == 16000


def test_a_damaged_film_is_left_out_and_the_others_stay_where_they_are(root):
    everything, fewer = corpora.load("grid", root), corpora.load("grid", root, leave_out=["s1/bbaf2a"])
    for split in everything.splits:
        kept = [u.id for u in everything[split] if u.id != "s1/bbaf2a"]
        assert [u.id for u in fewer[split]] == kept
    assert sum(len(fewer[split]) for split in fewer.splits) == len(NAMES) - 1
    with pytest.raises(AsrlabError, match="leave_out='s1/bbaw2a': no such film"):
        corpora.load("grid", root, leave_out=["s1/bbaw2a"])


def test_sound_and_lips_last_equally_long_and_crops_are_kept(root, tmp_path, monkeypatch):
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "cache"))
    first = corpora.load("grid", root)["test"][0]
    sound, lips = first.load(16000), first.load(25, "lips")
    assert lips.shape[1:] == (32, 48) and abs(len(sound) / 16000 - len(lips) / 25) <= 0.02
    (kept,) = (tmp_path / "cache").rglob("*.npy")
    written = kept.stat().st_mtime_ns
    monkeypatch.setattr(films.mouth, "crop", None)  # whoever cropped again would fail
    assert np.array_equal(first.load(25.0, "lips"), lips) and kept.stat().st_mtime_ns == written
    monkeypatch.undo()
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "cache"))
    kept.write_bytes(b"damaged")
    assert np.array_equal(first.load(25, "lips"), lips) and np.array_equal(np.load(kept), lips)
    smaller = corpora.load("grid", root, mouth={"height": 16, "width": 24})["test"][0]
    assert smaller.load(25, "lips").shape[1:] == (16, 24)
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 2


def test_what_does_not_belong_together_is_named(root):
    align = next(root.rglob("bbaf1a.align"))
    good = align.read_text()
    align.write_text(good.replace("blue", "green"))
    with pytest.raises(AsrlabError, match=r"bbaf1a\.align: says 'bin green at.*its name says 'bin blue at"):
        corpora.load("grid", root)
    align.write_text(good.replace("18000 24000", "18000 99000"))
    with pytest.raises(AsrlabError, match=r"bbaf1a\.align: speech ends at 3\.96 s, the film after 1.*truncated"):
        corpora.load("grid", root)
    align.write_text("five six seven eight\n")
    with pytest.raises(AsrlabError, match=r"bbaf1a\.align:1: 'five six.*is not START END WORD"):
        corpora.load("grid", root)
    align.unlink()
    assert word_times(corpora.load("grid", root)["test"][0]) == []
    (root / "s1" / "holiday.mp4").write_bytes((root / "s1" / "bbaf1a.mp4").read_bytes())
    with pytest.raises(AsrlabError, match=r"holiday\.mp4.*no sentence of GRID.*take the file out"):
        corpora.load("grid", root)
    with pytest.raises(AsrlabError, match=r"no films of s2.*asrlab prepare grid"):
        corpora.load("grid", root, speakers=["s2"])


def test_prepare_fetches_a_speaker_and_the_times(tmp_path, clip, monkeypatch):
    served = tmp_path / "served"
    served.mkdir()
    for archive, inside in {"s1": f"s1/{NAMES[0]}.mp4", "alignments": f"alignments/s1/{NAMES[0]}.align"}.items():
        with zipfile.ZipFile(served / f"{archive}.zip", "w") as file:
            text = ALIGN.format(*grid.sentence(NAMES[0]).split()).encode()
            file.writestr(inside, clip.read_bytes() if archive == "s1" else text)
    monkeypatch.setattr(grid, "HOME", served.as_uri())
    root = corpora.prepare("grid", tmp_path / "grid")
    (found,) = corpora.load("grid", root)["test"]
    assert found.id == f"s1/{NAMES[0]}" and len(word_times(found)) == 6
    with pytest.raises(AsrlabError, match="speakers='s21': there are s1 to s34, without s21"):
        corpora.prepare("grid", tmp_path / "grid", speakers=["s21"])


def test_times_as_a_note():
    words = [("bin", 0.95, 1.18), ("blue", 1.18, 1.36)]
    spoken = Utterance("a", "bin blue", "s", 2.0, notes={"words": note_of_times(words)})
    assert word_times(spoken) == words
    for note in ("bin 0.95", "bin one two, blue 1 2", "bin 0 1", "bin 1 0, blue 1 2"):
        with pytest.raises(AsrlabError, match="the note words is"):
            word_times(Utterance("a", "bin blue", "s", 2.0, notes={"words": note}))


def test_films_of_ones_own(tmp_path, clip, monkeypatch):
    monkeypatch.setenv("ASRLAB_CACHE", str(tmp_path / "cache"))
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(clip.read_bytes())
        (tmp_path / name).with_suffix(".txt").write_text("yes")
    scanned = load(tmp_path)["all"]
    assert [u.id for u in scanned] == ["a", "b"] and all(set(u.sources) == {"sound", "lips"} for u in scanned)
    silent = film(tmp_path / "silent.mp4", np.full((25, 64, 64), 90, np.uint8), seconds=0)
    rows = [
        {"video": "a.mp4", "text": "yes", "start": 0.25, "seconds": 0.5},
        {"id": "s", "video": silent.name, "text": "no"},
    ]
    (tmp_path / "m").mkdir()
    path = tmp_path / "m" / "x.jsonl"
    path.write_text("\n".join(json.dumps({**row, "video": f"../{row['video']}"}) for row in rows))
    part, mute = load(path)["x"]
    assert part.load().shape == (8000,) and part.load(25, "lips").shape == (12, 32, 48)
    assert set(mute.sources) == {"lips"} and mute.seconds == pytest.approx(1.0, abs=0.05)
    back = load(save_manifest([part, mute], tmp_path / "m" / "y.jsonl"))["y"]
    assert [(u.id, u.seconds, dict(u.sources)) for u in back] == [
        (u.id, u.seconds, dict(u.sources)) for u in (part, mute)
    ]


def test_bad_films_of_ones_own_are_told_line_by_line(tmp_path, clip):
    (tmp_path / "good.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "cut.mp4").write_bytes(clip.read_bytes()[:-3000])
    film(tmp_path / "blind.mp4", None, seconds=1.0)
    bad = [
        ({"video": "missing.mp4"}, "video: "),
        ({"video": "cut.mp4"}, "truncated"),
        ({"video": "blind.mp4"}, "sound without a picture"),
        ({"video": "good.wav"}, "video is 'good.wav', no film"),
        ({"video": 3}, "video is 3, not a string"),
        ({"video": "good.mp4", "start": 0.5, "seconds": 4}, "ends at 4.5 s"),
        ({"video": "good.mp4", "sources": {"lips": "a.npy"}}, "sources name lips, which is what video names"),
    ]
    rows = [json.dumps({"id": str(i), "text": "yes", **row}) for i, (row, _) in enumerate(bad)]
    (tmp_path / "x.jsonl").write_text("\n".join(rows))
    with pytest.raises(ManifestError) as error:
        load(tmp_path / "x.jsonl")
    told = dict.fromkeys(range(1, len(bad) + 1), "")
    for place, what in error.value.problems:
        told[int(place.rsplit(":", 1)[1])] += what
    for number, (_, expected) in enumerate(bad, start=1):
        assert expected in told[number]


def test_a_film_has_no_scene(clip):
    with pytest.raises(AsrlabError, match="a film has sound and lips, no scene"):
        films.read(Source(clip), "scene", 25)
    assert manifest.FIELDS[2] == "video"
