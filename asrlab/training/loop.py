"""Training, from top to bottom: data, model, epochs, the epoch to keep.

Chance is a function of (seed, epoch, step) and of nothing else: no state of a random generator has to be saved, and a
run that was killed goes on from its last checkpoint to the very weights that it would have reached undisturbed.
"""

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import Tensor
from tqdm import tqdm

from asrlab import text
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Corpus, Utterance
from asrlab.language import NGram
from asrlab.models import AsrModel, Output
from asrlab.recognizer import Recognizer
from asrlab.scoring.evaluate import dev_metrics
from asrlab.signals.augment import spec_augment
from asrlab.signals.features import FrontEnd
from asrlab.training.batching import Batch, Speech, load_batches, plan_epoch
from asrlab.training.checkpoint import CHECKPOINT, State, write_whole
from asrlab.training.losses import check_feasible, ctc_loss, disagreement, label_smoothed_cross_entropy
from asrlab.training.pronunciation import choose_pronunciations, guess_pronunciations, longest_targets
from asrlab.training.recipe import Recipe, load_corpus

LOG, RECIPE = "log.jsonl", "recipe.json"


class TrainingError(AsrlabError):
    """Training cannot go on: the message says what was seen and what to change."""


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

    directory    gets recipe.json, log.jsonl (a line an epoch), checkpoint.safetensors (after every epoch) and, at the
                 end, the recogniser. If it holds a checkpoint of the same recipe, training goes on from there.
    corpus       what to train on; by default the corpus that the recipe names
    resume       False starts anew, whatever the directory holds
    device       "cpu" to leave a GPU alone; by default what accelerate finds
    after_epoch  called with each line of the log; returning True stops the training there, as if it were done

    Under `torchrun` or `accelerate launch` the processes share every batch, and the result is that of one process.
    Raises TrainingError if the loss is no number, AsrlabError for data that cannot be learned.
    """
    run = Path(directory)
    skipping = DistributedDataParallelKwargs(find_unused_parameters=recipe.model.encoder.layer_drop > 0)
    accelerator = Accelerator(cpu=device == "cpu", kwargs_handlers=[skipping])
    low_precision = uses_bfloat16(recipe.precision, accelerator.device)
    corpus = corpus or load_corpus(recipe)
    utterances = [u for split in recipe.train_splits for u in corpus[split]]
    dev = corpus[recipe.dev_split] if recipe.dev_split else ()
    if not utterances:
        raise AsrlabError(f"corpus {corpus.name!r}: no utterances in train_splits={list(recipe.train_splits)}")
    tokenizer = make_tokenizer(recipe, corpus, utterances)
    front_end = FrontEnd(recipe.front_end).to(accelerator.device)
    dataset = Speech(utterances, tokenizer, recipe.front_end.sample_rate, recipe.keep_audio)
    check_lengths(dataset, front_end, recipe)
    torch.manual_seed(recipe.seed)
    model = AsrModel(front_end.dim, len(tokenizer), recipe.model).to(accelerator.device)
    recognizer = Recognizer(recipe.front_end, model, tokenizer, recipe.beam, *make_language(recipe, corpus, utterances))
    optimizer = make_optimizer(recipe, model)
    state = State.fresh(model, optimizer, dataset.digest())
    if resume and (run / CHECKPOINT).exists():
        state.restore(run, recipe)
        for i, chosen in enumerate(state.spoken or ()):
            dataset.speak(i, chosen)
    elif accelerator.is_main_process:
        start_directory(run, recipe)
    accelerator.wait_for_everyone()
    network, optimizer = accelerator.prepare(model, optimizer)
    if recipe.compile:
        network = torch.compile(network, dynamic=True)

    warned = False
    while state.epoch < recipe.epochs and not state.stopped:
        began = time.perf_counter()
        if state.epoch < recipe.realign_epochs:
            guess_pronunciations(dataset, recipe.seed, state.epoch)
        elif recipe.realign_epochs and state.epoch % recipe.realign_epochs == 0:
            with state.averaged(model):
                choose_pronunciations(recognizer, dataset)
            state.spoken = dataset.spoken
        model.train()
        rank, world = accelerator.process_index, accelerator.num_processes
        plan = plan_epoch(
            dataset.seconds(), recipe.batch_seconds, recipe.speeds, recipe.seed, state.epoch, world, dataset.shards()
        )
        batches = load_batches(dataset, [batch[rank::world] for batch in plan], recipe.workers)
        bar = tqdm(
            batches, f"epoch {state.epoch + 1}/{recipe.epochs}", len(plan), leave=False,
            disable=not (progress and accelerator.is_main_process),
        )  # fmt: skip
        total = torch.zeros((), device=accelerator.device)
        for i, batch in enumerate(bar):
            seed_step(recipe.seed, state.epoch, i, rank)
            rate = learning_rate(recipe, state.epoch + i / len(plan))
            for group in optimizer.param_groups:
                group["lr"] = rate
            features, lengths = front_end(batch.waveforms.to(accelerator.device), batch.lengths)
            heard = batch
            if recipe.consistency:
                heard, features, lengths = batch.twice(), features.repeat(2, 1, 1), lengths.repeat(2)
            features = spec_augment(features, lengths, recipe.spec_augment)
            with torch.autocast(accelerator.device.type, torch.bfloat16, enabled=low_precision):
                output = network(features, lengths, heard.targets.to(accelerator.device))
            losses = objective(output, heard, recipe)
            loss = losses.sum() * (world / len(plan[i]))  # gradients are averaged over processes: this sums them
            optimizer.zero_grad()
            accelerator.backward(loss)
            norm = accelerator.clip_grad_norm_(model.parameters(), recipe.clip)
            if not torch.isfinite(norm):
                raise TrainingError(explain_not_finite(state.epoch, i, batch.ids, losses, rate))
            optimizer.step()
            state.average_in(model, decay=1 - 1 / (recipe.average_epochs * len(plan)))
            total += losses.detach().sum()
            if bar.disable is False and i % 10 == 0:
                bar.set_postfix(loss=f"{loss.item() / world:.2f}", rate=f"{rate:.1e}")
        state.epoch += 1
        line = {
            "epoch": state.epoch,
            "step": state.step,
            "loss": accelerator.reduce(total).item() / len(dataset),
            "lr": rate,
            "grad_norm": float(norm),
            "seconds": round(time.perf_counter() - began, 3),
        }
        with state.averaged(model):
            line |= dev_metrics(recognizer, dev)
            state.keep_best(model, line.get("dev_wer"), recipe.patience)
        if not warned and (warning := diagnose(state.epoch / recipe.epochs, line)):
            warned = True
            accelerator.print(warning)
        state.stopped |= bool(after_epoch and after_epoch(line))
        if accelerator.is_main_process:
            append_log(run / LOG, line)
            state.save(run, recipe)
        accelerator.wait_for_everyone()

    state.load_best(model)
    model.eval()
    if accelerator.is_main_process:
        recognizer.save(run)
    return recognizer


def objective(output: Output, batch: Batch, recipe: Recipe) -> Tensor:
    """Loss of each utterance `(B,)` in nats: CTC, CTC half-way up, attention, by the weights of the recipe.

    With `recipe.consistency` the batch holds every utterance twice, `(2 B,)`: the two copies' losses are averaged, and
    what they disagree about is added.
    """
    weight, inner = recipe.model.ctc_weight, recipe.model.inner_weight
    arguments = (output.lengths, batch.targets, batch.target_lengths, batch.ids)
    losses = 0
    if output.log_probs is not None:
        losses = ctc_loss(output.log_probs, *arguments, normalise="none", check=False)
        if output.inner_log_probs is not None:
            inner_losses = ctc_loss(output.inner_log_probs, *arguments, normalise="none", check=False)
            losses = (1 - inner) * losses + inner * inner_losses
        losses = weight * losses
    if output.logits is not None:
        targets = torch.nn.functional.pad(batch.targets, (0, 1))  # the end, token 0, follows each text
        smoothing = recipe.model.decoder.label_smoothing
        spelled = label_smoothed_cross_entropy(output.logits, targets, batch.target_lengths + 1, smoothing, "none")
        losses = losses + (1 - weight) * spelled
    if recipe.consistency:
        losses = losses.view(2, -1).mean(dim=0)
        losses = losses + recipe.consistency * disagreement(output.log_probs, output.lengths)
    return losses


def learning_rate(recipe: Recipe, epochs: float) -> float:
    """The rate after so many (fractional) epochs: a straight climb, then half a cosine down to zero."""
    if epochs < recipe.warmup_epochs:
        return recipe.learning_rate * min(1.0, (epochs + 0.01) / recipe.warmup_epochs)
    done = (epochs - recipe.warmup_epochs) / max(1e-9, recipe.epochs - recipe.warmup_epochs)
    return recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def diagnose(done: float, line: Mapping[str, float]) -> str | None:
    """What a look at the log would tell an expert: a model that answers with silence when it should not any more."""
    if done < 0.3 or line.get("blank", 0.0) < 0.995:
        return None
    return (
        f"epoch {line['epoch']}: {line['blank']:.1%} of the frames are blank with {done:.0%} of the training done. "
        "The model has learned to be silent. Try a longer warm-up, or a learning rate two or three times smaller; if "
        "the loss does not fall at all, look at the transcripts: do they belong to these recordings?"
    )


def explain_not_finite(epoch: int, step: int, ids: Sequence[str], losses: Tensor, rate: float) -> str:
    """What to say when a gradient is no number."""
    bad = [name for name, value in zip(ids, losses.tolist(), strict=True) if not math.isfinite(value)]
    where = f"epoch {epoch + 1}, step {step + 1}, learning rate {rate:.2e}"
    if bad:
        return (
            f"{where}: the loss of {', '.join(bad[:3])} is not finite. If it is always these utterances, look at their "
            "audio and text; if not, lower learning_rate, or set precision=float32. The last checkpoint is intact."
        )
    return (
        f"{where}: the loss is finite but its gradient is not: lower learning_rate, or set precision=float32. "
        "The last checkpoint is intact."
    )


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
    """The word n-gram of the training texts and the words that may be recognised, as the recipe asks for them."""
    words = None
    if recipe.language.lexicon:
        words = tuple(sorted(corpus.lexicon or {w for u in utterances for w in u.text.split()}))
    lm = None
    if recipe.language.order:
        lm = NGram.train([u.text for u in utterances], recipe.language.order, words or ())
    return lm, words


def make_optimizer(recipe: Recipe, model: AsrModel) -> torch.optim.Optimizer:
    """AdamW; weight decay pulls at matrices only, not at biases and gains (Loshchilov and Hutter 2019)."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)


def check_lengths(dataset: Speech, front_end: FrontEnd, recipe: Recipe) -> None:
    """Raise now, not in the third epoch, for an utterance that fits no batch or has too few frames for its text."""
    window = recipe.front_end.window_ms / 1000
    for utterance in dataset.utterances:
        where = f"utterance {utterance.id!r} ({utterance.audio}): lasts"
        if utterance.seconds / min(recipe.speeds) > recipe.batch_seconds:
            raise AsrlabError(
                f"{where} {utterance.seconds:.1f} s, at speed {min(recipe.speeds)} more than batch_seconds="
                f"{recipe.batch_seconds:g}: raise batch_seconds, or cut the recording into shorter utterances"
            )
        if utterance.seconds / max(recipe.speeds) < window:
            raise AsrlabError(
                f"{where} {utterance.seconds:.4f} s, at speed {max(recipe.speeds)} less than one window of "
                f"{window:g} s: leave it out, or look whether the recording is complete"
            )
    if recipe.model.ctc_weight == 0:
        return
    samples = torch.tensor([s / max(recipe.speeds) * recipe.front_end.sample_rate for s in dataset.seconds()]).long()
    frames = (front_end.frames(samples) - 1) // recipe.model.encoder.subsampling + 1
    targets = longest_targets(dataset) if recipe.realign_epochs else dataset.targets
    check_feasible(frames, targets, ids=[u.id for u in dataset.utterances])


def seed_step(seed: int, epoch: int, step: int, rank: int) -> None:
    """Chance for one step on one process."""
    torch.manual_seed(hash((seed, epoch, step, rank)) & 0x7FFF_FFFF_FFFF_FFFF)


def start_directory(run: Path, recipe: Recipe) -> None:
    """An empty log and the recipe, in a directory that can be written. Raises AsrlabError if it cannot."""
    try:
        run.mkdir(parents=True, exist_ok=True)
        (run / CHECKPOINT).unlink(missing_ok=True)
        (run / LOG).write_text("", encoding="utf-8")
        (run / RECIPE).write_text(json.dumps(config.to_dict(recipe), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise AsrlabError(f"{run}: cannot be written ({error.strerror}); choose another directory") from error


def append_log(path: Path, line: Mapping[str, Any]) -> None:
    """Put the line of an epoch after those of the epochs before it, dropping what a killed run wrote too much."""
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = [*(old for old in before if _epoch_of(old) < line["epoch"]), json.dumps(line)]
    write_whole(path, lambda part: part.write_text("\n".join(lines) + "\n", encoding="utf-8"))


def _epoch_of(line: str) -> float:
    try:
        return json.loads(line)["epoch"]
    except (ValueError, KeyError):
        return math.inf  # an empty line, or what another program wrote
