"""Lists of hotwords: what a file may say, what it may not, and how words get into a lexicon that lacks them."""

import itertools

import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import Hotword, automaton, context_graph, phrase_weights, read_hotwords, way_in
from asrlab.text import CharTokenizer, PhoneTokenizer, SubwordTokenizer

LETTERS = CharTokenizer(["<blank>", "▁", *"abcdefghijklmnopqrstuvwxyz"])
PHONES = PhoneTokenizer({"a": [["AH"], ["EY"]], "n": [["EH", "N"]], "new": [["N", "UW"]], "d": [["D", "IY"]]})


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_file_says_phrases_spellings_sounds_and_weights(tmp_path):
    text = """\ufeff# the trip
New York   # a city

Saint-Louis, st. louis : 4.5
siobhan [SH AH V] [S IY], shevaun : -1e0\r
dan
"""
    assert read_hotwords(write(tmp_path, text)) == [
        Hotword(("new york",)),
        Hotword(("saint louis", "st louis"), 4.5),
        Hotword(("siobhan", "shevaun"), -1.0, {"siobhan": (("SH", "AH", "V"), ("S", "IY"))}),
        Hotword(("dan",)),
    ]
    assert phrase_weights(read_hotwords(tmp_path / "list.txt"), 3.0) == {
        "new york": 3.0, "saint louis": 4.5, "st louis": 4.5, "siobhan": -1.0, "shevaun": -1.0, "dan": 3.0
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n"])
def test_an_empty_list_is_a_list(tmp_path, text):
    assert read_hotwords(write(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a : nan", "weight 'nan'"), ("a : inf", "weight 'inf'"), ("a : much", "weight 'much'"), ("a :4", "': 4'"),
        ("at 10:30", "': 4'"), ("a : 1 : 2", "': 4'"), (": 3", "':"), ("!!", "expected words"),
        ("a, , b", "expected words"), ("a [X", "expected words"), ("a [X]] b", "expected words"),
        ("a b [X]", "of one word"), ("a []", "of one word"), ("a, A", "already, in line 2"), ("New york", "in line 1"),
        ("a : \x1b[2J", r"weight '\\x1b"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(tmp_path, line, message):
    path = write(tmp_path, f"new york\n{line}\n")
    with pytest.raises(AsrlabError, match=message) as error:
        read_hotwords(path)
    assert str(error.value).startswith(f"{path}:2: ")


def test_a_bad_file_is_named(tmp_path):
    with pytest.raises(AsrlabError, match="not UTF-8"):
        read_hotwords(write(tmp_path, "müller", "latin-1"))
    with pytest.raises(AsrlabError, match="no such file"):
        read_hotwords(tmp_path / "none.txt")
    with pytest.raises(AsrlabError, match="folder"):
        read_hotwords(tmp_path)


def test_a_phrase_stands_once():
    with pytest.raises(AsrlabError, match="'b': there twice"):
        phrase_weights([Hotword(("a", "b")), Hotword(("b",), 2.0)], 1.0)


def test_words_of_letters_enter_as_the_tokenizer_spells_them():
    pieces = SubwordTokenizer.fit(["turn left", "turn right"] * 4, 12)
    for tokenizer, word in ((LETTERS, "siobhan"), (pieces, "thing")):
        found = way_in([Hotword((f"turn {word}",))], tokenizer, ["turn"])
        assert list(found) == [word]
        assert [tokenizer.decode(ids) for ids in found[word]] == [word]
    assert way_in([Hotword(("turn siobhan",))], LETTERS, None) == {}


@pytest.mark.parametrize("lexicon", [None, ["a"]])
def test_a_letter_that_the_recogniser_lacks_is_told(lexicon):
    with pytest.raises(AsrlabError, match="'müller': the recogniser has no letter 'ü'"):
        way_in([Hotword(("a müller",))], LETTERS, lexicon)


def test_words_of_phones_enter_as_told_or_spelled_aloud():
    told = Hotword(("new dan",), None, {"dan": (("D", "AH", "N"), ("D", "EY"))})
    found = way_in([told, Hotword(("ada",))], PHONES, PHONES.lexicon)
    shown = {word: [PHONES.decode(ids) for ids in ways] for word, ways in found.items()}
    assert shown == {"dan": ["D AH N", "D EY"], "ada": ["AH D IY AH", "EY D IY EY"]}


@pytest.mark.parametrize(
    ("hotword", "message"),
    [
        (Hotword(("bad",)), "'b' has no name there to spell it with; add how it sounds, as in 'bad \\[AH D EH\\]'"),
        (Hotword(("dan",), None, {"dan": (("D", "AE"),)}), "no phone 'AE'; one of AH D EH EY IY N UW"),
        (Hotword(("dan",), None, {"dan": (("<blank>",),)}), "no phone '<blank>'"),
    ],
)
def test_words_that_phones_cannot_say_are_told(hotword, message):
    with pytest.raises(AsrlabError, match=message):
        way_in([hotword], PHONES, PHONES.lexicon)


def test_many_phrases_are_read_and_understood(tmp_path):
    letters = "abcdefghijklmnop"
    path = write(tmp_path, "\n".join(map("".join, itertools.islice(itertools.product(letters, repeat=5), 200_000))))
    graph = context_graph(phrase_weights(read_hotwords(path), 2.0))
    assert len(graph.automaton.final) == 1 + 200_000
    assert automaton.plain_step(graph.automaton, 0, graph.labels["abcde"])[0] == 2.0
