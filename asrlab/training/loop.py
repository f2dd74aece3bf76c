"""Training, from top to bottom: data, model, epochs, the epoch to keep.

Chance is a function of (seed, epoch, step) and of nothing else: no state of a random generator has to be saved, and a
run that was killed goes on from its last checkpoint, also one in the middle of an epoch, to the very weights that it
would have reached undisturbed.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor
from tqdm import tqdm

from asrlab import text
from asrlab.core import ranks
from asrlab.core.errors import AsrlabError, Preempted
from asrlab.corpora import SOUND, Corpus, Utterance
from asrlab.language import NGram
from asrlab.models import Model
from asrlab.recognizer import Recognizer
from asrlab.scoring.evaluate import choose_search, dev_metrics
from asrlab.signals import inputs
from asrlab.signals.inputs import FrontEnds
from asrlab.training import finetune, objectives
from asrlab.training.batching import Batch, Speech, in_parts, load_batches, plan_epoch, share
from asrlab.training.checkpoint import CHECKPOINT, State
from asrlab.training.diagnosis import diagnose, explain_not_finite
from asrlab.training.directory import LOG, append_log, fingerprint, held, start
from asrlab.training.hearing import hear
from asrlab.training.losses import check_feasible
from asrlab.training.preemption import watched
from asrlab.training.pronunciation import choose_pronunciations, guess_pronunciations, longest_targets
from asrlab.training.recipe import Recipe, load_corpus


class TrainingError(AsrlabError):
    """Training cannot go on: the message says what was seen and what to change."""


@dataclass
class Training:
    """All that one training works with, on this process."""

    recipe: Recipe
    dataset: Speech
    dev: Sequence[Utterance]
    recognizer: Recognizer  # what comes out; its model is the one that learns
    front_ends: FrontEnds  # those of the recogniser, on the device and in training mode
    accelerator: Accelerator
    optimizer: torch.optim.Optimizer

    @property
    def model(self) -> Model:
        return self.recognizer.model


def train(
    recipe: Recipe,
    directory: Path | str,
    corpus: Corpus | None = None,
    resume: bool = True,
    progress: bool = True,
    device: str | None = None,
    after_epoch: Callable[[dict[str, Any]], bool] | None = None,
) -> Recognizer:
    """Train by `recipe` and return the recogniser, which is also saved in `directory`.

    directory    gets recipe.json, log.jsonl (a line an epoch), checkpoint.safetensors (after every epoch, and every
                 `save_steps` of the recipe) and, at the end, the recogniser. If it holds a checkpoint of the same
                 recipe, training goes on from there. Several machines must all see it.
    corpus       what to train on; by default the corpus that the recipe names
    resume       False starts anew, whatever the directory holds: what is there of another run goes
    device       "cpu" to leave a GPU alone; by default what accelerate finds
    after_epoch  called with each line of the log; returning True stops the training there, as if it were done

    Under `torchrun` or `accelerate launch` the processes share every batch, and the result is that of one process.
    Raises TrainingError if the loss is no number, AsrlabError for data that cannot be learned and for a
    directory in which another training runs, and Preempted after a SIGTERM, once a checkpoint is written.
    """
    run = Path(directory)
    skipping = DistributedDataParallelKwargs(find_unused_parameters=any(e.layer_drop for e in recipe.model.encoders))
    accelerator = Accelerator(cpu=ranks.on_cpu(device == "cpu"), kwargs_handlers=[skipping])
    training = prepare(finetune.adopt(recipe), corpus or load_corpus(recipe), accelerator)
    with held(run, accelerator.is_main_process), watched(accelerator) as asked_to_stop:
        return _train(training, run, resume, progress, after_epoch, asked_to_stop)


def _train(
    training: Training,
    run: Path,
    resume: bool,
    progress: bool,
    after_epoch: Callable[[dict[str, Any]], bool] | None,
    asked_to_stop: Callable[[], bool],
) -> Recognizer:
    """Epochs from where the directory stands to the end, and the epoch to keep."""
    recipe, dataset, model, accelerator = training.recipe, training.dataset, training.model, training.accelerator
    made_from = fingerprint(training.recognizer.tokenizer, dataset.utterances, training.dev)
    state = State.fresh(model, training.optimizer, made_from)
    if resume and (run / CHECKPOINT).exists():
        state.restore(run, recipe)
        for i, chosen in enumerate(state.spoken or ()):
            dataset.speak(i, chosen)
    elif accelerator.is_main_process:
        start(run, recipe)
    accelerator.wait_for_everyone()
    network, training.optimizer = accelerator.prepare(model, training.optimizer)
    if recipe.compile:
        network = torch.compile(network, dynamic=True)

    warned = False
    measure = "dev_cer" if text.unspaced(u.text for u in training.dev) else "dev_wer"

    def save() -> None:
        if accelerator.is_main_process:
            state.save(run, recipe)
        accelerator.wait_for_everyone()

    while state.epoch < recipe.epochs and not state.stopped:
        settle_pronunciations(training, state)
        line = train_epoch(training, network, state, progress, save, asked_to_stop)
        with state.averaged(model):
            line |= dev_metrics(training.recognizer, training.dev)
            state.keep_best(model, line.get(measure), recipe.patience)
        if not warned and (warning := diagnose(state.epoch / recipe.epochs, line)):
            warned = True
            accelerator.print(warning)
        state.stopped |= bool(after_epoch and after_epoch(line))
        if accelerator.is_main_process:
            append_log(run / LOG, line)
        save()
        if state.epoch < recipe.epochs and not state.stopped and asked_to_stop():
            raise Preempted(f"{run}: asked to stop after epoch {state.epoch}; all is saved, the same command goes on")

    state.load_best(model)
    model.eval()
    recognizer = training.recognizer
    if not recipe.search and training.dev:
        recognizer.search = choose_search(recognizer, training.dev)
    if accelerator.is_main_process:
        recognizer.save(run)
    return recognizer


def prepare(recipe: Recipe, corpus: Corpus, accelerator: Accelerator) -> Training:
    """Data, model, recogniser and optimiser that the recipe asks for. Raises AsrlabError for data that do not fit."""
    utterances = [u for split in recipe.train_splits for u in corpus[split]]
    if not utterances:
        raise AsrlabError(f"corpus {corpus.name!r}: no utterances in train_splits={list(recipe.train_splits)}")
    tokenizer = make_tokenizer(recipe, corpus, utterances)
    front_ends = inputs.make(recipe.inputs).to(accelerator.device)
    paths = bool(recipe.objectives.get("path"))
    dataset = Speech(utterances, tokenizer, front_ends.rates, recipe.keep_audio, paths)
    if paths and not any(dataset.timed or ()):
        raise AsrlabError(f"objectives.path: no utterance of {corpus.name!r} has times of its words; leave it out")
    torch.manual_seed(recipe.seed)
    model = Model(front_ends, len(tokenizer), recipe.model).to(accelerator.device)
    if recipe.init:
        accelerator.print(finetune.take_over(model, tokenizer.tokens, recipe))
    check_lengths(dataset, front_ends, model, recipe)
    lm, words = make_language(recipe, corpus, utterances)
    recognizer = Recognizer(recipe.inputs, model, tokenizer, recipe.beam, lm, words, recipe.attention, recipe.search)
    dev = corpus[recipe.dev_split] if recipe.dev_split else ()
    optimizer = make_optimizer(recipe, model)
    return Training(recipe, dataset, dev, recognizer, front_ends.train(), accelerator, optimizer)


def settle_pronunciations(training: Training, state: State) -> None:
    """Before an epoch, if the recipe realigns: give words the pronunciations that the model hears; at first, chance."""
    recipe = training.recipe
    if state.epoch < recipe.realign_epochs:
        guess_pronunciations(training.dataset, recipe.seed, state.epoch)
    elif recipe.realign_epochs and state.epoch % recipe.realign_epochs == 0 and not state.done:
        with state.averaged(training.model):
            choose_pronunciations(training.recognizer, training.dataset)
        state.spoken = training.dataset.spoken


def train_epoch(
    training: Training,
    network: torch.nn.Module,
    state: State,
    progress: bool = False,
    save: Callable[[], None] = lambda: None,
    asked_to_stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """One pass over the data, or what is left of it, batch by batch. Returns the epoch's line of the log.

    `save` writes a checkpoint. Raises Preempted after it, if `asked_to_stop`.
    """
    recipe, dataset, accelerator = training.recipe, training.dataset, training.accelerator
    rank, world = accelerator.process_index, accelerator.num_processes
    plan = plan_epoch(
        dataset.seconds(), recipe.batch_seconds, recipe.speeds, recipe.seed, state.epoch, world, dataset.shards(),
        recipe.lanes,
    )  # fmt: skip
    shares = [in_parts(share(batch, rank, world), recipe.accumulate) for batch in plan]
    batches = load_batches(dataset, [part for parts in shares[state.done :] for part in parts], recipe.workers)
    bar = tqdm(
        range(state.done, len(plan)), f"epoch {state.epoch + 1}/{recipe.epochs}", len(plan), initial=state.done,
        leave=False, disable=not (progress and accelerator.is_main_process),
    )  # fmt: skip
    sums = Sums(accelerator, state.partial)
    training.model.train()
    for i in bar:
        parts = list(itertools.islice(batches, len(shares[i])))
        seed_step(recipe.seed, state.epoch, i, rank)  # after reading, which may draw too
        rate = learning_rate(recipe, state.epoch + i / len(plan))
        for group in training.optimizer.param_groups:
            group["lr"] = rate
        count = sum(entry is not None for entry in plan[i])
        ids, losses = learn(training, network, parts, count)
        norm = accelerator.clip_grad_norm_(training.model.parameters(), recipe.clip)
        if not torch.isfinite(norm):
            named = dataset.named(ids)
            raise TrainingError(explain_not_finite(state.epoch, i, named, losses["loss"], recipe, rate))
        training.optimizer.step()
        state.average_in(training.model, decay=1 - 1 / (recipe.average_epochs * len(plan)))
        state.done = i + 1
        sums.add(losses, rate, norm)
        stop = asked_to_stop()
        if stop or (recipe.save_steps and state.done % recipe.save_steps == 0):
            state.partial = sums.so_far()
            save()
        if stop:
            raise Preempted(
                f"asked to stop in epoch {state.epoch + 1}, after {state.done} of its {len(plan)} steps; all is saved, "
                "the same command goes on from there"
            )
        if bar.disable is False and i % 10 == 0:
            bar.set_postfix(loss=f"{losses['loss'].mean():.2f}", rate=f"{rate:.1e}")
    line = {name: v / len(dataset) if name.startswith("loss") else v for name, v in sums.so_far().items()}
    state.epoch, state.done, state.partial = state.epoch + 1, 0, {}
    return {"epoch": state.epoch, "step": state.step, **line, "seconds": round(line["seconds"], 3)}


class Sums:
    """What the line of an epoch is made from, step after step: losses added up, the last learning rate and gradient."""

    def __init__(self, accelerator: Accelerator, before: Mapping[str, float]):
        """`before` is what `so_far` gave when the epoch was interrupted; nothing, at its beginning."""
        self.accelerator = accelerator
        mine = (
            1.0 if accelerator.is_main_process else 0.0
        )  # the sums are over all processes: only one goes on from them
        self.losses = {name: torch.tensor(v * mine) for name, v in before.items() if name.startswith("loss")}
        self.last: tuple[float, Tensor | float] = before.get("lr", 0.0), before.get("grad_norm", 0.0)
        self.began = time.perf_counter() - before.get("seconds", 0.0)

    def add(self, losses: Mapping[str, Tensor], rate: float, norm: Tensor) -> None:
        """Losses of one step, (B,) of each name, and its learning rate and length of the gradient."""
        for name, values in losses.items():
            self.losses[name] = self.losses.get(name, torch.tensor(0.0)).to(values.device) + values.sum()
        self.last = rate, norm

    def so_far(self) -> dict[str, float]:
        """The sums over all processes, which must all ask."""
        device = self.accelerator.device
        losses = {name: self.accelerator.reduce(total.to(device)).item() for name, total in self.losses.items()}
        rate, norm = self.last
        return {**losses, "lr": rate, "grad_norm": float(norm), "seconds": time.perf_counter() - self.began}


def learn(
    training: Training, network: torch.nn.Module, parts: Sequence[Batch], count: int
) -> tuple[tuple[str, ...], dict[str, Tensor]]:
    """Gradients of a batch of `count` utterances over all processes, whose parts here these are.

    Returns their ids and, by name, the losses (B,) in nats: "loss", and "loss.NAME" of each objective if there are
    several.
    """
    accelerator = training.accelerator
    training.optimizer.zero_grad()
    found = []
    for part in parts:
        together = contextlib.nullcontext() if part is parts[-1] else accelerator.no_sync(network)
        with together:  # processes exchange gradients once, with the last part
            losses = forward(training, network, part.to(accelerator.device))
            # Gradients are averaged over processes: this sums them.
            accelerator.backward(losses["loss"].sum() * (accelerator.num_processes / count))
        found.append({name: values.detach() for name, values in losses.items()})
    ids = tuple(itertools.chain.from_iterable(part.ids for part in parts))
    return ids, {name: torch.cat([losses[name] for losses in found]) for name in found[0]}


def forward(training: Training, network: torch.nn.Module, batch: Batch) -> dict[str, Tensor]:
    """A batch, as the model hears it in training, through the model: losses (B,) by name, as `learn` returns them."""
    recipe, device = training.recipe, training.accelerator.device
    batch, features = hear(batch, training.front_ends, training.dataset.rates, recipe)
    with torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16(recipe.precision, device)):
        output = network(features, batch.targets["text"].values)
    losses, named = objectives.losses(recipe.objectives, training.model, output, batch)
    return {"loss": losses, **({f"loss.{name}": v for name, v in named.items()} if len(named) > 1 else {})}


def learning_rate(recipe: Recipe, epochs: float) -> float:
    """The rate after so many (fractional) epochs: a straight climb, then half a cosine down to zero."""
    if epochs < recipe.warmup_epochs:
        return recipe.learning_rate * min(1.0, (epochs + 0.01) / recipe.warmup_epochs)
    done = (epochs - recipe.warmup_epochs) / max(1e-9, recipe.epochs - recipe.warmup_epochs)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def uses_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether the matrices are multiplied in bfloat16; "auto" does so where the device has instructions for it."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def make_tokenizer(recipe: Recipe, corpus: Corpus, utterances: Sequence[Utterance]) -> text.Tokenizer:
    """The tokenizer that the recipe names, fitted to the training texts."""
    texts = [u.text for u in utterances]
    match recipe.tokenizer:
        case "char":
            return text.CharTokenizer.fit(texts)
        case "char-initial":
            return text.CharTokenizer.fit(texts, mark_initial=True)
        case "word":
            return text.WordTokenizer.fit(texts)
        case "subword":
            return text.SubwordTokenizer.fit(texts, recipe.subwords)
        case "phone" if corpus.lexicon:
            return text.PhoneTokenizer(corpus.lexicon)
        case "phone":
            raise AsrlabError(f"tokenizer=phone: corpus {corpus.name!r} has no pronunciation lexicon; use char")
    raise AsrlabError(f"tokenizer={recipe.tokenizer!r}: choose char, char-initial, word, subword or phone")


def make_language(
    recipe: Recipe, corpus: Corpus, utterances: Sequence[Utterance]
) -> tuple[NGram | None, tuple[str, ...] | None]:
    """The word n-gram of the training texts, and of further ones where the corpus has them, and the words that may be
    recognised, as the recipe asks for them."""
    texts = [u.text for u in (*utterances, *corpus.splits.get(recipe.language.text_split, ()))]
    words = None
    if recipe.language.lexicon:
        words = tuple(sorted(corpus.lexicon or {w for text in texts for w in text.split()}))
    lm = None
    if recipe.language.order:
        lm = NGram.train(texts, recipe.language.order, words or ())
    return lm, words


def make_optimizer(recipe: Recipe, model: Model) -> torch.optim.Optimizer:
    """AdamW; weight decay pulls at matrices only, not at biases and gains (Loshchilov and Hutter 2019)."""
    learned = [p for p in model.parameters() if p.requires_grad]
    matrices, vectors = [p for p in learned if p.ndim > 1], [p for p in learned if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def check_lengths(dataset: Speech, front_ends: FrontEnds, model: Model, recipe: Recipe) -> None:
    """Raise now, not in the third epoch, for an utterance that fits no batch or has too few frames for its text."""
    window = recipe.inputs.sound.window_ms / 1000 if recipe.inputs.sound else 0.0
    for utterance in dataset.utterances:
        where = f"{utterance}: lasts"
        if utterance.seconds / min(recipe.speeds) > recipe.batch_seconds:
            raise AsrlabError(
                f"{where} {utterance.seconds:.1f} s, at speed {min(recipe.speeds)} more than batch_seconds="
                f"{recipe.batch_seconds:g}: raise batch_seconds, or cut the recording into shorter utterances"
            )
        if SOUND in utterance.sources and utterance.seconds / max(recipe.speeds) < window:
            raise AsrlabError(
                f"{where} {utterance.seconds:.4f} s, at speed {max(recipe.speeds)} less than one window of "
                f"{window:g} s: leave it out, or look whether the recording is complete"
            )
    if not recipe.objectives.get("ctc"):
        return
    seconds = torch.tensor(dataset.seconds(), dtype=torch.float64) / max(recipe.speeds)
    lengths = {
        name: (seconds * rate).long() * torch.tensor([name in u.sources for u in dataset.utterances])
        for name, rate in dataset.rates.items()
    }
    frames = model.frames(front_ends.frames(lengths))
    targets: Sequence[Sequence[int] | torch.Tensor]
    targets = longest_targets(dataset) if recipe.realign_epochs else dataset.targets
    there = [i for i, n in enumerate(frames.tolist()) if n]
    ids = [dataset.utterances[i].id for i in there]
    check_feasible(frames[there], [targets[i] for i in there], ids=ids)


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Chance for one step on one process."""
    torch.manual_seed(hash((seed, epoch, step, rank)) & 0x7FFF_FFFF_FFFF_FFFF)
