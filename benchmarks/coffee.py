"""Grammars on people: orders of coffee, entries of numbers and dates, and what is neither.

    python -m benchmarks.coffee

The packaged recogniser (`an4`) listens:

- *Entries* (benchmarks/entry.jsgf): the utterances of AN4's test that the grammar covers, decoded with the lexicon
  alone, with lexicon and trigram, and with the grammar. Right: every word; understood: command, number and date.
- *Orders* (benchmarks/coffee.jsgf, pronunciations in coffee.dic): recordings of `speech-to-intent`, whose labels have
  intent and slots, and no words. With the grammar, and with its words in any order ("open"), where a slot is what the
  longest of the label's values says that occurs in the text.
- *False accepts against false rejections*, for both grammars: what is outside is AN4's spelled words (for orders all of
  AN4), the other corpus of the two, sounds of ESC-10 and Mandarin words. With filler the score is the log-ratio to the
  best phones (`asrlab.decode.grammatical`); without, the best sentence's own score for each frame.
- The threshold is chosen on one half (AN4 by speaker, other recordings every second one), where the larger of the two
  rates is least; the figures are of the other half.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asrlab import corpora
from asrlab.core.errors import AsrlabError
from asrlab.corpora.beside import read_dictionary
from asrlab.decode import BeamDecoder
from asrlab.decode.grammatical import GrammarDecoder, Understood
from asrlab.language import Grammar
from asrlab.recognizer import Input, Recognizer
from asrlab.scoring import receipt
from asrlab.signals import audio

HERE = Path(__file__).parent
FILLER_NATS = -6.0  # of each phone on a grammar's filler path: dearer than any threshold that is chosen
WEIGHTS = (0.1, 0.2, 0.4, 0.7, 1.0)  # of the grammar's nats, one of which the first half chooses
ELSE = "\npublic <else> = <FILLER> {outside=yes};\n"  # so that there is always an answer
EVERY = {"sounds": 2, "mandarin": 30, "orders": 4}  # of the files, sorted by name
FILES = {  # folder below $ASRLAB_DATA, recordings in it
    "sounds": ("esc-10", "*/*.ogg"),
    "mandarin": ("audio-cmn", "**/*.mp3"),
    "orders": ("speech-to-intent", "speech/clean/*.wav"),
}


class Heard(NamedTuple):
    """One recording."""

    name: str
    half: int  # 0: the threshold may be chosen on it; 1: test
    log_probs: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="only so many recordings of each kind, for a try; writes no receipt")
    parser.add_argument("--heard", type=Path, help="keep what the model heard in this folder, and take it from there")
    options = parser.parse_args()
    limit = options.limit
    began, code = time.perf_counter(), receipt.code_state()
    recognizer = Recognizer.load()
    beam = replace(recognizer.beam, times=False)
    listener = _Listener(recognizer, limit, options.heard)
    utterances = {u.id: u.text for u in corpora.load("an4")["test"]}
    entries = Grammar.read(HERE / "entry.jsgf")
    an4 = listener.an4()
    kinds = {"an4": an4, **{kind: listener.files(kind) for kind in FILES}}
    inside = [one for one in an4 if entries.accepts(utterances[one.name])]
    kinds["spelled"] = [one for one in an4 if not entries.accepts(utterances[one.name])]
    metrics: dict[str, float] = {"seconds.listening": time.perf_counter() - began}
    hypotheses: dict[str, dict[str, str]] = {}
    print({kind: len(found) for kind, found in kinds.items()}, f"{len(inside)} entries", flush=True)

    for way, decoder in _open_decoders(recognizer).items():
        texts = {one.name: decoder.decode(one.log_probs)[0].text for one in inside if one.half}
        hypotheses[f"entry.{way}"] = texts
        metrics |= _entries_right(entries, texts, utterances, way)
    curves: dict[str, dict[str, list[float]]] = {}
    ratios: dict[str, dict[str, dict[str, float]]] = {}
    labels = _labels()
    plans = {
        "entry": (inside, ("spelled", "orders", "sounds", "mandarin"), None),
        "coffee": (kinds["orders"], ("an4", "sounds", "mandarin"), read_dictionary(HERE / "coffee.dic")),
    }
    weight = _best_weight(recognizer, entries, [one for one in inside if not one.half], utterances)
    metrics["weight"] = weight
    for name, (within, outside, dictionary) in plans.items():
        text = (HERE / f"{name}.jsgf").read_text(encoding="utf-8")
        strangers = {kind: kinds[kind] for kind in outside}
        made = Grammar.parse(text + ELSE, FILLER_NATS / weight)
        with_filler = GrammarDecoder(recognizer.tokenizer, made, beam, weight, dictionary)
        found, others = _decode(with_filler, within), {k: _decode(with_filler, v) for k, v in strangers.items()}
        hypotheses[f"{name}.filler"] = {one.name: u.hypothesis.text for one, u in found if one.half}
        scores = {k: [(one, _ratio(u)) for one, u in v] for k, v in {"inside": found, **others}.items()}
        metrics |= _rates(scores, f"{name}.filler")
        curves[f"{name}.filler"] = _curve(scores)
        ratios[name] = {k: _finite(v) for k, v in scores.items()}
        if name == "entry":
            bare = GrammarDecoder(recognizer.tokenizer, Grammar.parse(text), beam, weight, dictionary)
            tested = {k: [one for one in v if one.half] for k, v in {"inside": within, **strangers}.items()}
            forced = {k: _decode(bare, v) for k, v in tested.items()}
            texts = {one.name: u.hypothesis.text for one, u in forced["inside"]}
            hypotheses["entry.grammar"] = texts
            metrics |= _entries_right(entries, texts, utterances, "grammar")
            for kind in outside:
                metrics[f"accepted_without_filler.{kind}"] = float(
                    np.mean([u.meaning is not None for _, u in forced[kind]])
                )
                hypotheses[f"entry.forced.{kind}"] = {one.name: u.hypothesis.text for one, u in forced[kind]}
            own = {k: [(one, u.hypothesis.score / len(one.log_probs)) for one, u in v] for k, v in forced.items()}
            curves["entry.bare"] = _curve(own)
        else:
            metrics |= _orders_right(
                labels, {one.name: dict(u.meaning or {}) for one, u in found if one.half}, "filler"
            )
            opened = BeamDecoder(
                recognizer.tokenizer, beam, None,
                {word: _spell(recognizer, dictionary, word) for word in Grammar.parse(text).labels},
            )  # fmt: skip
            texts = {one.name: opened.decode(one.log_probs)[0].text for one in within if one.half}
            hypotheses["coffee.open"] = texts
            values = _values(labels, [one.name for one in within if not one.half])
            metrics |= _orders_right(labels, {i: _spotted(heard, values) for i, heard in texts.items()}, "open")
        print(name, {k: round(v, 3) for k, v in metrics.items() if name in k or "order" in k}, flush=True)
    if limit is None:
        path = receipt.write(
            HERE / "results" / "coffee.json", "coffee", "python -m benchmarks.coffee", metrics, hypotheses,
            wall_seconds=time.perf_counter() - began, commit=code, curves=curves, ratios=ratios,
            filler_nats=FILLER_NATS,
            log_probs="of this run" if options.heard is None else "kept from an earlier run, whose time is not counted",
            said={one.name: utterances[one.name] for one in inside if one.half},
        )  # fmt: skip
        print(f"wrote {path.name}")


class _Listener:
    """Runs the model on recordings, or takes what it made of them from a folder."""

    def __init__(self, recognizer: Recognizer, limit: int | None, folder: Path | None):
        self.recognizer, self.limit, self.folder = recognizer, limit, folder

    def an4(self) -> list[Heard]:
        """AN4's test, in halves by speaker."""
        found = corpora.load("an4")["test"][: self.limit]
        speakers = sorted({u.speaker for u in found})
        heard = self.heard("an4", [u.id for u in found], lambda k: self.recognizer.read(found[k]))
        pairs = zip(found, heard, strict=True)
        return [Heard(u.id, speakers.index(u.speaker) % 2, log_probs) for u, log_probs in pairs]

    def files(self, kind: str) -> list[Heard]:
        """The recordings of a folder, in halves by turns. Raises AsrlabError if there are none."""
        folder, files = FILES[kind]
        root = _data(folder)
        paths = sorted(root.glob(files))[:: EVERY[kind]][: self.limit]
        if not paths:
            raise AsrlabError(f"{root / files}: no recordings; put the corpus below $ASRLAB_DATA")
        names = [path.stem for path in paths]
        heard = self.heard(kind, names, lambda k: audio.load(paths[k], self.recognizer.sample_rate))
        return [Heard(name, k % 2, one) for k, (name, one) in enumerate(zip(names, heard, strict=True))]

    def heard(self, kind: str, names: Sequence[str], load: Callable[[int], Input]) -> list[np.ndarray]:
        """(T, V) log-probabilities of each recording."""
        kept = self.folder / f"{kind}.npz" if self.folder else None
        if kept is not None and kept.exists():
            with np.load(kept, allow_pickle=False) as there:
                return [there[name] for name in names]
        found = self.recognizer.log_probs([load(k) for k in range(len(names))])
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, **dict(zip(names, found, strict=True)))
        return found


def _data(folder: str) -> Path:
    """Where recordings lie that are no corpus of the package."""
    return Path(os.environ.get("ASRLAB_DATA") or corpora.cache()) / folder


def _open_decoders(recognizer: Recognizer) -> dict[str, BeamDecoder]:
    from asrlab.text import lexicon_tokens

    words = lexicon_tokens(recognizer.tokenizer, recognizer.lexicon or ())
    alone, beam = replace(recognizer.beam, word_bonus=0.0, times=False), replace(recognizer.beam, times=False)
    lm = recognizer.lm
    found = {"lexicon": BeamDecoder(recognizer.tokenizer, alone, None, words)}
    if lm is not None:
        found["lexicon_lm"] = BeamDecoder(recognizer.tokenizer, beam, {"lm": (beam.lm_weight, lm)}, words)
    return found


def _best_weight(
    recognizer: Recognizer, grammar: Grammar, recordings: Sequence[Heard], said: Mapping[str, str]
) -> float:
    """The factor on the grammar's nats with which most sentences are right; of several, the one in the middle."""
    beam, right = replace(recognizer.beam, times=False), {}
    for weight in WEIGHTS:
        decoder = GrammarDecoder(recognizer.tokenizer, grammar, beam, weight)
        right[weight] = sum(u.hypothesis.text == said[one.name] for one, u in _decode(decoder, recordings))
    best = [weight for weight in WEIGHTS if right[weight] == max(right.values())]
    print("sentences right in the first half by weight:", right, flush=True)
    return best[len(best) // 2]


def _decode(decoder: GrammarDecoder, recordings: Iterable[Heard]) -> list[tuple[Heard, Understood]]:
    return [(one, decoder.decode(one.log_probs)) for one in recordings]


def _ratio(found: Understood) -> float:
    """The log-ratio of a sentence, without the noise of its last digits; -inf where the filler path won."""
    return -np.inf if found.meaning is None or "outside" in found.meaning else round(found.log_ratio, 3)


def _finite(scores: Iterable[tuple[Heard, float]]) -> dict[str, float]:
    """The scores of the test half; where the filler path won there is none."""
    return {one.name: score for one, score in scores if one.half and score > -np.inf}


def _entries_right(grammar: Grammar, texts: Mapping[str, str], said: Mapping[str, str], way: str) -> dict[str, float]:
    """Shares of whole sentences that are right, and of meanings."""
    pairs = [(texts[i], said[i]) for i in texts]
    return {
        f"entry.sentences.{way}": float(np.mean([heard == true for heard, true in pairs])),
        f"entry.meanings.{way}": float(
            np.mean([grammar.interpret(heard) == grammar.interpret(true) for heard, true in pairs])
        ),
        f"entry.count.{way}": len(pairs),
    }


def _labels() -> dict[str, dict[str, str]]:
    """{name: slot -> value} of the orders, the intent among the slots."""
    path = _data(FILES["orders"][0]) / "label" / "label.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    slots = {Path(name).stem: {k: v.strip() for k, v in row["slots"].items()} for name, row in rows.items()}
    return {name: {**of_order, "intent": "orderDrink"} for name, of_order in slots.items()}


def _orders_right(labels: Mapping[str, Mapping], found: Mapping[str, Mapping], way: str) -> dict[str, float]:
    wanted = [(labels[i], found[i]) for i in found]
    slots = [(slots, got, name) for slots, got in wanted for name in slots if name != "intent"]
    return {
        f"orders.intents.{way}": float(np.mean([got.get("intent") == slots["intent"] for slots, got in wanted])),
        f"orders.whole.{way}": float(np.mean([dict(slots) == dict(got) for slots, got in wanted])),
        f"orders.slots.{way}": float(np.mean([slots[name] == got.get(name) for slots, got, name in slots])),
        f"orders.count.{way}": len(wanted),
    }


def _values(labels: Mapping[str, Mapping[str, str]], names: Iterable[str]) -> dict[str, list[str]]:
    """Each slot's values in some orders, the longest first."""
    found: dict[str, set[str]] = {}
    for slots in (labels[name] for name in names):
        for slot, value in slots.items():
            if slot != "intent":
                found.setdefault(slot, set()).add(value)
    return {slot: sorted(values, key=lambda value: (-len(value), value)) for slot, values in found.items()}


def _spotted(text: str, values: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """What a text says of each slot; it is an order if it names a drink."""
    found = {slot: v for slot, of_slot in values.items() for v in of_slot[::-1] if f" {v} " in f" {text} "}
    return found | ({"intent": "orderDrink"} if "coffeeDrink" in found else {})


def _spell(recognizer: Recognizer, dictionary: Mapping[str, Sequence[Sequence[str]]], word: str) -> list[list[int]]:
    if word not in dictionary:
        return [list(spelling) for spelling in recognizer.tokenizer.pronunciations(word)]
    return [[recognizer.tokenizer.tokens.index(phone) for phone in phones] for phones in dictionary[word]]


def _errors(scores: Mapping[str, Sequence[tuple[Heard, float]]], half: int, threshold: float) -> tuple[float, float]:
    """False accepts, the mean of all kinds, and false rejections at a threshold."""
    accepts = [
        np.mean([score >= threshold for one, score in found if one.half == half])
        for kind, found in scores.items() if kind != "inside"
    ]  # fmt: skip
    rejections = np.mean([score < threshold for one, score in scores["inside"] if one.half == half])
    return float(np.mean(accepts)), float(rejections)


def _rates(scores: Mapping[str, Sequence[tuple[Heard, float]]], name: str) -> dict[str, float]:
    """The threshold of half 0, between two of its scores, and both errors of half 1 there, each kind apart too."""
    found = sorted(
        {score for of_kind in scores.values() for one, score in of_kind if one.half == 0 and score > -np.inf}
    )
    tried = [(a + b) / 2 for a, b in itertools.pairwise(found)] or found
    threshold = min(tried, key=lambda t: (max(_errors(scores, 0, t)), sum(_errors(scores, 0, t))))
    accepts, rejections = _errors(scores, 1, threshold)
    rates = {
        f"{name}.threshold": float(threshold),
        f"{name}.false_accepts": accepts,
        f"{name}.false_rejections": rejections,
    }
    for kind, found in scores.items():
        if kind != "inside":
            tested = [score >= threshold for one, score in found if one.half]
            rates |= {f"{name}.false_accepts.{kind}": float(np.mean(tested)), f"{name}.count.{kind}": len(tested)}
    return rates | {f"{name}.count.inside": sum(one.half for one, _ in scores["inside"])}


def _curve(scores: Mapping[str, Sequence[tuple[Heard, float]]], points: int = 60) -> dict[str, list[float]]:
    """Both errors of half 1 for thresholds over all scores, from the most lenient on."""
    finite = [score for found in scores.values() for one, score in found if one.half and score > -np.inf]
    between = np.quantile(finite, np.linspace(0, 1, points)).tolist() if finite else []
    thresholds = [-1e9, *between, 1e9]
    errors = [_errors(scores, 1, threshold) for threshold in thresholds]
    return {"false_accepts": [a for a, _ in errors], "false_rejections": [r for _, r in errors]}


if __name__ == "__main__":
    main()
