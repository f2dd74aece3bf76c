"""What is known of the words: n-gram models, grammars, hotwords, and the automata as which a decoder takes them."""

from asrlab.language.automaton import Automaton, Language, WordAutomaton
from asrlab.language.grammar import Grammar
from asrlab.language.hotwords import context_graph
from asrlab.language.ngram import NGram
from asrlab.language.phrases import Hotword, phrase_weights, read_hotwords, way_in

__all__ = [
    "Automaton", "Grammar", "Hotword", "Language", "NGram", "WordAutomaton", "context_graph", "phrase_weights",
    "read_hotwords", "way_in",
]  # fmt: skip
