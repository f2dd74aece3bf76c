"""Where a training stands, and how it is written down so that a kill at any moment loses one epoch at most, or with
`save_steps` so many steps."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.models import Model
from asrlab.training.recipe import Recipe

CHECKPOINT = "checkpoint.safetensors"
PLAIN: dict[str, type | tuple[type, ...]] = {  # what of a State is no tensor, and of which type it is
    "best_error": (float, int), "best_epoch": int, "epoch": int, "step": int, "done": int, "partial": dict,
    "stopped": bool, "spoken": (list, type(None)), "corpus": str,
}  # fmt: skip


@dataclass
class State:
    """Where training stands: the epoch, the optimiser's memory, the averaged weights and the best of them so far."""

    model: Model
    optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]
    best: dict[str, Tensor]
    best_error: float = math.inf  # on dev
    best_epoch: int = 0
    epoch: int = 0  # that are over
    step: int = 0  # of all epochs
    done: int = 0  # steps of the epoch that is not over
    partial: dict[str, float] = field(default_factory=dict)  # its line of the log so far, with sums instead of means
    stopped: bool = False
    spoken: Sequence[Sequence[int]] | None = None  # the pronunciations of each utterance's words, once they were chosen
    corpus: str = ""  # fingerprint of what is trained on

    @classmethod
    def fresh(cls, model: Model, optimizer: torch.optim.Optimizer, corpus: str = "") -> "State":
        def copy() -> dict[str, Tensor]:
            return {name: value.detach().clone() for name, value in model.state_dict().items()}

        return cls(model, optimizer, copy(), copy(), corpus=corpus)

    def average_in(self, model: Model, decay: float) -> None:
        """Move the running average a step towards the weights; early on it forgets faster."""
        self.step += 1
        decay = min(decay, self.step / (self.step + 10))
        now = {name: value.detach() for name, value in model.state_dict().items()}
        smooth = [name for name, value in now.items() if value.is_floating_point()]
        torch._foreach_lerp_([self.average[n] for n in smooth], [now[n] for n in smooth], 1 - decay)
        for name in now.keys() - set(smooth):  # a count has no mean
            self.average[name].copy_(now[name])

    def averaged(self, model: Model) -> "_Swapped":
        """A context in which the model has the averaged weights and is in evaluation mode."""
        return _Swapped(model, self.average)

    def keep_best(self, model: Model, error: float | None, patience: int) -> None:
        """Keep the weights that the model has now if they are the best so far, or if there is no measure of that."""
        if error is None or error <= self.best_error:
            self.best = {name: value.detach().clone() for name, value in model.state_dict().items()}
            self.best_epoch = self.epoch
            self.best_error = math.inf if error is None else error
        self.stopped = bool(patience) and self.epoch - self.best_epoch >= patience

    def load_best(self, model: Model) -> None:
        model.load_state_dict(self.best)

    def save(self, run: Path, recipe: Recipe) -> None:
        """Write the checkpoint whole or not at all. Raises AsrlabError if the disk is full; the last one stays."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.items()}
        tensors |= {f"best.{k}": v for k, v in self.best.items()}
        for i, memory in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": v for k, v in memory.items()}
        plain = {name: getattr(self, name) for name in PLAIN}
        metadata = {"state": json.dumps(plain), "recipe": json.dumps(config.to_dict(recipe))}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        metadata["digest"] = _digest(tensors, metadata)
        write_whole(run / CHECKPOINT, save(tensors, metadata))

    def restore(self, run: Path, recipe: Recipe) -> None:
        """Go on from the checkpoint in `run`. Raises AsrlabError if it is damaged, or of another recipe or corpus."""
        path = run / CHECKPOINT
        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata() or {}
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
            noted = metadata.pop("digest")
            before, plain = json.loads(metadata["recipe"]), json.loads(metadata["state"])
        except (SafetensorError, OSError) as error:
            raise AsrlabError(f"{path}: damaged, or no checkpoint ({error}); delete it to start anew") from error
        except (KeyError, ValueError) as error:
            raise AsrlabError(
                f"{path}: not a checkpoint of asrlab; use another directory, or delete it to start anew"
            ) from error
        if noted != _digest(tensors, metadata):
            raise AsrlabError(f"{path}: damaged (its checksum is another); delete it to start anew")
        now = json.loads(json.dumps(config.to_dict(recipe)))
        changed = _first_difference(before, now)
        if changed:
            raise AsrlabError(
                f"{path}: made with another recipe ({changed}); use another directory, or --restart to start anew"
            )
        wrong = [n for n, kind in PLAIN.items() if not isinstance(plain, dict) or not isinstance(plain.get(n), kind)]
        if wrong or not isinstance(before, dict):
            raise AsrlabError(f"{path}: its {(wrong or ['recipe'])[0]} is of a wrong type; delete it to start anew")
        if plain["corpus"] != self.corpus:
            raise AsrlabError(
                f"{path}: made from other texts, recordings or tokens than there are now; put the corpus back "
                "as it was, use another directory, or --restart to start anew"
            )
        parts: dict[str, dict[str, Tensor]] = {"model": {}, "average": {}, "best": {}, "optimizer": {}}
        for key, value in tensors.items():
            part, _, name = key.partition(".")
            parts.setdefault(part, {})[name] = value
        try:
            self._put_back(parts)
        except (RuntimeError, KeyError, ValueError, AttributeError) as error:
            raise AsrlabError(
                f"{path}: made with this recipe, but its weights do not fit: did the corpus change? "
                "Use another directory, or --restart to start anew"
            ) from error
        for name in PLAIN:
            setattr(self, name, plain[name])

    def _put_back(self, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
        device = next(self.model.parameters()).device
        self.model.load_state_dict(parts["model"])
        self.average = {k: parts["average"][k].to(device) for k in self.average}
        self.best = {k: parts["best"][k].to(device) for k in self.best}
        memory: dict[int, dict[str, Tensor]] = {}
        for key, value in parts["optimizer"].items():
            index, _, name = key.partition(".")
            memory.setdefault(int(index), {})[name] = value
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": memory})


class _Swapped:
    """The model with other weights, in evaluation mode, for a while."""

    def __init__(self, model: Model, weights: Mapping[str, Tensor]):
        self.model, self.weights = model, weights

    def __enter__(self) -> None:
        self.own = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(self.weights)
        self.model.eval()

    def __exit__(self, *_: object) -> None:
        self.model.load_state_dict(self.own)
        self.model.train()


def _digest(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> str:
    """A checksum of all that a checkpoint holds."""
    found = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


def _first_difference(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> str | None:
    for key in {**now, **before}:
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = _first_difference(old, new, f"{prefix}{key}.")
            if inner:
                return inner
        elif old != new:
            return f"{prefix}{key} was {old!r} and is {new!r}"
    return None
