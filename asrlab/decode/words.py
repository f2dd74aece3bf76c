"""What a beam search knows about words: a trie of their spellings with language model scores at its nodes.

Two kinds share one trie.  With a *lexicon* the trie's symbols are tokens and only its words can be said.  Without one
(*open vocabulary*) the symbols are letters, so that every way to cut a word into tokens leads to the same node; a path
that leaves the trie is an unknown word.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asrlab.core.compiled import compiled_inner
from asrlab.core.errors import AsrlabError
from asrlab.decode.hypothesis import WORD_MARK
from asrlab.language.ngram import UNKNOWN_ID, NGram

ROOT, OUTSIDE = 0, -1


class WordTrie(NamedTuple):
    """A trie of N nodes and A arcs; node 0 is the root.  Node n's arcs are `first[n]:first[n + 1]`, by symbol."""

    first: np.ndarray  # (N + 1,) int64
    symbol: np.ndarray  # (A,) int64
    child: np.ndarray  # (A,) int64
    from_root: np.ndarray  # (symbols,) int64, child of the root or -1
    word_first: np.ndarray  # (N + 1,) int64: node n spells words word_first[n]:word_first[n + 1] (homophones)
    word: np.ndarray  # (W,) int64, index into the caller's list of words
    lm_word: np.ndarray  # (W,) int64, word id in the language model
    lookahead: np.ndarray  # (N + 1,) float64: largest unigram log-probability below a node; last: of an unknown word
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
        return trie.child[low]
    return OUTSIDE


@compiled_inner
def walk(trie, node, token):
    """The node after all symbols of a token, or OUTSIDE."""
    for k in range(trie.letters_first[token], trie.letters_first[token + 1]):
        if node == OUTSIDE or trie.letters[k] < 0:
            return OUTSIDE
        node = child_of(trie, node, trie.letters[k])
    return node


def open_trie(tokens: Sequence[str], lm: NGram | None) -> tuple[WordTrie, tuple[str, ...]]:
    """The trie of a language model's words by letters (empty without one), and the words."""
    words = () if lm is None else lm.words[3:]
    letters = {c: i for i, c in enumerate(sorted({c for w in words for c in w}))}
    spellings = [(tuple(letters[c] for c in w), i) for i, w in enumerate(words)]
    inner = [tuple(letters.get(c, OUTSIDE) for c in t.replace(WORD_MARK, "")) for t in tokens]
    return _build(spellings, words, tokens, inner, len(letters), lm), words


def lexicon_trie(
    tokens: Sequence[str], lexicon: Mapping[str, Iterable[Sequence[int]]], lm: NGram | None
) -> tuple[WordTrie, tuple[str, ...]]:
    """The trie of a lexicon's spellings in tokens, and its words.

    Raises:
        AsrlabError: no words, a word without spelling, an empty spelling, or a token id that does not exist.
    """
    words = tuple(lexicon)
    if not words:
        raise AsrlabError("lexicon: no words; pass word -> spellings in token ids (see asrlab.text.lexicon_tokens)")
    spellings = []
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
            spellings.append((spelling, i))
    return _build(spellings, words, tokens, [(v,) for v in range(len(tokens))], len(tokens), lm), words


def _build(spellings, words, tokens, token_symbols, symbols: int, lm: NGram | None) -> WordTrie:
    arcs: list[dict[int, int]] = [{}]
    ends: list[list[int]] = [[]]
    unknown = 0.0 if lm is None else float(lm.arrays.logp[UNKNOWN_ID])
    lm_word = [UNKNOWN_ID if lm is None else lm.word_id(w) for w in words]
    unigram = [0.0 if lm is None else float(lm.arrays.logp[i]) for i in lm_word]
    lookahead = [-np.inf]
    for spelling, word in spellings:
        node = ROOT
        for symbol in spelling:
            if symbol not in arcs[node]:
                arcs[node][symbol] = len(arcs)
                arcs.append({})
                ends.append([])
                lookahead.append(-np.inf)
            node = arcs[node][symbol]
            lookahead[node] = max(lookahead[node], unigram[word])
        ends[node].append(word)
    lookahead[ROOT] = 0.0
    from_root = np.full(max(symbols, 1), OUTSIDE, np.int64)
    for symbol, child in arcs[ROOT].items():
        from_root[symbol] = child
    flat = [arc for node in arcs for arc in sorted(node.items())]
    return WordTrie(
        first=_offsets(arcs),
        symbol=np.array([a[0] for a in flat], np.int64),
        child=np.array([a[1] for a in flat], np.int64),
        from_root=from_root,
        word_first=_offsets(ends),
        word=np.array([w for node in ends for w in node], np.int64),
        lm_word=np.array([lm_word[w] for node in ends for w in node], np.int64),
        lookahead=np.array([*lookahead, unknown], np.float64),
        starts=np.array([t.startswith(WORD_MARK) for t in tokens], np.bool_),
        letters_first=_offsets(token_symbols),
        letters=np.array([s for t in token_symbols for s in t], np.int64),
    )


def _offsets(groups) -> np.ndarray:
    return np.cumsum([0] + [len(g) for g in groups]).astype(np.int64)
