"""Hotwords in a beam search: what they cost, what they find, beside pyctcdecode, ctc-beam-decoder and asr-decoder.

    python -m benchmarks.hotwords [--repeats 5] [--utterances 6] [--peers NAME ...] [--cases TEXT] [--out FILE]

The task of benchmarks/decoders.py with V = 32, of whose sentences each holds a name that no language model knows.  The
lists hold the names that are said among others: 0, 1,000 or 100,000 of them, the same for all sides, as are the
language model (a Kneser-Ney trigram) and its weights.  The weight of a hotword is chosen for each side among as many,
on other utterances.  asr-decoder has no language model: it is compared with ours without (cases `alone`).
flashlight-text takes part nowhere: it has no hotwords.

    ratio.PEER.CASE        time of the peer / ours, > 1 where we are ahead
    seconds.SYSTEM.CASE    processor time for one utterance, one thread; the least of some rounds in turns
    cost.SYSTEM.CASE       that with hotwords / that without
    wer.SYSTEM.CASE        word error rate;  names.SYSTEM.CASE: share of the names that were heard
    loading.N              seconds of processor time from a file of N phrases to a decoder that is ready

The machine may be busy: hence processor time, minima, and ratios of both sides in one go.  A peer that takes more
than a minute for a case is left out of it, and the receipt says so.
"""

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from asrlab.decode import BeamDecoder, BeamOptions
from asrlab.language import NGram, context_graph, phrase_weights, read_hotwords
from asrlab.scoring import receipt
from asrlab.scoring.score import wer
from asrlab.text import CharTokenizer
from benchmarks.decoders import ALPHA, BETA, TURN, Source, Task
from benchmarks.peers import Peer, Seconds, interleave, peer_python

SIZES = (0, 1000, 100_000)
OPTIONS = {"lm": {"beam_threshold": 10.0, "word_bonus": BETA}, "alone": {"beam_threshold": 10.0}}
SYSTEMS = {  # name: (requirements, cases, weights to choose from, needs our torch)
    "pyctcdecode": (("pyctcdecode==0.5.0", "numpy<2", "kenlm"), "lm", (3.0, 6.0, 10.0, 20.0), False),
    "ctc_beam_decoder": (("ctc-beam-decoder==0.2.0", "numpy"), "lm", (3.0, 6.0, 10.0, 20.0), False),
    "asr_decoder": (("asr-decoder==0.1.2",), "alone", (0.5, 1.0, 2.0, 4.0), True),
}
OURS = (3.0, 6.0, 10.0, 20.0)
PATIENCE = 60.0  # seconds for decoding a case once


class NamesTask(Task):
    """Sentences of the source, one word of each replaced by a name."""

    def __init__(self, tokenizer, source: Source, names: list[str], utterances: int, seed: int):
        self.names, self.rng = names, np.random.default_rng(seed)
        super().__init__("32", tokenizer, source, utterances, seed)

    def _sentence(self) -> str:
        words = super()._sentence().split()
        words[int(self.rng.integers(len(words)))] = str(self.rng.choice(self.names))
        while len(self.tokenizer.encode(" ".join(words))) > 400 // 3 and words[-1] not in self.names:
            words.pop()
        return " ".join(words)

    def found(self, texts: list[str]) -> float:
        """Share of the names said that are in the texts."""
        said = [(set(truth.split()) & set(self.names), text) for truth, text in zip(self.truths, texts, strict=True)]
        return sum(len(names & set(text.split())) for names, text in said) / sum(len(names) for names, _ in said)


class Bench:
    """The tasks, the lists and the peers' processes."""

    def __init__(self, utterances: int, folder: Path, peers: list[str]):
        source = Source(np.random.default_rng(1))
        known = set(source.words)
        pool = [word for word in Source(np.random.default_rng(5), 110_000, 1).words if word not in known]
        pool = np.random.default_rng(6).permutation([word for word in pool if len(word) > 4]).tolist()
        self.folder, self.hotwords = folder, {n: pool[:n] for n in SIZES}
        self.words, self.lm = source.words, NGram.train([source.sentence(10) for _ in range(8000)], 3, source.words)
        self.lm.write_arpa(folder / "lm.arpa")
        letters = sorted({c for word in pool for c in word} | {c for word in known for c in word})
        fill = [c for c in "0123456789'-" if c not in letters][: 30 - len(letters)]
        tokenizer = CharTokenizer(["<blank>", "▁", *letters, *fill])
        # What is said is on every list but the empty one.
        self.dev = NamesTask(tokenizer, source, pool[:500], utterances, seed=3)
        self.task = NamesTask(tokenizer, source, pool[500:1000], utterances, seed=4)
        script = Path(__file__).with_name("hotwords_peer.py")
        self.peers = {n: Peer(peer_python(n, SYSTEMS[n][0], shared=SYSTEMS[n][3]), script) for n in peers}
        self.weights: dict[tuple[str, str], float] = {}

    def ours(self, task: Task, kind: str, beam: int, words: str, size: int, weight: float):
        language = {"lm": (ALPHA, self.lm)} if words == "lm" else {}
        if size:
            language["hotwords"] = (1.0, context_graph(dict.fromkeys(self.hotwords[size], weight)))
        decoder = BeamDecoder(task.tokenizer, BeamOptions(beam=beam, times=False, **OPTIONS[words]), language)
        return lambda: [decoder.decode(x)[0].text for x in task.posteriors[kind]]

    def theirs(self, name: str, task: Task, kind: str, beam: int, size: int, weight: float):
        case, path = f"{name}-{kind}-{beam}-{size}-{weight}-{task is self.dev}", self.folder / "log_probs.npy"
        np.save(path, task.posteriors[kind])
        self.peers[name](
            "prepare", case=case, peer=name, path=str(path), tokens=list(task.tokenizer.tokens), beam=beam,
            lm=str(self.folder / "lm.arpa"), words=self.words, hotwords=self.hotwords[size], weight=weight,
            alpha=ALPHA, beta=BETA,
        )  # fmt: skip
        return case

    def weight(self, system: str, kind: str, words: str) -> float:
        """The weight with the fewest errors on other utterances, of equals the smallest; beam 10, 1,000 phrases."""
        if (system, kind + words) not in self.weights:
            errors = {}
            for weight in OURS if system == "asrlab" else SYSTEMS[system][2]:
                if system == "asrlab":
                    texts = self.ours(self.dev, kind, 10, words, 1000, weight)()
                else:
                    texts = self.peers[system]("decode", case=self.theirs(system, self.dev, kind, 10, 1000, weight))
                errors[weight] = wer(self.dev.truths, texts)
            self.weights[system, kind + words] = min(errors, key=lambda w: (errors[w], w))
        return self.weights[system, kind + words]

    def run(self, kind: str, beam: int, words: str, repeats: int) -> tuple[dict[str, float], list[str]]:
        """All sizes of one setting, ours and those peers that can do it: metrics, and who was too slow."""
        metrics, late, systems = {}, [], {}
        names = ["asrlab", *(n for n in self.peers if SYSTEMS[n][1] == words)]
        for name in names:
            for size in SIZES:
                key = f"{name}.{kind}-{beam}-{words}-{size}"
                if f"{name}.{kind}-{beam}-{words}" in late:
                    continue
                weight, began = self.weight(name, kind, words), time.perf_counter()
                if name == "asrlab":
                    decode = self.ours(self.task, kind, beam, words, size, weight)
                    texts, systems[key] = decode(), _timed(decode)
                else:
                    case = self.theirs(name, self.task, kind, beam, size, weight)
                    texts = self.peers[name]("decode", case=case)
                    systems[key] = _peer_timed(self.peers[name], case)
                if time.perf_counter() - began > PATIENCE:
                    late.append(f"{name}.{kind}-{beam}-{words}")
                    del systems[key]
                metrics |= {f"wer.{key}": wer(self.task.truths, texts), f"names.{key}": self.task.found(texts)}
        taken = interleave(systems, repeats, warmup=0, summary=min)
        for key, value in taken.items():
            name, _, case = key.partition(".")
            metrics[f"seconds.{key}"] = value / len(self.task.truths)
            none = f"{key.rpartition('-')[0]}-0"
            if key != none and none in taken:
                metrics[f"cost.{key}"] = value / taken[none]
            if name != "asrlab":
                metrics[f"ratio.{key}"] = value / taken[f"asrlab.{case}"]
        return metrics, late

    def loading(self, size: int) -> float:
        """Seconds from a file of phrases to a decoder that knows them."""
        path = self.folder / "list.txt"
        path.write_text("\n".join(self.hotwords[size]), encoding="utf-8")
        best = np.inf
        for _ in range(3):
            began = time.process_time()
            graph = context_graph(phrase_weights(read_hotwords(path), 4.0))
            BeamDecoder(self.task.tokenizer, BeamOptions(), {"lm": (ALPHA, self.lm), "hotwords": (1.0, graph)})
            best = min(best, time.process_time() - began)
        return best

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_) -> None:
        for peer in self.peers.values():
            peer.close()


def _timed(decode):
    def case() -> Seconds:
        began, rounds, spent = time.process_time(), 0, 0.0
        while rounds == 0 or spent < TURN:
            decode()
            rounds, spent = rounds + 1, time.process_time() - began
        return Seconds(spent / rounds)

    return case


def _peer_timed(peer: Peer, case: str):
    return lambda: Seconds(peer("seconds", case=case, least=TURN))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds, of which the fastest counts")
    parser.add_argument("--utterances", type=int, default=6)
    parser.add_argument("--peers", nargs="*", choices=SYSTEMS, default=list(SYSTEMS), help="whom to compare with")
    parser.add_argument("--cases", default="", help="only settings with this in their name")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/hotwords.json"))
    options = parser.parse_args()
    began, metrics, late = time.perf_counter(), {}, []
    with TemporaryDirectory() as folder, Bench(options.utterances, Path(folder), options.peers) as bench:
        for kind, beam, words in ((k, b, w) for w in OPTIONS for k in ("peaky", "flat") for b in (10, 100)):
            if options.cases not in f"{kind}-{beam}-{words}":
                continue
            found, slow = bench.run(kind, beam, words, options.repeats)
            metrics, late = metrics | found, late + slow
            for key in [key.partition(".")[2] for key in found if key.startswith("seconds.")]:
                cost = f"  cost {found[f'cost.{key}']:.2f}" if f"cost.{key}" in found else ""
                ratio = f"  x {found[f'ratio.{key}']:.1f}" if f"ratio.{key}" in found else ""
                print(
                    f"{key:40s} {1e3 * found[f'seconds.{key}']:9.2f} ms  WER {found[f'wer.{key}']:.3f}  names "
                    f"{found[f'names.{key}']:.2f}{cost}{ratio}", flush=True,
                )  # fmt: skip
        metrics |= {f"loading.{size}": bench.loading(size) for size in SIZES[1:]}
        print({key: value for key, value in metrics.items() if key.startswith("loading")}, late)
        weights = {f"{system}.{kind}": weight for (system, kind), weight in bench.weights.items()}
    receipt.write(
        options.out, "hotwords", ["python", "-m", "benchmarks.hotwords", *sys.argv[1:]], metrics,
        wall_seconds=time.perf_counter() - began, seed=1,
        settings={
            "timing": "processor time of one thread, minima over rounds in turns, on a machine with other work",
            "requirements": {name: SYSTEMS[name][0] for name in options.peers}, "weights": weights, "left_out": late,
        },
    )  # fmt: skip


if __name__ == "__main__":
    main()
