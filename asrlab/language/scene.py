"""What is on the table, as a language: words for what is there are worth more than words for what is not.

A listener who sees the scene expects its things to be named.  So each word that describes one of them earns a weight,
and a whole description an additional one; both are hotwords, a list that changes with every scene.  Nothing is
forbidden, since people also speak of what is not there.  With the scene of another utterance in its place, or none, it
can be told how much of a gain is the scene's.
"""

import math
from collections.abc import Iterable, Sequence

from asrlab.core.errors import AsrlabError
from asrlab.language.automaton import WordAutomaton
from asrlab.language.hotwords import context_graph


def scene_prior(
    things: Sequence[str], vocabulary: Iterable[str], word_nats: float = 1.0, thing_nats: float = 1.0
) -> WordAutomaton:
    """The automaton of a scene, for a decoder's `extra` languages.

    Args:
        things: what is there, each as its description ("red circle"); the same may be there twice.  Empty: all words
            earn 0.
        vocabulary: all words that describe things, there or not.
        word_nats: earned by each word of a description, wherever it is said; 0 or more.
        thing_nats: earned besides by a whole description of two or more words; 0 or more.

    Raises:
        AsrlabError: no list of things, a thing without words or with one that the vocabulary does not have, or weights
            that are not finite numbers from 0 on.
    """
    if isinstance(things, str) or not isinstance(things, Sequence):
        raise AsrlabError(
            f"scene: {type(things).__name__}; pass a list of things, ['red circle', ...], or an empty one"
        )
    for name, nats in {"word_nats": word_nats, "thing_nats": thing_nats}.items():
        if not (isinstance(nats, (int, float)) and math.isfinite(nats) and nats >= 0):
            raise AsrlabError(f"scene: {name}={nats!r}; pass a number of nats from 0 on")
    known = frozenset(vocabulary)
    words: dict[str, float] = {}
    phrases: dict[str, float] = {}
    for thing in things:
        said = thing.split() if isinstance(thing, str) else []
        if not said:
            raise AsrlabError(f"scene: thing {thing!r} without words; describe it, or leave it out")
        for word in said:
            if word not in known:
                raise AsrlabError(
                    f"scene: {word!r} of thing {thing!r} is none of the {len(known)} words for things; spell it as the "
                    "recogniser does, or add it to the vocabulary"
                )
            words[word] = word_nats
        if len(said) > 1:
            phrases[" ".join(said)] = thing_nats
    return context_graph({**words, **phrases})
