"""What a beam search knows about the spelling of words: a trie, and how much the words below its nodes are worth.

Two kinds share one trie.  With a *lexicon* the trie's symbols are tokens and only its words can be said.  Without one
(*open vocabulary*) the symbols are letters, so that every way to cut a word into tokens leads to the same node; a path
that leaves the trie is a word that no language knows.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asrlab.core.compiled import compiled_inner
from asrlab.core.errors import AsrlabError
from asrlab.decode.hypothesis import WORD_MARK
from asrlab.language.trie import Trie, build_trie, largest_below

ROOT, OUTSIDE = 0, -1


class WordTrie(NamedTuple):
    """A trie of N nodes and W entries; node 0 is the root, arc a leads to node a + 1.  Node n's arcs are
    `first[n]:first[n + 1]`, by symbol; it spells the entries `word_first[n]:word_first[n + 1]` (homophones)."""

    first: np.ndarray  # (N + 1,) int64
    symbol: np.ndarray  # (N - 1,) int64
    from_root: np.ndarray  # (symbols,) int64, child of the root or -1
    word_first: np.ndarray  # (N + 1,) int64
    word: np.ndarray  # (W,) int64, index of each entry into the caller's list of words
    starts: np.ndarray  # (V,) bool, the token begins a word
    letters_first: np.ndarray  # (V + 1,) int64: token v has symbols letters[letters_first[v]:letters_first[v + 1]]
    letters: np.ndarray  # int64


@compiled_inner
def child_of(trie, node, symbol):
    """The node that a symbol leads to, or OUTSIDE."""
    if node == ROOT:
        return trie.from_root[symbol]
    low, end = trie.first[node], trie.first[node + 1]
    high = end
    while low < high:
        middle = (low + high) >> 1
        if trie.symbol[middle] < symbol:
            low = middle + 1
        else:
            high = middle
    if low < end and trie.symbol[low] == symbol:
        return low + 1
    return OUTSIDE


@compiled_inner
def walk(trie, node, token):
    """The node after all symbols of a token, or OUTSIDE."""
    for k in range(trie.letters_first[token], trie.letters_first[token + 1]):
        if node == OUTSIDE or trie.letters[k] < 0:
            return OUTSIDE
        node = child_of(trie, node, trie.letters[k])
    return node


class Spelled(NamedTuple):
    """A `WordTrie` with what is needed to make and to read it."""

    trie: WordTrie
    shape: Trie
    words: tuple[str, ...]


def open_trie(tokens: Sequence[str], words: tuple[str, ...]) -> Spelled:
    """The trie of words by their letters."""
    codes = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    letters, symbols = np.unique(codes, return_inverse=True)
    number = {chr(code): i for i, code in enumerate(letters.tolist())}
    lengths = np.array([len(word) for word in words], np.int64)
    inner = [tuple(number.get(c, OUTSIDE) for c in t.replace(WORD_MARK, "")) for t in tokens]
    shape = build_trie(symbols.astype(np.int64), lengths)
    return _spelled(shape, np.arange(len(words)), words, tokens, inner, len(letters))


def lexicon_trie(tokens: Sequence[str], lexicon: Mapping[str, Iterable[Sequence[int]]]) -> Spelled:
    """The trie of a lexicon's spellings in tokens.

    Raises:
        AsrlabError: no words, a word without spelling, an empty spelling, or a token id that does not exist.
    """
    words = tuple(lexicon)
    if not words:
        raise AsrlabError("lexicon: no words; pass word -> spellings in token ids (see asrlab.text.lexicon_tokens)")
    spellings, spelled = [], []
    for i, word in enumerate(words):
        of_word = {tuple(int(t) for t in spelling) for spelling in lexicon[word]}
        if not of_word:
            raise AsrlabError(f"lexicon word {word!r}: no spelling; add one or remove the word")
        for spelling in sorted(of_word):
            if not spelling or not all(0 < t < len(tokens) for t in spelling):
                raise AsrlabError(
                    f"lexicon word {word!r}: spelling {spelling} has tokens outside 1..{len(tokens) - 1}; spell "
                    "it with the tokenizer's tokens or remove the word"
                )
            spellings.append(spelling)
            spelled.append(i)
    symbols = np.array([t for spelling in spellings for t in spelling], np.int64)
    shape = build_trie(symbols, np.array([len(spelling) for spelling in spellings], np.int64))
    return _spelled(shape, np.array(spelled), words, tokens, [(v,) for v in range(len(tokens))], len(tokens))


def _spelled(shape: Trie, spelled: np.ndarray, words, tokens, token_symbols, symbols: int) -> Spelled:
    """`spelled`: for each sequence of the trie, the index of its word."""
    order = np.argsort(shape.node, kind="stable")
    from_root = np.full(max(symbols, 1), OUTSIDE, np.int64)
    from_root[shape.symbol[: shape.first[1]]] = 1 + np.arange(shape.first[1])
    trie = WordTrie(
        first=shape.first.astype(np.int64),
        symbol=shape.symbol.astype(np.int64),
        from_root=from_root,
        word_first=np.searchsorted(shape.node[order], np.arange(len(shape.parent) + 1)).astype(np.int64),
        word=spelled[order].astype(np.int64),
        starts=np.array([t.startswith(WORD_MARK) for t in tokens], np.bool_),
        letters_first=_offsets(token_symbols),
        letters=np.array([s for t in token_symbols for s in t], np.int64),
    )
    return Spelled(trie, shape, words)


def look_ahead(spelled: Spelled, worth: np.ndarray) -> np.ndarray:
    """(N + 1,) nats: for each node the most that a word below it is worth, 0 at the root; last, of a word outside.

    Args:
        worth: (W + 1,) nats of each entry; last, of a word outside.
    """
    best = np.full(len(spelled.shape.parent), -np.inf)
    entries = spelled.trie.word_first
    np.maximum.at(best, np.repeat(np.arange(len(best)), np.diff(entries)), worth[:-1])
    best = largest_below(spelled.shape, best)
    best[ROOT] = 0.0
    return np.concatenate([best, worth[-1:]])


def _offsets(groups) -> np.ndarray:
    return np.cumsum([0] + [len(g) for g in groups]).astype(np.int64)
