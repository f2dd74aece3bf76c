"""AN4 with text that nobody spoke: names of the US census, spelled aloud, as language model and as hotwords.

    python -m benchmarks.names [--models DIR ...] [--tune DIR] [--results DIR]

The systems, each with the lexicon, all on the same posteriors:

    own          the recogniser as it is: a trigram of the training texts
    texts        the training texts alone, at the order of the models with names: the control for the order
    added-N      names spelled and added to the training texts as if they were said, one n-gram of both
    mixed-N      one n-gram of each, interpolated; the weight by expectation maximisation
    shuffled-N   as mixed, of names with their letters shuffled: the control for "some text with letters"
    hotwords-N   the own model and N names as hotwords, each a phrase of letters

N is how many of the commonest names; `all` are 91,910.  What is chosen is chosen on twelve speakers of the training
set, by the perplexity of their texts under models of the other speakers' texts: the n-gram order, N of `mixed` and the
weight.  Their sound chooses nothing, since a recogniser that was trained on all speakers knows it.  A hotword weighs
what a mixture would give it: the language model's weight times the mean gain in log-probability of dev's names.
With --tune, a recogniser trained without those speakers, dev's sound chooses instead: the language model's weight or
the hotwords' for each system alike, and the system.

Utterances are scored by kind: a spelled word that is a name of the list ("listed"), another spelled word ("unlisted"),
letters that an instruction or a number follows ("random": their letters were drawn), and others ("other").
Each recogniser gets a receipt `names-FOLDER.json`; `names.json` has the means, and intervals over speakers of all
recognisers' answers together.
"""

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_lowercase

import numpy as np

from asrlab import corpora
from asrlab.corpora import Corpus, Utterance
from asrlab.language import Hotword, NGram
from asrlab.language.interpolate import fit, mix
from asrlab.packaged import BUILT_IN
from asrlab.recognizer import Heard, Recognizer
from asrlab.scoring import receipt, score

RESULTS = Path(__file__).parent / "results"
DEV_SPEAKERS = 12  # as in the recipe of AN4
ORDERS = (3, 4, 5, 6, 7)
SIZES = (1000, 5000, 20_000)  # that dev may choose from
BASE, SHOWN, ALL = "own", 5000, 0  # what others are compared with; sizes that are reported whatever was chosen
LM_WEIGHTS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)
HOTWORD_WEIGHTS = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
KINDS = ("listed", "unlisted", "random", "other")


@dataclass(frozen=True)
class Chosen:
    """What dev's texts have chosen."""

    order: int
    size: int
    share: dict[int, float]  # size -> weight of the names' model
    shuffled: float  # weight of the shuffled names' model
    gain: float  # nats, mean over dev's spelled names
    perplexity: dict[str, float]


def names_by_share() -> list[str]:
    """All names, the commonest first; one that is on several lists counts where it is commonest."""
    share: dict[str, float] = {}
    for split in corpora.load("census_names").splits.values():
        for u in split:
            share[u.text] = max(share.get(u.text, 0.0), float(u.tags["share"]))
    return sorted(share, key=lambda name: (-share[name], name))


def kind(text: str, names: set[str]) -> str:
    """What sort of utterance it is."""
    spelled = [word in ascii_lowercase for word in text.split()]
    if all(spelled):
        return "listed" if text.replace(" ", "") in names else "unlisted"
    return "random" if any(spelled) else "other"


def spell(names: Sequence[str], size: int) -> list[str]:
    return [" ".join(name) for name in (names[:size] if size else names)]


def shuffled(names: Sequence[str]) -> list[str]:
    """The same names, the letters of each in another order."""
    rng = np.random.default_rng(1)
    return ["".join(rng.permutation(list(name))) for name in names]


def label(size: int) -> str:
    return str(size) if size else "all"


def choose(corpus: Corpus, names: list[str]) -> Chosen:
    """Order, size and weights for which dev's texts are likeliest, from texts of other speakers and names."""
    texts, dev, words = [u.text for u in corpus["train"]], [u.text for u in corpus["dev"]], sorted(corpus.lexicon)
    perplexity, share = {}, {}
    for order in ORDERS:
        said, listed = NGram.train(texts, order, words), NGram.train(spell(names, SHOWN), order, words)
        perplexity[f"texts.{order}"] = said.perplexity(dev)
        perplexity[f"mixed-{SHOWN}.{order}"] = fit([said, listed], dev).perplexity[-1]
    order = min(ORDERS, key=lambda n: perplexity[f"mixed-{SHOWN}.{n}"])
    said = NGram.train(texts, order, words)
    for size in SIZES:
        found = fit([said, NGram.train(spell(names, size), order, words)], dev)
        share[size], perplexity[f"mixed-{label(size)}"] = found.weights[1], found.perplexity[-1]
        print(f"mixed-{label(size)}: order {order}, perplexity {found.perplexity[-1]:.2f}", flush=True)
    size = min(SIZES, key=lambda n: perplexity[f"mixed-{label(n)}"])
    wrong = fit([said, NGram.train(spell(shuffled(names), SHOWN), order, words)], dev)
    perplexity[f"shuffled-{SHOWN}"] = wrong.perplexity[-1]
    perplexity[f"added-{SHOWN}"] = NGram.train(texts + spell(names, SHOWN), order, words).perplexity(dev)
    mixed = mix([said, NGram.train(spell(names, SHOWN), order, words)], (1 - share[SHOWN], share[SHOWN]))
    known, own = set(names[:SHOWN]), NGram.train(texts, 3, words)
    gains = [mixed.logprob(text) - own.logprob(text) for text in dev if kind(text, known) == "listed"]
    return Chosen(order, size, share, wrong.weights[1], statistics.mean(gains), perplexity)


def models(corpus: Corpus, names: list[str], chosen: Chosen, texts: Sequence[str]) -> dict[str, NGram]:
    """The systems that are language models, of the texts given."""
    words, order = sorted(corpus.lexicon), chosen.order
    said = NGram.train(texts, order, words)

    def mixed(listed: Sequence[str], share: float) -> NGram:
        return mix([said, NGram.train(listed, order, words)], (1 - share, share))

    found = {"own": NGram.train(texts, 3, words), "texts": said}
    for size in (SHOWN, ALL):
        found[f"added-{label(size)}"] = NGram.train([*texts, *spell(names, size)], order, words)
    for size in dict.fromkeys((SHOWN, chosen.size)):
        found[f"mixed-{label(size)}"] = mixed(spell(names, size), chosen.share[size])
        print(f"mixed-{label(size)} made", flush=True)
    found[f"shuffled-{SHOWN}"] = mixed(spell(shuffled(names), SHOWN), chosen.shuffled)
    return found


def decode(r: Recognizer, heard: Mapping[str, Heard], lms: Mapping[str, NGram], weights: Mapping[str, float]) -> dict:
    """{system: {utterance id: text}}"""
    found = {}
    for name, lm in lms.items():
        options = replace(r.beam, lm_weight=weights.get(name, r.beam.lm_weight), times=False)
        decoder = r.with_decoder(options, lm, r.lexicon).decoder
        found[name] = {i: decoder.decode(h.ctc)[0].text for i, h in heard.items()}
    return found


def expect(r: Recognizer, heard: Mapping[str, Heard], own: NGram, names: list[str], size: int, nats: float) -> dict:
    """{utterance id: text} with names as hotwords."""
    plain = r.with_decoder(replace(r.beam, times=False), own, r.lexicon)
    expecting = plain.with_hotwords([Hotword((text,)) for text in spell(names, size)], nats)
    return {i: expecting.best(h).text for i, h in heard.items()}


def answers(r: Recognizer, heard: Mapping[str, Heard], lms, weights, names: list[str], gain: float) -> dict:
    """Those of all systems, the hotwords too."""
    found = decode(r, heard, lms, weights)
    for size in (SHOWN, ALL):
        name = f"hotwords-{label(size)}"
        found[name] = expect(r, heard, lms["own"], names, size, weights.get(name, r.beam.lm_weight * gain))
    return found


def listen(r: Recognizer, utterances: Sequence[Utterance]) -> dict[str, Heard]:
    return dict(zip([u.id for u in utterances], r.hear([r.read(u) for u in utterances]), strict=True))


def tune(folder: Path, corpus: Corpus, lms: Mapping[str, NGram], names: list[str]) -> dict[str, dict[float, float]]:
    """{system: {weight: word error rate}} on dev's sound, the weight being the language model's or a hotword's."""
    r = Recognizer.load(folder)
    heard, said = listen(r, corpus["dev"]), {u.id: u.text for u in corpus["dev"]}
    errors: dict[str, dict[float, float]] = {}
    for weight in LM_WEIGHTS:
        for name, texts in decode(r, heard, lms, dict.fromkeys(lms, weight)).items():
            errors.setdefault(name, {})[weight] = score.wer(said, texts)
    for size, weight in ((size, weight) for size in (SHOWN, ALL) for weight in HOTWORD_WEIGHTS):
        texts = expect(r, heard, lms["own"], names, size, weight)
        errors.setdefault(f"hotwords-{label(size)}", {})[weight] = score.wer(said, texts)
    for name, of in errors.items():
        print(f"dev, {name}: " + ", ".join(f"{weight:g}: {wer:.2%}" for weight, wer in of.items()), flush=True)
    return errors


def metrics(
    found: Mapping[str, Mapping[str, str]],
    said: Mapping[str, str],
    kinds: Mapping[str, str],
    speakers: Mapping[str, str],
    parts: Sequence[str] = KINDS,
) -> dict[str, float]:
    """Error rates of each system over all and by kind, and what they are more than those of `BASE`, over speakers."""
    result = {}
    for part in ("", *parts):
        ids = [i for i in said if part in ("", kinds[i])]
        end = f".{part}" if part else ""
        references = {i: said[i] for i in ids}
        result[f"words{end or '.all'}"] = sum(len(text.split()) for text in references.values())
        for name, texts in found.items():
            heard = {i: texts[i] for i in ids}
            result |= score.measure(references, heard, groups=speakers).as_metrics(f"wer.{name}{end}")
            if name != BASE:
                compared = score.paired_bootstrap(references, {i: found[BASE][i] for i in ids}, heard, groups=speakers)
                interval = score.Interval(compared.difference, compared.low, compared.high)
                result |= interval.as_metrics(f"difference.{name}{end}")
    return result


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=Path, nargs="+", default=[BUILT_IN], help="recognisers of AN4, trained on all")
    parser.add_argument(
        "--tune", type=Path, help="one trained without dev's speakers, to choose weights on their sound"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    began, commit = time.perf_counter(), receipt.code_state()
    typed = shlex.join(["python", "-m", "benchmarks.names", *(sys.argv[1:] if arguments is None else arguments)])
    names, corpus = names_by_share(), corpora.load("an4", dev_speakers=DEV_SPEAKERS)
    chosen = choose(corpus, names)
    train = [u.text for u in corpus["train"]]
    dev = tune(options.tune, corpus, models(corpus, names, chosen, train), names) if options.tune else {}
    weights = {name: min(of, key=lambda weight: (of[weight], weight)) for name, of in dev.items()}
    best = min(dev, key=lambda name: min(dev[name].values())) if dev else f"mixed-{label(chosen.size)}"
    lms = models(corpus, names, chosen, train + [u.text for u in corpus["dev"]])
    test, listed = corpus["test"], set(names)
    said, speakers = ({u.id: getattr(u, field) for u in test} for field in ("text", "speaker"))
    kinds = {u.id: kind(u.text, listed) for u in test}
    settings = {
        "order": chosen.order, "chosen": best, "perplexity": chosen.perplexity,
        "share": {label(size): share for size, share in chosen.share.items()}, "weights": weights, "dev": dev,
        "hotword_gain": chosen.gain, "tuned_on": options.tune and options.tune.name, "kinds": kinds, "said": said,
    }  # fmt: skip
    runs = {}
    for folder in options.models:
        r, started = Recognizer.load(folder), time.perf_counter()
        runs[folder.name] = found = answers(r, listen(r, test), lms, weights, names, chosen.gain)
        path = options.results / f"names-{folder.name}.json"
        values, took = metrics(found, said, kinds, speakers), time.perf_counter() - started
        receipt.write(path, "names", typed, values, found, None, took, commit=commit, settings=settings)
        print(f"{path}\n{report(values, found)}", flush=True)
    together = {name: {f"{k} {i}": runs[k][name][i] for k in runs for i in said} for name in found}
    everywhere = [{f"{k} {i}": of[i] for k in runs for i in said} for of in (said, kinds, speakers)]
    values = metrics(together, *everywhere)
    values |= {"recognisers": len(runs)}
    took = time.perf_counter() - began
    path = options.results / "names.json"
    receipt.write(path, "names", typed, values, None, None, took, commit=commit, settings=settings, models=sorted(runs))
    print(f"{path}: mean of {len(runs)}\n{report(values, together)}")


def report(values: Mapping[str, float], systems) -> str:
    """A line for each system: errors over all and by kind, per cent, and the difference with its interval."""
    lines = [f"{'':15s}" + "".join(f"{part:>10s}" for part in ("all", *KINDS)) + "   all, difference"]
    for name in systems:
        row = "".join(f"{100 * values[f'wer.{name}{end}']:10.2f}" for end in ("", *(f".{k}" for k in KINDS)))
        if name != BASE:
            low, high = (100 * values[f"difference.{name}.{side}"] for side in ("low", "high"))
            row += f"   {100 * values[f'difference.{name}']:+.2f} ({low:+.2f} to {high:+.2f})"
        lines.append(f"{name:15s}{row}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
