"""How fast is this machine? Features, training and decoding, in seconds of speech that one second of work handles.

What is measured is what `asrlab train` runs: the same front end, model, loss and decoders, on noise and on invented
posteriors, so that nothing has to be fetched.
"""

import random
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from asrlab.core.streams import Stream
from asrlab.corpora.scenetalk import grammar
from asrlab.decode import BeamDecoder, BeamOptions, greedy
from asrlab.language import NGram
from asrlab.models import Model
from asrlab.scoring import receipt
from asrlab.signals import inputs
from asrlab.signals.features import FrontEnd, FrontEndOptions
from asrlab.text import CharTokenizer, Tokenizer
from asrlab.training import objectives
from asrlab.training.batching import Batch
from asrlab.training.loop import make_optimizer, uses_bfloat16
from asrlab.training.recipe import Recipe

UTTERANCES, SECONDS = 6, 5.0  # of one batch
FRAME = 0.04  # seconds that one invented posterior stands for


def measure_machine(patience: float = 2.0) -> dict[str, float]:
    """Print, and return by name, how many times faster than real time each step is.

    `patience` is for how many seconds each of the six measurements goes on.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    print(f"{receipt.describe_device(device)}{threads}; seconds of speech in one second:")
    found: dict[str, float] = {}

    def report(name: str, what: str, seconds: float, work: Callable[[], object]) -> None:
        found[name] = seconds / median_seconds(work, patience, device)
        print(f"  {name:<20} {found[name]:>9.0f}   {what}", flush=True)

    spoken = UTTERANCES * SECONDS
    report("features", "log-mel, 80 bands", spoken, features(device))
    for precision in ("float32", "bfloat16"):
        usual = ", as precision=auto does" if uses_bfloat16("auto", device) == (precision == "bfloat16") else ""
        work, millions = training_step(device, precision == "bfloat16")
        report(f"training {precision}", f"Conformer, {millions:.1f} million parameters, CTC{usual}", spoken, work)
    for name, (what, seconds, work) in decoding().items():
        report(f"decoding {name}", what, seconds, work)
    return found


def median_seconds(work: Callable[[], object], patience: float, device: torch.device) -> float:
    """The median duration of a call, over as many as `patience` seconds hold (at least three), after one that warms."""
    durations: list[float] = []
    work()
    until = time.perf_counter() + patience
    while len(durations) < 3 or time.perf_counter() < until:
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)


def features(device: torch.device) -> Callable[[], object]:
    """The front end over a batch of noise."""
    front_end = FrontEnd().to(device)
    waveforms, lengths = noise(device)
    return lambda: front_end(waveforms, lengths)


def training_step(device: torch.device, bfloat16: bool) -> tuple[Callable[[], object], float]:
    """A step of the default recipe, from features to new weights; and the model's size in millions of parameters."""
    recipe = Recipe()
    with torch.no_grad():
        front_ends = inputs.make(recipe.inputs).to(device)
        features = front_ends({"sound": Stream(*noise(device))})
    targets = torch.randint(1, 30, (UTTERANCES, round(12 * SECONDS)))  # people say some twelve letters a second
    text = Stream(targets, torch.full((UTTERANCES,), targets.shape[1]))
    batch = Batch(("",) * UTTERANCES, {}, {"text": text})
    model = Model(front_ends, 30, recipe.model).to(device).train()
    optimizer = make_optimizer(recipe, model)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            output = model(features)
        loss = objectives.losses(recipe.objectives, model, output, batch)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step, model.parameter_count() / 1e6


def decoding() -> dict[str, tuple[str, float, Callable[[], object]]]:
    """{way: (what it is, seconds of speech, work)}: the decoders over posteriors of invented commands."""
    draw = random.Random(1)
    texts = [grammar.draw(draw, "train")[1] for _ in range(2000)]
    tokenizer, lm = CharTokenizer.fit(texts), NGram.train(texts, order=3)
    heard = [posteriors(tokenizer, text, i) for i, text in enumerate(texts[:10])]
    seconds = sum(map(len, heard)) * FRAME
    plain = BeamDecoder(tokenizer, BeamOptions())
    worded = BeamDecoder(tokenizer, BeamOptions(), {"lm": (BeamOptions.lm_weight, lm)})

    def each(decode: Callable[[np.ndarray], object]) -> Callable[[], object]:
        return lambda: [decode(x) for x in heard]

    return {
        "greedy": ("the best path", seconds, each(lambda x: greedy(x, tokenizer, FRAME))),
        "beam": (f"prefix beam search, beam {plain.options.beam}", seconds, each(plain.decode)),
        "beam + LM": ("the same with a word trigram", seconds, each(worded.decode)),
    }


def noise(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Waveforms `(B, N)` and their lengths `(B,)`, in samples."""
    samples = round(SECONDS * FrontEndOptions().sample_rate)
    waveforms = 0.1 * torch.randn(UTTERANCES, samples, generator=torch.Generator().manual_seed(0))
    return waveforms.to(device), torch.full((UTTERANCES,), samples)


def posteriors(tokenizer: Tokenizer, text: str, seed: int) -> np.ndarray:
    """Log-probabilities `(T, V)` of a text as a trained model hears it: peaks of tokens between blanks, in noise."""
    rng = np.random.default_rng(seed)
    ids = tokenizer.encode(text)
    logits = rng.normal(0.0, 1.5, (2 * len(ids) + 1, len(tokenizer)))
    logits[::2, 0] += 8.0
    logits[range(1, 2 * len(ids), 2), ids] += 6.0
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)
