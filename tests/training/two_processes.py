"""One of two processes that train together, and stop together when one of them is asked to: run by test_loop.py.

torchrun ... two_processes.py RECIPE FOLDER [to the end]      prints which shards of train it reads
"""

import importlib
import os
import signal
import sys

import torch

from asrlab.core.errors import Preempted
from asrlab.training import loop, recipe

RANK = os.environ["RANK"]
read = importlib.import_module("asrlab.corpora.read")
learn, member_bytes = loop.learn, read.member_bytes


def told(path, member):
    if path.parent.name == "train":
        print(f"{RANK} read {path.name}", flush=True)
    return member_bytes(path, member)


def asked(*how):
    signal.raise_signal(signal.SIGTERM)
    return learn(*how)


def after_epoch(line):
    """One is asked to stop, in the first step of the second epoch."""
    if RANK == "1" and "to the end" not in sys.argv:
        loop.learn = asked


torch.set_num_threads(1)
read.member_bytes = told
chosen = recipe.load(sys.argv[1])
try:
    loop.train(chosen, sys.argv[2], recipe.load_corpus(chosen), progress=False, device="cpu", after_epoch=after_epoch)
except Preempted as stopped:
    print(stopped, flush=True)
