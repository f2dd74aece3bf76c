"""Work that is divided among the processes of torchrun: who does what, and putting together what they found."""

from __future__ import annotations

import heapq
import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
import torch.distributed as dist

from asrlab.core.errors import AsrlabError

T = TypeVar("T")


def rank_and_world() -> tuple[int, int]:
    """Which process this is, and of how many; 0 of 1 where there is no process group."""
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def on_cpu(asked: bool) -> bool:
    """What to tell accelerate: CPU if that was asked for, and for several processes without a GPU, which would not find
    each other otherwise."""
    return asked or (int(os.environ.get("WORLD_SIZE", "1")) > 1 and not torch.cuda.is_available())


def shares(weights: Sequence[float], count: int) -> list[list[int]]:
    """Indices divided into `count` shares of about the same weight, each in order: the heaviest first, always to the
    share that has least (Graham 1969)."""
    found: list[list[int]] = [[] for _ in range(count)]
    heap = [(0.0, k) for k in range(count)]
    for i in sorted(range(len(weights)), key=lambda i: -weights[i]):
        total, k = heapq.heappop(heap)
        found[k].append(i)
        heapq.heappush(heap, (total + weights[i], k))
    return [sorted(own) for own in found]


def mine(weights: Sequence[float]) -> list[int]:
    """The share of this process; all of them together have every index once."""
    rank, world = rank_and_world()
    return shares(weights, world)[rank]


def merged(found: Mapping[str, T]) -> dict[str, T]:
    """What all processes found, which each must ask for; a key belongs to one of them alone.

    Raises AsrlabError if a process has died meanwhile.
    """
    _, world = rank_and_world()
    if world == 1:
        return dict(found)
    everything: list[dict[str, T]] = [{} for _ in range(world)]
    try:
        dist.all_gather_object(everything, dict(found))
    except RuntimeError as error:
        raise AsrlabError(
            f"another of the {world} processes died before it was done ({str(error).splitlines()[0]}); look at what it "
            "said, and run the command again"
        ) from error
    together = {key: value for part in everything for key, value in part.items()}
    if len(together) < sum(map(len, everything)):
        raise AssertionError("two processes did the same work")
    return together
