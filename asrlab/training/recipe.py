"""A recipe: everything that decides what is trained and how. One typed dataclass; YAML files hold the named ones."""

import os
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from asrlab import corpora
from asrlab.core import config
from asrlab.core.config import Above, Between, CountOrNone, NotNegative, Options, Positive, Share
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus
from asrlab.decode import BeamOptions
from asrlab.decode.attention import AttentionOptions
from asrlab.models import ModelOptions
from asrlab.recognizer import SEARCHES
from asrlab.signals.augment import ChannelOptions, LipsAugmentOptions, SpecAugmentOptions
from asrlab.signals.inputs import InputOptions
from asrlab.signals.noise import NoiseOptions
from asrlab.training import objectives

Speed = Annotated[float, Between(0.1, 10)]


@dataclass(frozen=True)
class LanguageOptions(Options):
    order: Annotated[int, Between(0, 20)] = 0  # of the word n-gram of the training texts, 0: no language model
    text_split: str = "text"  # further sentences for it, where the corpus has such a split, as from a text.txt
    lexicon: bool = False  # allow only words of the lexicon, or of the training texts where the corpus has none


@dataclass(frozen=True)
class Recipe(Options):
    corpus: str = "scenetalk"  # a corpus by name, or the path of a manifest, a folder or shards of your own
    corpus_options: dict[str, Any] = field(default_factory=dict)  # passed on to the corpus, e.g. {dev_speakers: 8}
    train_splits: tuple[str, ...] = ("train",)  # what to learn from
    dev_split: str = "dev"  # what chooses the epoch to keep, empty: keep the last one
    test_split: str = "test"  # what the final figures are measured on
    init: str = ""  # begin from the weights of this recogniser, a folder or a packaged one by name, empty: from chance
    freeze: CountOrNone = 0  # with init: so many blocks of each encoder, from below, stay as they are
    tokenizer: Literal["char", "char-initial", "word", "subword", "phone"] = "char"  # -initial: a word's first marked
    subwords: Annotated[int, Between(2, 1_000_000)] = 100  # how many tokens a subword tokenizer has
    inputs: InputOptions = field(default_factory=InputOptions)
    noise: NoiseOptions = field(default_factory=NoiseOptions)
    channel: ChannelOptions = field(default_factory=ChannelOptions)
    spec_augment: SpecAugmentOptions = field(default_factory=SpecAugmentOptions)
    lips_augment: LipsAugmentOptions = field(default_factory=LipsAugmentOptions)
    modality_dropout: dict[str, Share] = field(default_factory=dict)  # modality -> how often it is taken away
    model: ModelOptions = field(default_factory=ModelOptions)
    objectives: dict[str, NotNegative] = field(default_factory=lambda: {"ctc": 1.0})  # what is learned: name -> weight
    beam: BeamOptions = field(default_factory=BeamOptions)
    attention: AttentionOptions = field(default_factory=AttentionOptions)
    language: LanguageOptions = field(default_factory=LanguageOptions)
    search: str = ""  # how the recogniser decodes (greedy, beam, lexicon, lm, ...), empty: as dev data choose
    speeds: tuple[Speed, ...] = (1.0,)  # each time an utterance is heard it is spoken at one of these speeds
    realign_epochs: CountOrNone = 0  # so often the model says which pronunciations it hears, 0: always the first
    epochs: Annotated[int, Between(1, 1_000_000)] = 40  # passes over the training data
    batch_seconds: Positive = 60.0  # padded sound in one batch, over all processes together
    accumulate: Annotated[int, Between(1, 10_000)] = 1  # parts that a batch is computed in, for less memory
    lanes: CountOrNone = 0  # of a corpus in shards: how many are read side by side, 0: one for each process
    save_steps: CountOrNone = 0  # a checkpoint after so many steps too, 0: after each epoch alone
    learning_rate: Annotated[float, Above(0, 100)] = 2e-3  # peak of the learning rate
    warmup_epochs: NotNegative = 3.0  # epochs over which it climbs there, then it falls to zero along a cosine
    weight_decay: NotNegative = 1e-2  # AdamW's pull of the weight matrices towards zero
    clip: Positive = 5.0  # longest gradient, in Euclidean norm
    average_epochs: Positive = 3.0  # the weights that count are a running average over about so many epochs
    patience: CountOrNone = 0  # stop when dev WER has not improved for so many epochs, 0: never
    precision: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 where this device multiplies it faster
    compile: bool = False  # torch.compile the model: pays on a GPU, and on a CPU with a C++ compiler
    keep_audio: bool = True  # hold the training audio in memory, false: read it in every epoch
    workers: Annotated[int, Between(0, 256)] = 0  # processes that read audio ahead
    seed: Annotated[int, Between(0, 2**53)] = 1  # decides initial weights, order, augmentation and dropout

    def __post_init__(self) -> None:
        super().__post_init__()
        objectives.check(self.objectives, self.model)
        for name in self.model.branches:
            if name not in self.inputs.names:
                raise AsrlabError(f"model.branches.{name}: inputs.{name} is not there to read; give it ({{}})")
        for name in self.inputs.names:
            if name not in self.model.branches:
                raise AsrlabError(f"inputs.{name}: the model has no branch for it; give model.branches.{name}={{}}")
        for name in self.modality_dropout:
            if name not in self.inputs.names:
                raise AsrlabError(f"modality_dropout.{name}: not read; the inputs are {', '.join(self.inputs.names)}")
        if sum(self.modality_dropout.values()) > 1:
            raise AsrlabError(f"modality_dropout={self.modality_dropout}: only one is taken at a time; add up to 1")
        if self.search and self.search not in SEARCHES:
            raise AsrlabError(f"search={self.search!r}: one of {', '.join(SEARCHES)}, or '' to let dev data choose")
        if not self.speeds:
            raise AsrlabError("speeds=(): give one or more factors, such as 1.0")


def names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    return tuple(sorted(p.name[:-5] for p in _folder().iterdir() if p.name.endswith(".yaml")))


def load(name: str) -> Recipe:
    """A recipe by name, or from a YAML file by its path; paths in it begin at its folder, where they lead somewhere.

    Raises AsrlabError naming what is there.
    """
    if name in names():
        return config.load_yaml(Recipe, str(_folder() / f"{name}.yaml"))
    if not Path(name).suffix:
        raise AsrlabError(f"recipe {name!r}: there are {', '.join(names())}; or give the path of a YAML file")
    found, folder = config.load_yaml(Recipe, name), Path(name).parent
    corpus = found.corpus if found.corpus in corpora.names() else _beside(folder, found.corpus)
    noise = replace(found.noise, files=_beside(folder, found.noise.files))
    return replace(found, corpus=corpus, init=_beside(folder, found.init), noise=noise)


def _beside(folder: Path, path: str) -> str:
    """The path from the folder, if it is there; as it is, if not."""
    there = folder / Path(path).expanduser()
    return str(there) if path and os.path.exists(there) else path


def load_corpus(recipe: Recipe) -> Corpus:
    """The corpus of a recipe: by name, or your own by its path, a manifest, a folder or shards. Raises AsrlabError."""
    for name in ("root", "name"):  # they have a place of their own
        if name in recipe.corpus_options:
            raise AsrlabError(f"corpus_options.{name}: not an option; give corpus={recipe.corpus_options[name]!r}")
    return corpora.find(recipe.corpus, **recipe.corpus_options)


def _folder():
    return resources.files("asrlab") / "recipes"
