"""asrlab: a readable, tested speech recogniser.

    import asrlab

    corpus = asrlab.load_corpus("scenetalk")
    recognizer = asrlab.train(asrlab.load_recipe("scenetalk"), "runs/scenetalk", corpus)
    print(asrlab.evaluate(recognizer, corpus["test"]).report())
    print(asrlab.load().transcribe("speech.wav").text)  # the recogniser that comes with the package

Each name is imported when it is first used: `import asrlab` itself reads no file and no torch.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# Torch reads these when it first computes. Batches of speech come in hundreds of shapes, and for each of them oneDNN
# makes kernels, which it forgets after 1024 others; and memory that comes in large pages is had sooner.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "16384")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

if TYPE_CHECKING:
    from asrlab.core.errors import AsrlabError
    from asrlab.corpora import load as load_corpus
    from asrlab.recognizer import Recognizer
    from asrlab.scoring.evaluate import evaluate
    from asrlab.training.loop import train
    from asrlab.training.recipe import Recipe
    from asrlab.training.recipe import load as load_recipe

    load = Recognizer.load

__version__ = "0.1.0"

# The public names, as `module:name`. Beside them every folder has its own; CHANGELOG.md says what may change.
_HOMES = {
    "AsrlabError": "asrlab.core.errors:AsrlabError",
    "Recipe": "asrlab.training.recipe:Recipe",
    "Recognizer": "asrlab.recognizer:Recognizer",
    "evaluate": "asrlab.scoring.evaluate:evaluate",
    "load": "asrlab.recognizer:Recognizer.load",
    "load_corpus": "asrlab.corpora:load",
    "load_recipe": "asrlab.training.recipe:load",
    "train": "asrlab.training.loop:train",
}

__all__ = [
    "AsrlabError",
    "Recipe",
    "Recognizer",
    "__version__",
    "evaluate",
    "load",
    "load_corpus",
    "load_recipe",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, path = _HOMES[name].partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
