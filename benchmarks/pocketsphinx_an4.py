"""PocketSphinx on AN4 test: what a recogniser that one can install in a minute makes of it.

    python -m benchmarks.pocketsphinx_an4

Its own acoustic model of US English, the pronunciations of AN4's dictionary, and a word trigram of AN4's training
texts, the same that our decoders get. Decoded utterance by utterance; everything else at its default.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from asrlab import corpora, receipt, score
from asrlab.lm import NGram
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


def recognise(corpus: corpora.Corpus, utterances: Sequence[corpora.Utterance]) -> tuple[dict[str, str], float]:
    """Hypotheses {id: text}, and the seconds that decoding took."""
    with tempfile.TemporaryDirectory() as folder, Peer(peer_python("pocketsphinx", REQUIREMENTS), SCRIPT) as peer:
        dictionary, lm, samples = (Path(folder) / name for name in ("words.dic", "words.arpa", "samples.raw"))
        write_dictionary(corpus.lexicon, dictionary)
        NGram.train([u.text for u in corpus["train"]], order=3, vocabulary=corpus.lexicon).write_arpa(lm)
        peer("load", dictionary=str(dictionary), lm=str(lm))
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
    hypotheses, seconds = recognise(corpus, utterances)
    references = {u.id: u.text for u in utterances}
    interval = score.bootstrap(references, hypotheses)
    audio = sum(u.seconds for u in utterances)
    print(score.format_table(score.by_tag(references, hypotheses, score.tag_values(utterances, "speaker")), "speaker"))
    print(f"WER {100 * interval.value:.1f}% (95%: {100 * interval.low:.1f} - {100 * interval.high:.1f})")
    if options.limit is None:
        metrics = {
            "wer.trigram": interval.value,
            "wer.trigram.low": interval.low,
            "wer.trigram.high": interval.high,
            "real_time_factor": seconds / audio,
        }
        path = receipt.write(
            RESULTS / "pocketsphinx-an4.json", "pocketsphinx-an4", "python -m benchmarks.pocketsphinx_an4", metrics,
            {"trigram": hypotheses}, wall_seconds=time.perf_counter() - began, commit=code, peer=REQUIREMENTS,
        )  # fmt: skip
        print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
