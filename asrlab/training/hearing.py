"""A batch as the model hears it in training: with noise, through channels, masked, without a modality now and then."""

from collections.abc import Mapping

import torch
from torch import Tensor

from asrlab.core.streams import Stream
from asrlab.corpora import SOUND
from asrlab.corpora.films import LIPS
from asrlab.signals.augment import jitter, random_channel, spec_augment
from asrlab.signals.features import normalise_utterance
from asrlab.signals.inputs import FrontEnds
from asrlab.signals.noise import add_to_sound
from asrlab.training import objectives
from asrlab.training.batching import Batch
from asrlab.training.recipe import Recipe


def hear(
    batch: Batch, front_ends: FrontEnds, rates: Mapping[str, float], recipe: Recipe
) -> tuple[Batch, dict[str, Stream]]:
    """The batch and its features, with all the chance that the recipe has; `rates` of the inputs, values a second."""
    heard = add_to_sound(batch.inputs, recipe.noise, rates)
    if LIPS in heard:
        heard[LIPS] = Stream(jitter(heard[LIPS].values, recipe.lips_augment), heard[LIPS].lengths)
    return augment(batch, drop_modalities(front_ends(heard), recipe.modality_dropout), recipe)


def drop_modalities(
    features: Mapping[str, Stream], shares: Mapping[str, float], generator: torch.Generator | None = None
) -> dict[str, Stream]:
    """Streams of which some utterances lose one modality, as if it had never been there (AV-HuBERT, Shi et al. 2022).

    shares  modality -> how often it is taken away; one at a time, and none that is the last of its utterance
    """
    kept = dict(features)
    if not any(shares.values()):
        return kept
    there = torch.stack([stream.lengths > 0 for stream in features.values()]).sum(dim=0)  # (B,) modalities
    draw = torch.rand(len(there), generator=generator, device=there.device)
    begin = 0.0
    for name, rate in shares.items():
        values, lengths = features[name]
        gone = (draw >= begin) & (draw < begin + rate) & (there > (lengths > 0).long())
        shape = (-1,) + (1,) * (values.ndim - 1)
        kept[name] = Stream(values.masked_fill(gone.view(shape), 0.0), lengths.masked_fill(gone, 0))
        begin += rate
    return kept


def augment(batch: Batch, features: Mapping[str, Stream], recipe: Recipe) -> tuple[Batch, dict[str, Stream]]:
    """Batch and features as the model hears them: repeated for objectives that want copies, sound through channels and
    with masks."""
    times = objectives.copies(recipe.objectives)
    if times > 1:
        batch, features = batch.repeat(times), {name: stream.repeat(times) for name, stream in features.items()}
    heard = dict(features)
    if SOUND in heard:
        values, lengths = heard[SOUND]
        values = through_channels(values, lengths, recipe)
        heard[SOUND] = Stream(spec_augment(values, lengths, recipe.spec_augment), lengths)
    return batch, heard


def through_channels(features: Tensor, lengths: Tensor, recipe: Recipe) -> Tensor:
    """Features of sound through random channels, normalised again as the front end does it."""
    if not recipe.channel.share:
        return features
    features = random_channel(features, lengths, recipe.channel)
    normalise = recipe.inputs.sound.normalise if recipe.inputs.sound else "none"
    if normalise not in ("utterance", "level"):
        return features
    return normalise_utterance(features, lengths, together=normalise == "level")
