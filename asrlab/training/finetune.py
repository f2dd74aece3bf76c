"""Fine-tuning: a training that begins from the weights of another recogniser instead of chance.

What a recogniser has learned of sound is of use for other words, voices and rooms. Its front ends and model are taken
as they are; its tokens need not be those of the new texts.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Shape
from asrlab.models import Model, ModelOptions
from asrlab.models.encoders import Encoder
from asrlab.packaged import recogniser_folder
from asrlab.recognizer import Recognizer
from asrlab.signals.inputs import InputOptions
from asrlab.training.recipe import Recipe


@lru_cache(maxsize=1)
def begun_from(init: str) -> Recognizer:
    """The recogniser in a folder, or a packaged one by its name. Raises AsrlabError naming what there is."""
    return Recognizer.load(recogniser_folder(init))


def adopt(recipe: Recipe) -> Recipe:
    """The recipe with the front ends and the model of the recogniser that it begins from; itself if from none.

    A head that none of the recipe's objectives would train is left behind.
    Raises AsrlabError if the recipe asks for others, and for more frozen blocks than there are.
    """
    if not recipe.init:
        if recipe.freeze:
            raise AsrlabError(f"freeze={recipe.freeze}: nothing is learned yet that could be kept; give init as well")
        return recipe
    first = begun_from(recipe.init)
    for name, own, wanted in (
        ("inputs", first.inputs, InputOptions()),
        ("model", first.model.options, ModelOptions()),
    ):
        asked = getattr(recipe, name)
        if asked not in (own, wanted):
            raise AsrlabError(
                f"{name}: not as in init={recipe.init}, which has {config.brief(config.to_dict(own))}; leave "
                f"{name} out of the recipe, they come with the weights"
            )
    model = first.model.options
    if not recipe.objectives.get("attention"):
        model = replace(model, decoder=None)
    if not recipe.objectives.get("inner_ctc"):
        model = replace(model, inner_ctc=False)
    fewest = min(branch.layers for branch in model.branches.values())
    if recipe.freeze > fewest:
        raise AsrlabError(f"freeze={recipe.freeze}: an encoder of init={recipe.init} has {fewest} blocks; give fewer")
    return replace(recipe, inputs=first.inputs, model=model)


def take_over(model: Model, tokens: Sequence[str], recipe: Recipe) -> str:
    """Give a new model the weights that its recipe begins from, and say in a sentence what was kept.

    Weights of each token go to the token of the same text; a token that is new keeps its weights by chance. With
    `freeze` so many blocks of each encoder, and all below them, will not be trained.
    """
    first = begun_from(recipe.init)
    old = {token: i for i, token in enumerate(first.tokenizer.tokens)}
    pairs = [(new, old[token]) for new, token in enumerate(tokens) if token in old]
    into, come = (torch.tensor(side, dtype=torch.long) for side in zip(*pairs, strict=True))
    weights, by_token = first.model.state_dict(), set(_by_token(first.model.options))
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name in by_token:
                value[into] = weights[name][come].to(value.device)
            else:
                value.copy_(weights[name])
    for branch in model.branches.values() if recipe.freeze else ():
        if isinstance(branch, Encoder):
            for part in (branch.subsample, *list(branch.blocks)[: recipe.freeze]):
                part.requires_grad_(False)
    frozen = sum(p.numel() for p in model.parameters() if not p.requires_grad)
    kept = f"begins from {recipe.init}: {len(pairs)} of {len(tokens)} tokens known"
    return kept + (f", {frozen:,} of {model.parameter_count():,} weights frozen" if frozen else "")


def _by_token(options: ModelOptions) -> list[str]:
    """The weights that have a row for each token: those that grow with the vocabulary."""
    shapes = {name: Shape(1, 0.01) for name in options.branches}
    with torch.device("meta"):
        few, more = (Model(shapes, count, options).state_dict() for count in (2, 3))
    return [name for name, value in few.items() if value.shape != more[name].shape]
