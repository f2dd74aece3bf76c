"""What is known of the words: n-gram models, hotwords, and the automata as which a decoder takes them."""

from asrlab.language.automaton import Automaton, Language, WordAutomaton
from asrlab.language.hotwords import context_graph
from asrlab.language.ngram import NGram
from asrlab.language.phrases import Hotword, phrase_weights, read_hotwords, way_in

__all__ = [
    "Automaton", "Hotword", "Language", "NGram", "WordAutomaton", "context_graph", "phrase_weights", "read_hotwords",
    "way_in",
]  # fmt: skip
