"""Weights read from a safetensors file: held to what a model expects before any of them is used."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load

from asrlab.core.errors import AsrlabError


def checked(path: Path, data: bytes, expected: Mapping[str, torch.Tensor], described: str) -> dict[str, torch.Tensor]:
    """The weights in `data`, the content of `path`, once they are known to be those that are `expected`.

    expected   a state dict of the right shapes and types, for instance one made on the "meta" device
    described  name of the file that describes the model, for error messages

    Stored in 16 bits, they come back in 32. Raises AsrlabError naming the file if it is damaged, of another model, or
    holds values that are not finite.
    """
    try:
        weights = load(data)
    except SafetensorError as error:
        raise AsrlabError(f"{path}: missing or damaged ({error}); copy it or train again") from error
    other = f"{path}: weights of another model than {described} describes"
    for name in {**expected, **weights}:
        if name not in weights or name not in expected:
            raise AsrlabError(f"{other} ({name} is in one of them alone); keep the two together")
        one, wanted = weights[name], expected[name]
        if one.shape != wanted.shape:
            raise AsrlabError(f"{other} ({name}: {list(one.shape)}, not {list(wanted.shape)}); keep the two together")
        if one.dtype not in ((torch.float32, torch.float16) if wanted.is_floating_point() else (wanted.dtype,)):
            raise AsrlabError(f"{other} ({name}: {one.dtype}, not {wanted.dtype}); keep the two together")
        if not torch.isfinite(one).all():
            raise AsrlabError(f"{path}: {name} holds values that are not finite; copy it or train again")
    return {name: one.to(expected[name].dtype) for name, one in weights.items()}
