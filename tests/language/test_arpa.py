"""ARPA: there and back, a file written by hand, and errors that name the line."""

import gzip
import math

import numpy as np
import pytest

from asrlab.core.errors import AsrlabError
from asrlab.language import NGram

# Written by hand: "b" backs off, "c" has no extension, <unk> is missing, and the format's freedoms are used.
HAND = """written by nobody

\\data\\
ngram 1=5
ngram  2 = 3

\\1-grams:
-99\t<s>\t-0.30103
-1.0\t</s>
-0.5\ta\t-0.2
-0.6  b  -0.4
-0.7\tc

\\2-grams:
-0.1\t<s> a
-0.2\ta b
-0.3\tb </s>

\\end\\
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "x.arpa"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["x.arpa", "x.arpa.gz"])
@pytest.mark.parametrize("order", [1, 3])
def test_there_and_back(tmp_path, name, order):
    lm = NGram.train(["größe 你好 d'or", "größe", "", "你好 你好"], order)
    lm.write_arpa(tmp_path / name)
    back = NGram.read_arpa(tmp_path / name)
    assert back.words == lm.words and back.order == lm.order
    for a, b in zip(lm.automaton, back.automaton, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-7)


def test_a_file_written_by_hand(write):
    lm = NGram.read_arpa(write(HAND))
    ln10 = math.log(10)
    logp, after_a = lm.score(lm.start(), "a")
    assert logp == pytest.approx(-0.1 * ln10)
    logp, after_b = lm.score(after_a, "b")
    assert logp == pytest.approx(-0.2 * ln10)
    assert lm.finish(after_b) == pytest.approx(-0.3 * ln10)
    logp, after_c = lm.score(after_b, "c")
    assert logp == pytest.approx((-0.4 - 0.7) * ln10)
    assert after_c == 0  # nothing follows c: the state is the empty history
    assert lm.score(lm.start(), "b")[0] == pytest.approx((-0.30103 - 0.6) * ln10)
    assert lm.score(after_a, "unheard of")[0] == pytest.approx((-0.2 - 100) * ln10)


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("\\data\\", "data"), 19, "the file ends"),
        (("ngram 1=5", "ngram 1=five"), 4, "expected 'ngram 1=COUNT'"),
        (("ngram 1=5", "ngram 1=4"), 14, "5 1-grams"),
        (("\\2-grams:", "\\3-grams:"), 14, "expected '.2-grams:'"),
        (("-0.5\ta", "half\ta"), 10, "no number"),
        (("-0.5\ta", "0.5\ta"), 10, "at most 1"),
        (("-0.5\ta", "nan\ta"), 10, "at most 1"),
        (("-0.7\tc", "-0.7\tc d -1 2"), 12, "5 fields"),
        (("-0.7\tc", "-0.7\ta"), 12, "second time"),
        (("a b\n", "d b\n"), 16, "without 'd'"),
        (("a b\n", "a d\n"), 16, "not among the 1-grams"),
        (("-0.2\ta b\n", "-0.2\ta b\t-0.1\n"), 16, "4 fields"),
        (("\n\\end\\\n", ""), 17, "the file ends"),
    ],
)
def test_errors_name_the_line(write, change, line, message):
    assert change[0] in HAND
    with pytest.raises(AsrlabError, match=rf"x\.arpa:{line}: .*{message}"):
        NGram.read_arpa(write(HAND.replace(*change, 1)))


def test_files_that_are_none(write, tmp_path):
    with pytest.raises(AsrlabError, match="no such file"):
        NGram.read_arpa(tmp_path / "missing.arpa")
    with pytest.raises(AsrlabError, match="the file ends"):
        NGram.read_arpa(write(""))
    with pytest.raises(AsrlabError, match="no </s>"):
        NGram.read_arpa(write("\\data\\\nngram 1=1\n\\1-grams:\n-1\ta\n\\end\\\n"))
    binary = tmp_path / "binary.arpa"
    binary.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(AsrlabError, match="UTF-8"):
        NGram.read_arpa(binary)
    with pytest.raises(AsrlabError, match=r"folder\.arpa: is there and no regular file"):
        (tmp_path / "folder.arpa").mkdir()
        NGram.train(["a b"], 2).write_arpa(tmp_path / "folder.arpa")
    short = tmp_path / "short.arpa.gz"
    short.write_bytes(gzip.compress(HAND.encode() * 50)[:60])
    with pytest.raises(AsrlabError, match=r"UTF-8|ends"):
        NGram.read_arpa(short)
