"""What language models do for a recogniser: none, n-grams, less of what it expects itself, a neural one, the oracle.

    python -m benchmarks.neighbours an4 | scenetalk [--model DIR] [--corpus NAME] [--texts FILE] [--tune dev | others]

The model listens once.  Its lists of hypotheses come from searches with and without language models, and every system
chooses from the same lists by weights of its own (`asrlab.scoring.surface`), so that all have equal care.

scenetalk  Weights are chosen on dev.  `--texts` defaults to commands of the grammar, typed and never spoken: they cover
           the combinations of dev and test, and hold none of their sentences.
an4        The packaged recogniser has heard every speaker but those of the test.  So the weights for each speaker of
           the test are chosen on the other nine, and never on what is reported; `--tune dev` is for a model that has
           not heard the twelve speakers of dev.  `--texts` defaults to spelled surnames of the US census, where
           $ASRLAB_DATA has them.

Writes benchmarks/results/neighbours-CORPUS.json: error rates with intervals, paired differences, perplexities, the
weights that were chosen, the surface over two of them, and the hypotheses that any weights of that surface choose.
"""

import argparse
import os
import random
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asrlab import corpora
from asrlab.corpora import Utterance
from asrlab.corpora.scenetalk import grammar
from asrlab.decode import Hypothesis
from asrlab.decode.internal import ZeroContext, divided_by_prior, label_prior
from asrlab.decode.rescore import Scorer, by_attention, by_text, merged, reweighted, with_parts
from asrlab.language import NGram, interpolate
from asrlab.language.neural import NeuralLM, NeuralOptions
from asrlab.models.decoder import AttentionDecoder
from asrlab.packaged import packaged_folder
from asrlab.recognizer import Heard, Recognizer
from asrlab.scoring import receipt, score
from asrlab.scoring.surface import Surface, oracle, surface

RESULTS = Path(__file__).parent / "results"
NBEST = 20  # hypotheses of each search
BEAM = 40
BONUS = tuple(np.arange(-3.0, 4.01, 0.5).tolist())
LM = tuple(np.round(np.arange(0.0, 1.61, 0.1), 2).tolist())
LESS = tuple(np.round(np.arange(-0.8, 0.01, 0.1), 2).tolist())  # weights of what is taken away
NEURAL = tuple(np.round(np.arange(0.0, 1.21, 0.2), 2).tolist())
ATTENTION = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)
PRIOR = (0.1, 0.2, 0.3)
NAMES = 6000  # surnames that are spelled
TYPED = 4000  # commands that are typed


@dataclass(frozen=True)
class Split:
    """Utterances, what the model heard of them, and lists of hypotheses."""

    utterances: Sequence[Utterance]
    heard: Sequence[Heard]
    nbest: Sequence[Sequence[Hypothesis]]

    @property
    def texts(self) -> list[str]:
        return [u.text for u in self.utterances]


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=("an4", "scenetalk"))
    parser.add_argument("--model", type=Path, help="directory of a recogniser (default: the packaged one of the case)")
    parser.add_argument("--corpus", help="another corpus or manifest, with splits train, dev and test")
    parser.add_argument("--texts", type=Path, help="text of the domain that nobody spoke, a sentence a line")
    parser.add_argument("--tune", choices=("dev", "others"), help="default: dev for scenetalk, others for an4")
    parser.add_argument("--out", type=Path, help="default: benchmarks/results/neighbours-CASE.json")
    options = parser.parse_args(arguments)
    state, began = receipt.code_state(), time.perf_counter()
    out = options.out or RESULTS / f"neighbours-{options.case}.json"
    typed = [w if not os.path.isabs(w) else os.path.relpath(w) for w in (arguments or sys.argv[1:])]
    found = measure(options)
    path = receipt.write(
        out, out.stem, shlex.join(["python", "-m", "benchmarks.neighbours", *typed]), seed=1, commit=state,
        wall_seconds=time.perf_counter() - began, **found,
    )  # fmt: skip
    for name, value in found["metrics"].items():
        if name.startswith(("wer.", "perplexity.")) and name.count(".") == 1:
            print(f"{name:<32} {value:.4f}")
    print(path)


def measure(options: argparse.Namespace) -> dict:
    """All that the receipt holds besides what every receipt has."""
    people = options.case == "an4"
    others = (options.tune or ("others" if people else "dev")) == "others"
    recognizer = Recognizer.load(options.model or packaged_folder("an4" if people else "scenetalk-las"))
    corpus = load_corpus(options.corpus or options.case)
    train = [u.text for u in corpus["train"]]
    heldout = {u.text for split in ("dev", "test") for u in corpus[split]}
    texts = read_texts(options.texts) if options.texts else (spelled_names() if people else typed_commands(heldout))
    words = recognizer.lexicon or tuple({w for text in train for w in text.split()})
    # Where nobody of dev is new to the model, its texts choose the mixture all the same: they are left out of `part`.
    part = NGram.train([t for t in train if t not in heldout] or train, 3, words)
    unpaired = NGram.train(texts, 3, words)
    mixture = interpolate.fit([part, unpaired], [u.text for u in corpus["dev"]])
    own = train + [u.text for u in corpus["dev"]] if others else train
    models = {"train": NGram.train(own, 3, words), "text": unpaired}
    models["mixed"] = interpolate.mix([models["train"], unpaired], mixture.weights)
    log(f"{len(own)} transcripts, {len(texts)} further texts, shares {mixture.weights}")
    neural = NeuralLM.train([*own, *texts], NeuralOptions(dim=96, epochs=6), vocabulary=words)
    log("the neural language model is trained")

    test = Split(corpus["test"], recognizer.hear([recognizer.read(u) for u in corpus["test"]]), ())
    dev = test if others else Split(corpus["dev"], recognizer.hear([recognizer.read(u) for u in corpus["dev"]]), ())
    log("the recordings are heard")
    inside = recognizer.model.decoder
    scorers = {**{name: by_text(lm) for name, lm in models.items()}, "neural": neural}
    test = replace(test, nbest=lists(recognizer, models, scorers, test.heard, inside))
    dev = test if others else replace(dev, nbest=lists(recognizer, models, scorers, dev.heard, inside))
    log("the hypotheses are listed")
    systems = {
        "none": {"words": BONUS},
        "train": {"train": LM, "words": BONUS},
        "text": {"text": LM, "words": BONUS},
        "mixed": {"mixed": LM, "words": BONUS},
        "text_less_train": {"text": LM, "train": LESS, "words": BONUS},
        "mixed_less_train": {"mixed": LM, "train": LESS, "words": BONUS},
        "neural": {"mixed": LM, "neural": NEURAL, "words": BONUS},
    }
    if inside is not None:
        systems["rescored"] = {"attention": ATTENTION, "words": BONUS}
        systems["rescored_text"] = {"attention": ATTENTION, "text": LM, "words": BONUS}
        systems["rescored_text_less_own"] = {"attention": ATTENTION, "text": LM, "own": LESS[::2], "words": BONUS}
    chosen, hypotheses = {}, {}
    for name, grids in systems.items():
        hypotheses[name], chosen[name] = choose(dev, test, grids, others)
        log(f"{name}: {score.wer(references(test), hypotheses[name]):.4f} {chosen[name]['weights']}")
    some = [u for u in corpus["train"]][:: max(1, len(corpus["train"]) // 200)]
    prior = label_prior(recognizer.log_probs([recognizer.read(u) for u in some]))
    hypotheses["label_prior"], chosen["label_prior"] = choose_prior(recognizer, models, dev, test, prior, others)
    best = {u.id: oracle(u.text, h).text for u, h in zip(test.utterances, test.nbest, strict=True)}
    hypotheses["oracle"] = best

    shown = "mixed" if people else "text"
    grid = {shown: LM, "words": BONUS} if people else {shown: LM, "train": LESS}
    fixed = {"ctc": 1.0} if people else {"ctc": 1.0, "words": chosen["text_less_train"]["weights"]["words"]}
    plane = surface(dev.texts, dev.nbest, grid, fixed)
    all_models = {**models, "neural": neural}
    return {
        "metrics": {
            **figures(test, hypotheses),
            **{f"perplexity.{name}": lm.perplexity(test.texts) for name, lm in all_models.items()},
            **{f"share.{k}": share for k, share in zip(("train", "text"), mixture.weights, strict=True)},
            "texts.train": len(own), "texts.text": len(texts), "utterances": len(test.utterances),
            "nbest.mean": float(np.mean([len(h) for h in test.nbest])),
        },
        "hypotheses": hypotheses,
        "chosen": chosen,
        "tuned_on": "the other speakers of the test" if others else "dev",
        "surface": {
            "of": "test" if others else "dev", "weights": plane.weights, "fixed": plane.fixed, "errors": plane.errors,
            "words": plane.words, "edge": plane.at_edge,
            "lists": [kept(u, h, plane) for u, h in zip(dev.utterances, dev.nbest, strict=True)],
        },
    }  # fmt: skip


def load_corpus(name: str) -> corpora.Corpus:
    """A corpus with train, dev and test; AN4's dev is twelve speakers of its train."""
    if name == "an4":
        return corpora.load("an4", dev_speakers=12)
    return corpora.load(name) if name in corpora.names() else corpora.load("manifest", name)


def read_texts(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def typed_commands(heldout: set[str]) -> list[str]:
    """Commands of all combinations that nobody spoke."""
    draw = random.Random(1)
    splits = ("train", "dev", "test")
    return sorted({grammar.draw(draw, splits[i % 3])[1] for i in range(TYPED)} - heldout)


def spelled_names() -> list[str]:
    """The commonest surnames of the US census of 1990, letter by letter."""
    path = Path(os.environ.get("ASRLAB_DATA", "")) / "census-names" / "dist.all.last"
    return [" ".join(line.split()[0].lower()) for line in path.read_text(encoding="ascii").splitlines()[:NAMES]]


def lists(
    recognizer: Recognizer,
    models: Mapping[str, NGram],
    scorers: Mapping[str, Scorer],
    heard: Sequence[Heard],
    inside: AttentionDecoder | None = None,
) -> list[list[Hypothesis]]:
    """For each recording the hypotheses of searches with every language model and without, with all parts."""
    wide = replace(recognizer.beam, beam=BEAM, nbest=NBEST, times=False)
    ways = [(replace(wide, word_bonus=bonus), None) for bonus in (0.0, 1.0)]
    ways += [(replace(wide, lm_weight=w, word_bonus=1.0), lm) for lm in models.values() for w in (0.4, 1.0)]
    searches = [recognizer.with_decoder(beam, lm, recognizer.lexicon).decoder for beam, lm in ways]
    own = {} if inside is None else {"own": ZeroContext(inside, heard[0].frames.shape[1])}
    found = []
    for one in heard:
        texts = merged(search.decode(one.ctc) for search in searches)
        plain = [replace(h, parts={"ctc": h.parts["ctc"], "words": len(h.text.split())}) for h in texts]
        listens = {} if inside is None else {"attention": by_attention(inside, one.frames)}
        found.append(with_parts(plain, {**scorers, **own, **listens}))
    return found


def choose(dev: Split, test: Split, grids: Mapping[str, Sequence[float]], others: bool) -> tuple[dict, dict]:
    """The texts that a system chooses on test, by weights from dev, or from the `others` among its speakers."""
    fixed = {"ctc": 1.0}
    if not others:
        found = surface(dev.texts, dev.nbest, grids, fixed)
        texts = [reweighted(h, found.best)[0].text for h in test.nbest]
        ids = [u.id for u in test.utterances]
        return dict(zip(ids, texts, strict=True)), {"weights": found.best, "edge": found.at_edge}
    of: dict[str, Surface] = {}
    for speaker in sorted({u.speaker for u in test.utterances}):
        mine = [(u.text, h) for u, h in zip(test.utterances, test.nbest, strict=True) if u.speaker == speaker]
        of[speaker] = surface([text for text, _ in mine], [h for _, h in mine], grids, fixed)
    speakers = list(of)
    whole = of[speakers[0]]
    for speaker in speakers[1:]:
        whole = whole + of[speaker]
    weights = {speaker: (whole - of[speaker]).best for speaker in speakers}
    texts = {u.id: reweighted(h, weights[u.speaker])[0].text for u, h in zip(test.utterances, test.nbest, strict=True)}
    return texts, {"weights": whole.best, "edge": whole.at_edge, "by_speaker": weights}


def choose_prior(
    recognizer: Recognizer, models: Mapping[str, NGram], dev: Split, test: Split, prior: np.ndarray, others: bool
) -> tuple[dict, dict]:
    """`choose` of the mixture's system with the label prior divided out; its weight is chosen with the others."""
    found = []
    for weight in PRIOR:
        splits = []
        for split in (dev, test):
            heard = [Heard(one.frames, divided_by_prior(one.ctc, prior, weight)) for one in split.heard]
            scorers = {"mixed": by_text(models["mixed"])}
            nbest = lists(recognizer, {"mixed": models["mixed"]}, scorers, heard)
            splits.append(replace(split, nbest=nbest))
        grids = {"mixed": LM, "words": BONUS}
        errors = surface(splits[0].texts, splits[0].nbest, grids, {"ctc": 1.0}).errors.min()
        texts, chosen = choose(splits[0], splits[1], grids, others)
        found.append((int(errors), weight, texts, {**chosen, "prior_weight": weight}))
    _, _, texts, chosen = min(found, key=lambda one: one[:2])
    return texts, chosen


def references(split: Split) -> dict[str, str]:
    return {u.id: u.text for u in split.utterances}


def figures(test: Split, hypotheses: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    """Error rates with intervals over speakers, and each system's paired difference from none."""
    said, speakers = references(test), {u.id: u.speaker for u in test.utterances}
    groups = speakers if len(set(speakers.values())) > 1 else None
    found = {}
    for name, texts in hypotheses.items():
        found |= score.measure(said, texts, groups=groups).as_metrics(f"wer.{name}")
        if name != "none":
            compared = score.paired_bootstrap(said, hypotheses["none"], texts, groups=groups)
            found |= {
                f"difference.{name}": compared.difference, f"difference.{name}.low": compared.low,
                f"difference.{name}.high": compared.high,
            }  # fmt: skip
    return found


def kept(utterance: Utterance, hypotheses: Sequence[Hypothesis], plane: Surface) -> dict:
    """What was said, and the hypotheses that win somewhere on a surface, with the parts that it weighs."""
    names = [*plane.weights, *plane.fixed]
    grid = np.array(np.meshgrid(*plane.weights.values(), indexing="ij")).reshape(len(plane.weights), -1)
    values = np.array([[h.parts[name] for name in names] for h in hypotheses])
    steady = values[:, len(plane.weights) :] @ np.array([*plane.fixed.values()])
    winners = sorted({int(k) for k in (steady[:, None] + values[:, : len(plane.weights)] @ grid).argmax(axis=0)})
    rows = [[hypotheses[k].text, *np.round(values[k], 4).tolist()] for k in winners]
    return {"id": utterance.id, "said": utterance.text, "parts": names, "texts": rows}


def log(message: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {message}", flush=True)


if __name__ == "__main__":
    main()
