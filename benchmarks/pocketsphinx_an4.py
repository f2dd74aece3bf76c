"""PocketSphinx on AN4 test: what a recogniser that one can install in a minute makes of it.

    python -m benchmarks.pocketsphinx_an4

Its own acoustic model of US English and the pronunciations of the AN4 dictionary; decoded utterance by utterance, all
else at its default, in two ways: with all words equally likely ("words"), and with a trigram of AN4's training texts,
the same that our decoders get ("trigram").
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from asrlab import corpora
from asrlab.language import NGram
from asrlab.scoring import receipt, score
from benchmarks.peers import Peer, peer_python

REQUIREMENTS = ("pocketsphinx==5.1.1",)
SCRIPT = Path(__file__).with_name("peer_pocketsphinx.py")
RESULTS = Path(__file__).parent / "results"


def write_dictionary(lexicon: Mapping[str, tuple[tuple[str, ...], ...]], path: Path) -> None:
    """A lexicon as a CMU Sphinx dictionary: WORD PHONES, further pronunciations as WORD(2), WORD(3), ..."""
    lines = []
    for word, pronunciations in lexicon.items():
        for k, phones in enumerate(pronunciations, start=1):
            lines.append(f"{word if k == 1 else f'{word}({k})'} {' '.join(phones)}\n")
    path.write_text("".join(lines), encoding="utf-8")


def language_models(corpus: corpora.Corpus) -> dict[str, NGram]:
    """What each system knows about the texts: {system: n-gram}."""
    return {
        "words": NGram.train([list(corpus.lexicon)], order=1),
        "trigram": NGram.train([u.text for u in corpus["train"]], order=3, vocabulary=corpus.lexicon),
    }


def recognise(peer: Peer, utterances: Sequence[corpora.Utterance], folder: Path) -> tuple[dict[str, str], float]:
    """Hypotheses {id: text}, and the seconds that decoding took."""
    samples = folder / "samples.raw"
    hypotheses, seconds = {}, 0.0
    for utterance in utterances:
        audio = np.clip(np.round(utterance.load(16000) * 32768), -32768, 32767).astype("<i2")
        samples.write_bytes(audio.tobytes())
        hypotheses[utterance.id] = peer("decode", samples=str(samples))
        seconds += peer.seconds
    return hypotheses, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="only the first utterances, for a try; writes no receipt")
    options = parser.parse_args()

    began, code = time.perf_counter(), receipt.code_state()
    corpus = corpora.load("an4")
    utterances = corpus["test"][: options.limit]
    references = {u.id: u.text for u in utterances}
    speakers = score.tag_values(utterances, "speaker")
    metrics, hypotheses = {}, {}
    python = peer_python("pocketsphinx", REQUIREMENTS)
    with tempfile.TemporaryDirectory() as name, Peer(python, SCRIPT) as peer:
        folder = Path(name)
        dictionary, arpa = folder / "words.dic", folder / "words.arpa"
        write_dictionary(corpus.lexicon, dictionary)
        for system, lm in language_models(corpus).items():
            lm.write_arpa(arpa)
            peer("load", dictionary=str(dictionary), lm=str(arpa))
            texts, seconds = recognise(peer, utterances, folder)
            hypotheses[system] = texts
            metrics |= score.bootstrap(references, texts).as_metrics(f"wer.{system}")
            metrics[f"real_time_factor.{system}"] = seconds / sum(u.seconds for u in utterances)
            print(score.format_table(score.by_tag(references, texts, speakers), system), end="\n\n")
    if options.limit is None:
        path = receipt.write(
            RESULTS / "pocketsphinx-an4.json", "pocketsphinx-an4", "python -m benchmarks.pocketsphinx_an4", metrics,
            hypotheses, wall_seconds=time.perf_counter() - began, commit=code, peer=REQUIREMENTS,
        )  # fmt: skip
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
