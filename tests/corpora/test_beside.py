"""lexicon.txt and text.txt beside recordings: read with them, used in training, and told where they are wrong."""

from dataclasses import replace

import pytest
import toy

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora.beside import read_dictionary
from asrlab.corpora.manifest import save_manifest
from asrlab.training.loop import make_language, train

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def folder(tmp_path):
    """A folder of manifests of the toy language."""
    for split, utterances in toy.corpus(tmp_path, train=6, dev=2, test=2).splits.items():
        save_manifest(utterances, tmp_path / "mine" / f"{split}.jsonl")
    return tmp_path / "mine"


def test_what_lies_beside_recordings_comes_with_them(folder):
    assert corpora.find(str(folder)).lexicon is None
    (folder / "lexicon.txt").write_bytes(b"Ab A B\r\nab(2) A P\n\nc K\nab A B\n")
    (folder / "text.txt").write_bytes("\ufeffAb, c!\n\n...\nC ab\n".encode())
    corpus = corpora.find(str(folder))
    assert corpus.lexicon == {"ab": (("A", "B"), ("A", "P")), "c": (("K",),)}
    assert [(u.id, u.text, u.sources) for u in corpus["text"]] == [("text-1", "ab c", {}), ("text-4", "c ab", {})]
    assert set(corpus.splits) == {"train", "dev", "test", "text"}
    assert corpora.find(str(folder / "train.jsonl")).lexicon == corpus.lexicon
    assert corpora.load("manifest", folder, normalise_text=False)["text"][0].text == "Ab, c!"


def test_sentences_are_no_split_to_divide(folder):
    for split in ("dev", "test"):
        (folder / f"{split}.jsonl").unlink()
    (folder / "text.txt").write_text("a b\n")
    corpus = corpora.load("manifest", folder, hold_out={"dev": 0.3, "test": 0.3})
    assert {split: len(corpus[split]) for split in corpus.splits} == {"train": 2, "dev": 2, "test": 2, "text": 1}


def test_a_text_of_a_recording_is_no_list_of_sentences(tmp_path):
    one = toy.corpus(tmp_path, train=1, dev=1, test=1)["train"][0]
    (tmp_path / "f").mkdir()
    one.source().path.rename(tmp_path / "f" / "text.wav")
    (tmp_path / "f" / "text.txt").write_text(one.text)
    corpus = corpora.find(str(tmp_path / "f"))
    assert {split: [u.text for u in corpus[split]] for split in corpus.splits} == {"all": [one.text]}


def test_the_language_model_learns_from_both(folder):
    (folder / "text.txt").write_text("ecb dab\n" * 20)
    corpus = corpora.find(str(folder))
    recipe = toy.recipe(language={"order": 2, "lexicon": True})
    lm, words = make_language(recipe, corpus, corpus["train"])
    assert {"ecb", "dab"} < set(words)
    alone, fewer = make_language(
        replace(recipe, language=replace(recipe.language, text_split="")), corpus, corpus["train"]
    )
    assert "ecb" not in alone and "ecb" not in fewer
    assert lm.logprob(["ecb", "dab"]) > lm.logprob(["dab", "ecb"])


def test_phones_of_the_lexicon_are_what_is_learned(folder, tmp_path):
    words = {
        word for split in ("train", "dev", "test") for u in corpora.find(str(folder))[split] for word in u.text.split()
    }
    (folder / "lexicon.txt").write_text("".join(f"{word} {' '.join(word.upper())}\n" for word in sorted(words)))
    corpus = corpora.find(str(folder))
    recognizer = train(toy.recipe(tokenizer="phone", epochs=1), tmp_path / "run", corpus, progress=False, device="cpu")
    assert list(recognizer.tokenizer.tokens) == ["<blank>", *"ABCDE"]
    assert set(recognizer.lexicon) == words


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ab A B\nc\n", r"lexicon.txt:2: word 'c' has no phones; write WORD PHONE PHONE"),
        (b"ab A B\n\xffx A\n", r"lexicon.txt:2: not UTF-8 .*save the file as UTF-8"),
        (b"--- A B\n", r"lexicon.txt:1: '---' is no word"),
        (b"a-b A B\n", r"lexicon.txt:1: 'a-b' is no word"),
        (b"\n\n", r"lexicon.txt: no words; write WORD PHONE"),
    ],
)
def test_a_lexicon_that_is_none(folder, content, message):
    (folder / "lexicon.txt").write_bytes(content)
    with pytest.raises(AsrlabError, match=message):
        corpora.find(str(folder))


def test_a_dictionary_that_is_not_there(tmp_path):
    with pytest.raises(AsrlabError, match=r"words\.dic: no such file"):
        read_dictionary(tmp_path / "words.dic")


def test_texts_without_recordings(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("stop")
    with pytest.raises(AsrlabError, match=r"2 texts, and no recording beside any; a.txt is what a.wav says"):
        corpora.find(str(tmp_path))
