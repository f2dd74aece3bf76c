"""CTC beam search, timed beside pyctcdecode, flashlight-text and fast-ctc-decode.

    python -m benchmarks.decoders [--repeats 7] [--utterances 6] [--only TEXT] [--cases TEXT] [--out FILE]

T = 400 frames, V = 32 (letters) and 500 (subwords), beam 10 and 100; *peaky* posteriors, of whose frames two thirds are
almost surely blank, and *flat* ones.  The task is synthetic, with a known truth: sentences of a random word source,
whose letters or pieces are heard through noise.  All sides get the same float32 posteriors and the same beam, run in
turns, and are asked for the best text alone.  Time is the processor's, in one thread: other programs on the machine
disturb it less than time on the clock.

    ratio.PEER.CASE        median time of the peer / ours, > 1 where we are ahead
    seconds.SYSTEM.CASE    median time for one utterance
    wer.SYSTEM.CASE        word error rate against the truth
    score.SYSTEM.CASE      without LM: mean exact CTC log-probability of the texts (nats), larger is better

Thresholds are each decoder's own defaults where it has some (`SYSTEMS`, `OURS`).  With an LM (a Kneser-Ney trigram in
one ARPA file, the same weights) all drop prefixes 10 nats below the best.  pyctcdecode decodes an open vocabulary with
the LM's words as its unigrams (cases `lm`), flashlight a lexicon (cases `lexicon`).  Where ours makes fewer errors with
an LM than the peer, CASE-at_equal_wer has the ratio at a smaller beam with which it does not make more.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.language import NGram
from asrlab.scoring import receipt
from asrlab.scoring.score import wer
from asrlab.text import CharTokenizer, SubwordTokenizer, Tokenizer, lexicon_tokens
from benchmarks.peers import Peer, Seconds, compare, peer_python

FRAMES = 400
TURN = 0.05  # seconds that a side works before the next has its turn, so that it finds warm caches
BEAMS = (2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100)
ALPHA, BETA = 0.5, 2.5  # LM weight and word bonus, for all sides
OURS = {"none": {}, "lm": {"beam_threshold": 10.0}, "lexicon": {"beam_threshold": 10.0, "max_tokens": 10}}
SYSTEMS = {  # name: (peer, requirements, options)
    "pyctcdecode": ("pyctcdecode", ("pyctcdecode==0.5.0", "numpy<2", "kenlm"), {}),
    "flashlight": (
        "flashlight", ("flashlight-text==0.0.7", "numpy", "kenlm"),
        {"token_beam": 10, "beam_threshold": 10.0, "log_add": False},
    ),
    "flashlight_all_tokens": (
        "flashlight", ("flashlight-text==0.0.7", "numpy", "kenlm"),
        {"token_beam": 500, "beam_threshold": 10.0, "log_add": False},
    ),
    "fast_ctc_decode": ("fast_ctc_decode", ("fast-ctc-decode==0.3.7", "numpy"), {}),
    "fast_ctc_decode_cut": ("fast_ctc_decode", ("fast-ctc-decode==0.3.7", "numpy"), {"beam_cut_threshold": 0.001}),
}  # fmt: skip


class Source:
    """Random sentences: invented words, each with a few likely successors."""

    def __init__(self, rng: np.random.Generator, words: int = 2000, successors: int = 12):
        onsets, vowels = [*"bcdfghjklmnprstvwxz", "st", "tr", "qu"], list("aeiouy")
        made: set[str] = set()
        while len(made) < words:
            syllables = rng.integers(1, 4)
            word = "".join(rng.choice(onsets) + rng.choice(vowels) for _ in range(syllables))
            made.add(word + (rng.choice(list("nrstl")) if rng.random() < 0.5 else ""))
        self.words = sorted(made)
        self.rng = rng
        self.common = 1.0 / np.arange(1, words + 1)
        self.common /= self.common.sum()
        self.next = rng.choice(words, size=(words, successors), p=self.common)

    def sentence(self, length: int) -> str:
        word = self.rng.choice(len(self.words), p=self.common)
        said = []
        for _ in range(length):
            said.append(self.words[word])
            follow = self.rng.random() < 0.8
            word = self.rng.choice(self.next[word]) if follow else self.rng.choice(len(self.words), p=self.common)
        return " ".join(said)


def hear(rng: np.random.Generator, ids: list[int], size: int, peaky: bool) -> np.ndarray:
    """(FRAMES, size) float32 log-probabilities of an utterance of these tokens."""
    length, many = len(ids), np.log(size / 32)  # the more tokens, the more there is to drown in
    at = np.sort(rng.choice(FRAMES // 2, size=length, replace=False)) * 2  # a blank between any two
    if peaky:
        logits = rng.normal(-13.5 - many, 2.0, (FRAMES, size))
        logits[:, 0] = 0.0
        logits[at, 0] = rng.normal(-4.0, 2.0, length)
        for mean in (-4.0, -3.0):  # what is often mistaken for the token
            logits[at, rng.integers(1, size, length)] = rng.normal(mean, 2.0, length)
        logits[at, ids] = 0.0
    else:
        logits = rng.normal(0.0, 1.0, (FRAMES, size))
        logits[:, 0] += 3.0 + many
        logits[at, ids] += 4.0 + many
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


class Task:
    """Utterances with a known truth for one tokenizer: `truths`, and `posteriors[kind]` (utterances, T, V)."""

    def __init__(self, name: str, tokenizer: Tokenizer, source: Source, utterances: int, seed: int):
        self.name, self.tokenizer, self.source = name, tokenizer, source
        self.lexicon = lexicon_tokens(tokenizer, source.words)
        rng = np.random.default_rng(seed)
        self.truths = [self._sentence() for _ in range(utterances)]
        ids = [tokenizer.encode(text) for text in self.truths]
        self.posteriors = {
            kind: np.stack([hear(rng, i, len(tokenizer), kind == "peaky") for i in ids]) for kind in ("peaky", "flat")
        }

    def _sentence(self) -> str:
        """As many words as a third of the frames can say."""
        text = self.source.sentence(80)
        while len(self.tokenizer.encode(text)) > FRAMES // 3:
            text = text.rsplit(" ", 1)[0]
        return text


def ctc_score(log_probs: np.ndarray, ids: list[int]) -> float:
    """Exact log-probability of a token sequence (the forward algorithm), nats; -inf if it does not fit."""
    states = np.zeros(2 * len(ids) + 1, int)
    states[1::2] = ids
    jump = np.full(len(states), -np.inf)
    jump[2:][(states[2:] != 0) & (states[2:] != states[:-2])] = 0.0
    alpha = np.full(len(states) + 2, -np.inf)
    alpha[2] = 0.0  # before the first frame
    for t, row in enumerate(log_probs.astype(np.float64)):
        first = 0.0 if t == 0 and len(ids) else -np.inf  # the first token needs no blank before it
        step = np.logaddexp(np.logaddexp(alpha[2:], alpha[1:-1] if t else -np.inf), alpha[:-2] + jump)
        if t == 0:
            step = np.full(len(states), -np.inf)
            step[0], step[1:2] = 0.0, first
        alpha[2:] = step + row[states]
    return float(np.logaddexp.reduce(alpha[-2:] if len(ids) else alpha[-1:]))


@dataclass(frozen=True)
class Case:
    """One comparison."""

    task: Task
    kind: str  # of posteriors: "peaky" or "flat"
    beam: int
    words: str  # "none": no LM; "lm": an LM over an open vocabulary; "lexicon": an LM over a lexicon

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.task.name}-{self.beam}" + ("" if self.words == "none" else f"-{self.words}")

    def peers(self) -> tuple[str, ...]:
        """The systems that can do this."""
        able = {"lm": "pyctcdecode", "lexicon": "flashlight"}
        return tuple(name for name in SYSTEMS if self.words == "none" or SYSTEMS[name][0] == able[self.words])


class Bench:
    """The word source with its LM, the tasks, and the peers' processes."""

    def __init__(self, utterances: int, folder: Path, only: str = ""):
        source = Source(np.random.default_rng(1))
        texts = [source.sentence(10) for _ in range(8000)]
        self.lm, self.folder = NGram.train(texts, order=3, vocabulary=source.words), folder
        self.lm.write_arpa(folder / "lm.arpa")
        letters = sorted({c for word in source.words for c in word})
        fill = [c for c in "0123456789'-" if c not in letters][: 30 - len(letters)]
        self.tasks = (
            Task("32", CharTokenizer(["<blank>", "▁", *letters, *fill]), source, utterances, seed=2),
            Task("500", SubwordTokenizer.fit(texts, 500), source, utterances, seed=3),
        )
        script = Path(__file__).with_name("decoders_peer.py")
        names = [name for name in SYSTEMS if only in name]
        self.peers = {name: Peer(peer_python(*SYSTEMS[name][:2]), script) for name in names}

    def cases(self) -> list[Case]:
        return [
            Case(task, kind, beam, words)
            for task in self.tasks for kind in task.posteriors for beam in (10, 100) for words in OURS
        ]  # fmt: skip

    def run(self, case: Case, repeats: int) -> dict[str, float]:
        """The case with every peer; where ours is more accurate than one, also at the beam where it no longer is."""
        decode = self._ours(case, case.beam)
        systems: dict[str, Callable] = {"asrlab": _timed(decode)}
        texts = {"asrlab": decode()}
        for name in [name for name in case.peers() if name in self.peers]:
            peer = self._prepare(case, name)
            texts[name] = peer("decode", case=case.name)
            systems[name] = partial(_peer_seconds, peer, case.name)
        metrics = {f"wer.{name}.{case.name}": wer(case.task.truths, said) for name, said in texts.items()}
        if case.words == "none":
            metrics |= {f"score.{name}.{case.name}": _mean_score(case, said) for name, said in texts.items()}
        metrics |= _compare(case.name, systems, repeats, len(case.task.truths))
        for name in [name for name in systems if name != "asrlab" and case.words != "none"]:
            metrics |= self._at_equal_wer(case, name, metrics[f"wer.{name}.{case.name}"], systems[name], repeats)
        return metrics

    def _at_equal_wer(self, case: Case, name: str, worst: float, theirs: Callable, repeats: int) -> dict[str, float]:
        """The ratio at our fastest beam that makes no more errors than the peer, if that is a smaller beam."""
        enough = [b for b in BEAMS if b < case.beam and wer(case.task.truths, self._ours(case, b)()) <= worst]
        if not enough:
            return {}
        best = min(enough, key=lambda b: min(_timed(self._ours(case, b))() for _ in range(3)))
        then = f"{case.name}-at_equal_wer"
        found = _compare(then, {"asrlab": _timed(self._ours(case, best)), name: theirs}, repeats, len(case.task.truths))
        return {f"ratio.{name}.{then}": found[f"ratio.{name}.{then}"], f"beam.{name}.{then}": best}

    def _ours(self, case: Case, beam: int) -> Callable[[], list[str]]:
        bonus = 0.0 if case.words == "none" else BETA
        decoder = BeamDecoder(
            case.task.tokenizer,
            BeamOptions(beam=beam, word_bonus=bonus, times=False, **OURS[case.words]),
            None if case.words == "none" else {"lm": (ALPHA, self.lm)},
            case.task.lexicon if case.words == "lexicon" else None,
        )
        return lambda: [decoder.decode(x)[0].text for x in case.task.posteriors[case.kind]]

    def _prepare(self, case: Case, name: str) -> Peer:
        peer, tokens = self.peers[name], case.task.tokenizer.tokens
        np.save(self.folder / "log_probs.npy", case.task.posteriors[case.kind])
        peer(
            "prepare", case=case.name, peer=SYSTEMS[name][0], path=str(self.folder / "log_probs.npy"),
            tokens=list(tokens), beam=case.beam, lm=None if case.words == "none" else str(self.folder / "lm.arpa"),
            lexicon={word: [tokens[v] for v in spellings[0]] for word, spellings in case.task.lexicon.items()},
            alpha=ALPHA, beta=BETA, **SYSTEMS[name][2],
        )  # fmt: skip
        return peer

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_) -> None:
        for peer in self.peers.values():
            peer.close()


def _timed(decode: Callable[[], list[str]]) -> Callable[[], Seconds]:
    def case() -> Seconds:
        began, rounds, spent = time.process_time(), 0, 0.0
        while rounds == 0 or spent < TURN:
            decode()
            rounds, spent = rounds + 1, time.process_time() - began
        return Seconds(spent / rounds)

    return case


def _peer_seconds(peer: Peer, case: str) -> Seconds:
    return Seconds(peer("seconds", case=case, least=TURN))


def _compare(case: str, systems: dict[str, Callable], repeats: int, utterances: int) -> dict[str, float]:
    """`compare`, its seconds those of one utterance; what takes long has fewer rounds, at least 3."""
    began = time.perf_counter()
    for system in systems.values():
        system()
    rounds = int(30 / (time.perf_counter() - began))
    metrics = compare({case: systems}, repeats=max(min(repeats, 3), min(repeats, rounds)), warmup=0)
    return {key: value / utterances if key.startswith("seconds.") else value for key, value in metrics.items()}


def _mean_score(case: Case, texts: list[str]) -> float:
    ids = [case.task.tokenizer.encode(text) for text in texts]
    return float(np.mean([ctc_score(x, i) for x, i in zip(case.task.posteriors[case.kind], ids, strict=True)]))


def report(case: Case, metrics: dict[str, float]) -> str:
    """A case's metrics as lines to read."""
    lines = []
    for name in ["asrlab", *SYSTEMS]:
        key = f"{name}.{case.name}"
        if f"seconds.{key}" not in metrics:
            continue
        line = f"{case.name:22s} {name:22s} {1e3 * metrics[f'seconds.{key}']:9.2f} ms  WER {metrics[f'wer.{key}']:.3f}"
        line += f"  CTC {metrics[f'score.{key}']:9.2f}" if f"score.{key}" in metrics else ""
        line += f"  x {metrics[f'ratio.{key}']:.2f}" if f"ratio.{key}" in metrics else ""
        then = f"{key}-at_equal_wer"
        if f"ratio.{then}" in metrics:
            line += f", at equal WER x {metrics[f'ratio.{then}']:.2f} with beam {metrics[f'beam.{then}']}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="rounds, of which the median counts")
    parser.add_argument("--utterances", type=int, default=6, help="decoded in each round")
    parser.add_argument("--only", default="", help="only peers with this in their name")
    parser.add_argument("--cases", default="", help="only cases with this in their name")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/decoders.json"))
    arguments = parser.parse_args()
    began, metrics = time.perf_counter(), {}
    with TemporaryDirectory() as folder, Bench(arguments.utterances, Path(folder), arguments.only) as bench:
        for case in bench.cases():
            if arguments.cases in case.name:
                metrics |= bench.run(case, arguments.repeats)
                print(report(case, metrics), flush=True)
    behind = [key for key, value in metrics.items() if key.startswith("ratio.") and value <= 1.0]
    print("behind: " + (", ".join(behind) or "nowhere"))
    receipt.write(
        arguments.out, "decoders", ["python", "-m", "benchmarks.decoders", *sys.argv[1:]], metrics,
        wall_seconds=time.perf_counter() - began, seed=1,
        settings={name: {"requirements": SYSTEMS[name][1], **SYSTEMS[name][2]} for name in SYSTEMS} | {"asrlab": OURS},
    )  # fmt: skip


if __name__ == "__main__":
    main()
