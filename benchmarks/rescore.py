"""Receipts brought up to date without a new run: error rates from their hypotheses, recipes with today's names.

    python -m benchmarks.rescore [--results DIR]

A receipt keeps all that was heard. So when scoring changes (intervals over speakers, say, in place of utterances), or a
recipe's fields get other names, its figures need no second training: `wer.*` is computed again for every receipt whose
corpus is at hand (AN4 and FSDD in $ASRLAB_DATA, scenetalk in the cache) and whose test has several speakers. An error
rate must come out as it was noted; only its interval may change.
"""

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asrlab import corpora
from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.corpora import Utterance
from asrlab.scoring import receipt
from asrlab.scoring.evaluate import Evaluation
from asrlab.training.recipe import Recipe

RESULTS = Path(__file__).parent / "results"
CORPORA = ("an4", "fsdd", "scenetalk")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    known = spoken(CORPORA)
    for path in sorted(options.results.glob("*.json")):
        before = receipt.read(path)
        after = rescored(before, known)
        if "recipe" in after:
            after = {**after, "recipe": todays(after["recipe"])}
            config.from_dict(Recipe, after["recipe"], str(path))  # or it is no recipe of today
        if after != before:
            write_whole(path, json.dumps(after, ensure_ascii=False, indent=1) + "\n")
            print(path.name)


def spoken(names: tuple[str, ...]) -> dict[str, dict[str, Utterance]]:
    """{corpus: {utterance id: utterance}} of the corpora that are at hand."""
    found = {}
    for name in names:
        try:
            corpus = corpora.load(name)
        except AsrlabError as error:
            print(f"without {name}: {error}")
        else:
            found[name] = {u.id: u for split in corpus.splits.values() for u in split}
    return found


def rescored(run: Mapping[str, Any], known: Mapping[str, Mapping[str, Utterance]]) -> dict[str, Any]:
    """A receipt with the error rates of its hypotheses, if they are of a known corpus and of several speakers.

    Raises AsrlabError if a rate is not the one that was noted: then the corpus or the scoring is another.
    """
    metrics = dict(run["metrics"])
    for way, heard in (run.get("hypotheses") or {}).items():
        corpus = next((utterances for utterances in known.values() if heard.keys() <= utterances.keys()), None)
        if corpus is None or f"wer.{way}" not in metrics:
            continue
        speakers = {i: corpus[i].speaker for i in heard}
        if len(set(speakers.values())) < 2:
            continue  # then there is nothing but utterances to draw
        interval = Evaluation({i: corpus[i].text for i in heard}, {way: heard}, speakers).wer(way)
        noted = metrics[f"wer.{way}"]
        if not math.isclose(interval.value, noted, abs_tol=1e-12):
            raise AsrlabError(f"receipt {run['name']}: wer.{way} is {interval.value} and was {noted}; run it again")
        metrics |= interval.as_metrics(f"wer.{way}")
    return {**run, "metrics": metrics}


def todays(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe with today's names of its fields, in their old order; one that has them comes back as it is.

    Before, the weights of a model's losses stood among its options: `ctc_weight` shared the loss between the two heads,
    `inner_weight` the CTC loss between its two heads, and `consistency` was added.
    """
    if "front_end" not in recipe:
        return dict(recipe)
    model = recipe["model"]
    ctc, inner = model["ctc_weight"], model["inner_weight"]
    weights = {
        "ctc": ctc * (1 - inner), "inner_ctc": ctc * inner, "attention": 1 - ctc, "consistency": recipe["consistency"]
    }  # fmt: skip
    renamed = {
        "front_end": {"inputs": {"sound": recipe["front_end"], "lips": None}},
        "model": {
            "model": {
                "branches": {"sound": model["encoder"]},
                "ctc": ctc > 0,
                "inner_ctc": ctc * inner > 0,
                "decoder": model["decoder"] if ctc < 1 else None,
            },
            "objectives": {name: weight for name, weight in weights.items() if weight},
        },
        "consistency": {},
    }
    found: dict[str, Any] = {}
    for name, value in recipe.items():
        found |= renamed.get(name, {name: value})
    return found


if __name__ == "__main__":
    main()
