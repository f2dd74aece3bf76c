"""Normalisation and tokenizers, held against hand-written truth, hypothesis and sentencepiece itself."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrlab.core.errors import AsrlabError
from asrlab.text import (
    BLANK,
    CharTokenizer,
    PhoneTokenizer,
    SubwordTokenizer,
    Tokenizer,
    WordTokenizer,
    lexicon_tokens,
    mixed_word,
    normalise,
    spell_number,
    tokenizer_from_dict,
    unspaced,
)

TEXTS = ["go to b seven", "don't go", "erase a ten", "seven eleven", "repeat b b seven", "to be or not to be"]
LEXICON = {"a": [["AH"], ["EY"]], "ten": [["T", "EH", "N"]], "go": [["G", "OW"]]}


@pytest.mark.parametrize(
    ("raw", "kept", "spelled"),
    [
        ("Don’t  PANIC!", "don't panic", "don't panic"),
        ("'quoted' dogs' rock’n‘roll", "quoted dogs rock'n'roll", "quoted dogs rock'n'roll"),
        ("Well-known, e.g. this…", "well known e g this", "well known e g this"),
        ("1,000.50 and 3.14.", "1000.50 and 3.14", "one thousand point five zero and three point one four"),
        ("1,23 B12", "1 23 b12", "one twenty three b twelve"),
        ("2nd 21st 30th 112th 3rd", "2nd 21st 30th 112th 3rd",
         "second twenty first thirtieth one hundred twelfth third"),
        ("007", "007", "zero zero seven"),
        ("１２ ﬁne ①", "12 fine 1", "twelve fine one"),
        ("Straße CAFÉ Ελλάδα 我们", "straße café ελλάδα 我们", "straße café ελλάδα 我们"),
        ("cafe\u0301", "café", "café"),
        ("▁x_y <s>", "x y s", "x y s"),
        ("  \t\n", "", ""),
    ],
)  # fmt: skip
def test_normalise(raw, kept, spelled):
    assert normalise(raw) == kept
    assert normalise(raw, digits="spell") == spelled


@settings(deadline=None)
@given(st.text())
def test_normalise_settles_at_once_and_leaves_no_mark(text):
    once = normalise(text)
    assert normalise(once) == once
    assert "▁" not in once and once == " ".join(once.split())


def test_normalise_refuses_another_treatment_of_digits():
    with pytest.raises(AsrlabError, match="'words'"):
        normalise("1", digits="words")


_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen / twenty thirty forty fifty sixty seventy eighty ninety"
)
_UNITS, _TENS = (part.split() for part in _WORDS.split("/"))
_VALUES = {word: i for i, word in enumerate(_UNITS)} | {word: 10 * i for i, word in enumerate(_TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}


def _read_number(words):
    """The inverse, written independently: add up, multiply by hundreds, close a group at each larger scale."""
    total = group = 0
    for word in words.split():
        if word == "hundred":
            group *= 100
        elif word in _SCALES:
            total, group = total + group * _SCALES[word], 0
        else:
            group += _VALUES[word]
    return total + group


@settings(deadline=None)
@given(st.integers(0, 10**15 - 1) | st.integers(0, 2000))
def test_spelled_numbers_read_back(number):
    assert _read_number(spell_number(number)) == number


@pytest.mark.parametrize("number", [-1, 10**15])
def test_spell_number_refuses_what_it_cannot_spell(number):
    with pytest.raises(AsrlabError, match=str(number)):
        spell_number(number)


def every_tokenizer():
    return [
        CharTokenizer.fit(TEXTS),
        CharTokenizer.fit(TEXTS, mark_initial=True),
        CharTokenizer.fit(TEXTS, unknown=True),
        WordTokenizer.fit(TEXTS),
        SubwordTokenizer.fit(TEXTS, 24),
        SubwordTokenizer.fit(TEXTS, 24, kind="bpe"),
    ]


@pytest.mark.parametrize("tokenizer", every_tokenizer(), ids=repr)
def test_one_rule_for_words(tokenizer: Tokenizer):
    """Blank is 0; a token with the mark for each word; the tokens joined, marks turned to spaces, are the text."""
    assert tokenizer.tokens[0] == BLANK
    for text in TEXTS:
        ids = tokenizer.encode(text)
        tokens = [tokenizer.tokens[i] for i in ids]
        assert 0 not in ids and all(0 < i < len(tokenizer) for i in ids)
        assert sum(token.startswith("▁") for token in tokens) == len(text.split())
        assert "".join(tokens).replace("▁", " ").strip() == text == tokenizer.decode(ids)
        assert tokenizer.decode([0, *[j for i in ids for j in (i, 0)]]) == text
    assert tokenizer.encode("") == [] and tokenizer.decode([]) == ""


@pytest.mark.parametrize("tokenizer", [*every_tokenizer(), PhoneTokenizer(LEXICON)], ids=repr)
def test_description_round_trip(tokenizer: Tokenizer):
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert type(again) is type(tokenizer) and again.tokens == tokenizer.tokens
    text = "a ten go" if isinstance(tokenizer, PhoneTokenizer) else TEXTS[0]
    assert again.encode(text) == tokenizer.encode(text)


def test_character_tokens():
    plain, marked = CharTokenizer.fit(["ab b"]), CharTokenizer.fit(["ab b"], mark_initial=True)
    assert plain.tokens == (BLANK, "▁", "a", "b")
    assert [plain.tokens[i] for i in plain.encode("ab b")] == ["▁", "a", "b", "▁", "b"]
    assert marked.tokens == (BLANK, "▁a", "▁b", "a", "b")
    assert [marked.tokens[i] for i in marked.encode("ab b")] == ["▁a", "b", "▁b"]


@settings(deadline=None)
@given(st.lists(st.text("abc'd", min_size=1), max_size=5), st.booleans())
def test_any_words_of_known_characters_round_trip(words, mark_initial):
    tokenizer = CharTokenizer.fit(["abcd'"], mark_initial=mark_initial)
    assert tokenizer.decode(tokenizer.encode(" ".join(words))) == " ".join(words)


@pytest.mark.parametrize(
    ("tokenizer", "text", "value"),
    [
        (CharTokenizer.fit(TEXTS), "go é", "'é'"),
        (CharTokenizer.fit(TEXTS, mark_initial=True), "go zoo", "'z'"),
        (WordTokenizer.fit(TEXTS), "go eight", "'eight'"),
        (SubwordTokenizer.fit(TEXTS, 24), "go é", "'é'"),
        (PhoneTokenizer(LEXICON), "go seven", "'seven'"),
    ],
    ids=repr,
)
def test_unknown_text_is_named(tokenizer, text, value):
    with pytest.raises(AsrlabError) as error:
        tokenizer.encode(text)
    assert value in str(error.value) and ("fit" in str(error.value) or "pronunciation" in str(error.value))


def test_unknown_token_stands_in_when_asked_for():
    characters, words = CharTokenizer.fit(["ab"], unknown=True), WordTokenizer.fit(["ab"], unknown=True)
    assert characters.decode(characters.encode("az")) == "a<unk>"
    assert words.decode(words.encode("ab zz")) == "ab <unk>"


def test_subwords_repeat_and_are_sentencepieces_own():
    import sentencepiece

    first, second = (SubwordTokenizer.fit(TEXTS, 24) for _ in range(2))
    assert first.model == second.model and len(first) == 24
    processor = sentencepiece.SentencePieceProcessor(model_proto=first.model)
    for text in TEXTS:
        assert first.encode(text) == processor.EncodeAsIds(text)


def test_subword_training_is_quiet(capfd):
    SubwordTokenizer.fit(TEXTS, 24)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [3, 5000])
def test_impossible_subword_sizes_are_explained(size, capfd):
    with pytest.raises(AsrlabError, match=f"size={size}.*distinct characters"):
        SubwordTokenizer.fit(TEXTS, size)


def test_phones():
    tokenizer = PhoneTokenizer(LEXICON)
    assert tokenizer.tokens == (BLANK, "AH", "EH", "EY", "G", "N", "OW", "T")
    assert tokenizer.decode(tokenizer.encode("a ten go")) == "AH T EH N G OW"  # the first pronunciation of a
    with pytest.raises(AsrlabError, match="'x'"):
        PhoneTokenizer({"x": []})
    with pytest.raises(AsrlabError, match="'x'"):
        PhoneTokenizer({"x": [["A"], []]})


def test_spellings_for_a_lexicon():
    phones, words = PhoneTokenizer(LEXICON), ["a", "ten"]
    assert lexicon_tokens(phones, words) == {"a": [(1,), (3,)], "ten": [(7, 2, 5)]}
    characters = CharTokenizer.fit(["a ten"])
    assert lexicon_tokens(characters, words) == {word: [tuple(characters.encode(word))] for word in words}


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"kind": "bytes", "tokens": []},
        {"kind": "char"},
        {"kind": "char", "tokens": ["a", BLANK]},
        {"kind": "char", "tokens": [BLANK, "a", "a"]},
        {"kind": "subword", "model": "AAAA"},
    ],
)
def test_bad_descriptions(description):
    with pytest.raises(AsrlabError):
        tokenizer_from_dict(description)


def test_the_mark_itself_is_refused():
    for tokenizer in (CharTokenizer, WordTokenizer):
        with pytest.raises(AsrlabError, match="normalise"):
            tokenizer.fit(["a▁b"])
    with pytest.raises(AsrlabError, match="normalise"):
        SubwordTokenizer.fit(["a▁b"], 10)


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=30))
def test_whatever_is_said_can_be_normalised_fitted_and_read_back(text):
    text = normalise(text)
    for tokenizer in (
        CharTokenizer.fit([text]),
        CharTokenizer.fit([text], mark_initial=True),
        WordTokenizer.fit([text]),
    ):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["打开灯", "关上门"], True), (["でんきをつけて"], True), (["เปิดไฟ"], True), (["打开 灯", "关上 门"], False),
        (["turn left", "stop"], False), (["stop"], False), (["поверни налево"], False), (["불을 켜"], False),
        (["打开客厅的灯 on"], True), (["play 七里香 by jay chou"], False), ([], False), (["", "123"], False),
    ],
)  # fmt: skip
def test_scripts_without_spaces_are_known(texts, expected):
    assert unspaced(texts) is expected


def test_words_of_two_scripts_that_look_alike():
    told = mixed_word("open the dооr now")
    assert told == "'dооr' has letters of two scripts, Latin and Cyrillic ('о' is CYRILLIC SMALL LETTER O)"
    assert mixed_word("μm") == "'μm' has letters of two scripts, Greek and Latin ('m' is LATIN SMALL LETTER M)"
    for fine in ("", "open the door", "открой дверь now", "卡拉ok", "tシャツ", "don't naïve straße", "3d 2020", "άλφα"):
        assert mixed_word(fine) == ""
