"""The command line: `asrlab prepare | shard | train | decode | score | transcribe | grade | release | bench`."""

import argparse
import contextlib
import hashlib
import io
import json
import os
import shlex
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asrlab
from asrlab.core.config import brief
from asrlab.core.errors import AsrlabError, Preempted
from asrlab.core.files import check_place, json_lines, read_json_lines, read_whole, shown, write_whole
from asrlab.core.machine import settle_threads
from asrlab.packaged import BUILT_IN, CONFIG, recogniser_folder

if TYPE_CHECKING:
    from asrlab.corpora import Utterance
    from asrlab.recognizer import Recognizer

DESCRIPTION = "A readable speech recogniser: fetch a corpus, train on it, decode, score, transcribe."

GRADE_FILES = {  # option of `asrlab grade` -> what it writes
    "json": "all of it, the seed included",
    "junit": "JUnit XML for a build server",
    "html": "a page for the learner, with the figures",
    "gradescope": "results.json of a Gradescope autograder",
    "progress": "what the book's pages import to show what is done",
}
REPORTS = {**{name: name for name in GRADE_FILES}, "json": "to_json"}  # the function of asrlab.grading.report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 after an error that was told, 130 after an interruption.

    A training that SIGTERM ended returns 0 as well: all is saved, and whoever sent it may start the same command again.
    `asrlab grade` returns 3 for a notebook that lacks points, or a recogniser that does not beat the bar.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal that knows ASCII alone shows the rest as \u escapes
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = parse(arguments)
    try:
        status = options.run(options) or 0
        sys.stdout.flush()
        return status
    except Preempted as told:
        if main_process():
            print(f"asrlab {options.command}: {_told(told)}", file=sys.stderr)
    except AsrlabError as error:
        print(f"asrlab {options.command}: {_told(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"asrlab {options.command}: interrupted; the same command goes on where it can", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, `head` say, has seen enough
        sys.stderr.close()
    except OSError as error:  # a full device, a name that is too long, a folder that may not be entered
        where = f"{shown(error.filename)}: " if error.filename else ""
        reason = error.strerror or str(error)
        print(f"asrlab {options.command}: {where}{reason}; make room, or choose another place", file=sys.stderr)
        with contextlib.suppress(OSError):
            sys.stdout.close()  # or Python would complain a second time
        return 1
    return 0


def _told(error: Exception | str) -> str:
    """A message as a terminal may show it: its lines, and no control characters of a file's name in them."""
    return "\n".join(map(shown, str(error).split("\n")))


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Like `parse_args`, but NAME=VALUE may stand before, between and after the options of `train`."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    options.typed = shlex.join([*launcher(), "asrlab", *arguments])
    changes = [word for word in rest if options.command == "train" and "=" in word and not word.startswith("-")]
    if len(changes) < len(rest):
        parser.error(f"unrecognized arguments: {' '.join(word for word in rest if word not in changes)}")
    if changes:
        options.changes += changes
    return options


def launcher() -> list[str]:
    """The words that come before `asrlab` where torchrun started this process."""
    processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    return [] if processes == "1" else ["torchrun", f"--nproc-per-node={processes}", "-m"]


def make_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser("asrlab", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"asrlab {asrlab.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        sub.set_defaults(run=run)
        return sub

    sub = command("prepare", prepare, "fetch a corpus, or make the synthetic one")
    sub.add_argument("corpus", help="scenetalk, an4, fsdd, grid, librispeech, speech_commands, yesno or census_names")
    sub.add_argument("--root", type=Path, help="folder to put it in (default: $ASRLAB_DATA or the cache)")

    sub = command("shard", shard, "pack a corpus into tar shards, for more hours than a folder of files can hold")
    sub.add_argument("corpus", help="corpus by name, or the path of a manifest or folder")
    sub.add_argument("--out", type=Path, required=True, help="folder to write to: a folder in it for each split")
    sub.add_argument("--per-shard", type=int, default=1000, metavar="N", help="utterances, at most (default: 1000)")
    sub.add_argument("--jobs", type=int, metavar="N", help="processes side by side (default: one a core)")
    sub.add_argument("--seed", type=int, default=0, help="decides the order of the utterances (default: 0)")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")

    sub = command("train", train, "train a recogniser and measure it on the test split")
    short_help = sub.format_help
    # Only who asks for it waits for the imports.
    sub.format_help = lambda: short_help() + recipe_help()  # type: ignore[method-assign]  # of this one alone
    sub.add_argument("recipe", nargs="?", default="scenetalk", help="a recipe's name or YAML file (default: scenetalk)")
    sub.add_argument("changes", nargs="*", metavar="NAME=VALUE", help="fields of the recipe to change; listed below")
    sub.add_argument("--dir", type=Path, help="where to write (default: runs/RECIPE); a killed run goes on from there")
    sub.add_argument("--restart", action="store_true", help="begin anew, whatever --dir holds")
    sub.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    sub.add_argument("--receipt", type=Path, help="also write the receipt to this file")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    add_threads(sub, "OMP_NUM_THREADS, or what is found to be faster")

    sub = command("decode", decode, "decode a split of a corpus with a trained recogniser")
    sub.add_argument("model", type=Path, help="directory that `asrlab train` wrote, or the name of a packaged one")
    sub.add_argument("--corpus", help="corpus by name (default: the one of the recipe), or a manifest or folder")
    sub.add_argument("--split", default="test", help="which part of it (default: test)")
    sub.add_argument("--rescore", type=Path, metavar="LM", help="answer with the best of its list by a neural language "
                     "model too: directory that NeuralLM.save wrote")  # fmt: skip
    sub.add_argument("--rescore-weight", type=float, default=0.5, help="factor on that model's score (default: 0.5)")
    sub.add_argument("--nbest", type=int, default=20, help="with --rescore: hypotheses on the list (default: 20)")
    sub.add_argument("--out", type=Path, help="write what its own search heard here, as JSON lines of id and text; a "
                     "killed run goes on from where it was")  # fmt: skip
    sub.add_argument("--cpu", action="store_true", help="leave a GPU alone")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    add_threads(sub)
    add_expectations(sub)

    sub = command(
        "score", score, "word and character errors of a JSON lines file; capitals and punctuation do not count"
    )
    sub.add_argument("reference", type=Path, help="what was said: JSON lines, or a manifest")
    sub.add_argument("hypothesis", type=Path, help="what was heard: JSON lines, as `asrlab decode --out` writes them")
    sub.add_argument("--by", help="also a table by this field of the reference: speaker, or a tag")
    sub.add_argument("--show", action="store_true", help="print every utterance with errors, aligned and coloured")

    sub = command("transcribe", transcribe, "write down what is said in sound files")
    sub.add_argument("files", nargs="+", type=Path, help="WAV, FLAC, MP3 or OGG, of any rate and length")
    sub.add_argument("--model", type=Path, help="directory or name of a recogniser (default: an4, packaged)")
    sub.add_argument(
        "--json", action="store_true", help="one JSON object a file, with word times, confidences and meanings"
    )
    sub.add_argument(
        "--min-confidence", type=float, default=0.0, metavar="P",
        help="below this mean confidence of the words (0 to 1) answer that it was not understood",
    )  # fmt: skip
    add_threads(sub)
    add_expectations(sub)

    sub = command(
        "grade", grade, "grade a notebook of exercises, a class, or the capstone's recogniser; status 3: not all points"
    )
    sub.add_argument("notebook", nargs="?", type=Path, help="the notebook to grade, or the folder of a recogniser")
    sub.add_argument("--class", dest="folder", type=Path, metavar="DIR", help="grade all notebooks of a folder instead")
    sub.add_argument("--set", help="which exercises (default: as the notebook says; with --class it must be said)")
    sub.add_argument("--seed", type=int, help="draws the inputs (default: fresh ones), or the split of the capstone")
    sub.add_argument("--bar", type=float, help="capstone: the word error rate to beat (default: 0.124)")
    sub.add_argument(
        "--board", type=Path, metavar="FILE", help="capstone: the leaderboard (default: leaderboard.jsonl)"
    )
    sub.add_argument("--name", default="", help="capstone: the name on the leaderboard (default: that of the folder)")
    sub.add_argument("--jobs", type=int, default=1, help="with --class: notebooks side by side (default: 1)")
    sub.add_argument("--out", type=Path, help="with --class: folder for tables and feedback (default: DIR-graded)")
    sub.add_argument("--sandbox", default="process", help="process (default) or bwrap, a name space around it")
    sub.add_argument("--seconds", type=float, default=10.0, help="that an exercise may take (default: 10)")
    for name, what in GRADE_FILES.items():
        sub.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"also write {what}")

    sub = command("release", release, "make notebooks of exercises for students, instructors or nbgrader")
    sub.add_argument("sets", nargs="*", metavar="SET", help="which exercises (default: all)")
    sub.add_argument("--for", dest="kind", default="students", help="students (default), instructors or nbgrader")
    sub.add_argument("--out", type=Path, default=Path("release"), help="folder to write to (default: release)")
    sub.add_argument("--seed", type=int, help="for nbgrader: inputs of your own, hidden from students")

    command("bench", bench, "measure features, training and decoding on this machine")
    return parser


def add_threads(parser: argparse.ArgumentParser, default: str = "OMP_NUM_THREADS, or one a core") -> None:
    """The option of every command that computes with torch."""
    parser.add_argument("--threads", type=int, metavar="N", help=f"to compute with (default: {default})")


def add_expectations(sub: argparse.ArgumentParser) -> None:
    """The options of commands that can be told what to expect."""
    sub.add_argument(
        "--words", type=Path, metavar="FILE",
        help="words to know beside the lexicon's, one a line, with their phones where they are known: WORD [PHONE ...]",
    )  # fmt: skip
    sub.add_argument(
        "--hotwords", type=Path, metavar="FILE",
        help="phrases to expect, one a line: PHRASE, OTHER SPELLING [PHONES] : WEIGHT; all but PHRASE may be left out",
    )  # fmt: skip
    sub.add_argument(
        "--hotword-weight", type=float, metavar="NATS", help="what a phrase earns that has no weight of its own (4)"
    )
    sub.add_argument("--grammar", type=Path, help="answer with sentences of this grammar alone (a JSGF file)")
    sub.add_argument(
        "--dictionary", type=Path, help="with --grammar: words and phones, where the recogniser lacks them"
    )


def expecting(recognizer: "Recognizer", options: argparse.Namespace) -> "Recognizer":
    """The recogniser with the words, the hotwords or the grammar that the command line names, or as it was."""
    if options.hotwords is not None and options.grammar is not None:
        raise AsrlabError("--hotwords and --grammar: a grammar already names all that can be said; give one of them")
    if options.hotword_weight is not None and options.hotwords is None:
        raise AsrlabError(f"--hotword-weight {options.hotword_weight:g} without phrases to weigh; add --hotwords FILE")
    if options.dictionary is not None and options.grammar is None:
        raise AsrlabError(f"--dictionary {options.dictionary} without --grammar: give both")
    if options.words is not None:
        recognizer = _with_words(recognizer, options.words)
    if options.hotwords is not None:
        return _with_hotwords(recognizer, options.hotwords, options.hotword_weight)
    if options.grammar is not None:
        return _with_grammar(recognizer, options.grammar, options.dictionary)
    return recognizer


def _with_words(recognizer: "Recognizer", path: Path) -> "Recognizer":
    from asrlab.corpora.beside import read_dictionary

    words = read_dictionary(path, silent=True)
    try:
        return recognizer.add_words(words)
    except AsrlabError as error:
        raise AsrlabError(f"{path}: {error}") from error


def _with_hotwords(recognizer: "Recognizer", path: Path, weight: float | None) -> "Recognizer":
    from asrlab.language import read_hotwords
    from asrlab.recognizer import HOTWORD_NATS

    hotwords = read_hotwords(path)
    try:
        return recognizer.with_hotwords(hotwords, HOTWORD_NATS if weight is None else weight)
    except AsrlabError as error:
        raise AsrlabError(f"{path}: {error}") from error


def _with_grammar(recognizer: "Recognizer", path: Path, dictionary: Path | None) -> "Recognizer":
    from asrlab.corpora.beside import read_dictionary
    from asrlab.language import Grammar

    if dictionary is None:
        return recognizer.with_grammar(Grammar.read(path))
    if not dictionary.is_file():
        raise AsrlabError(f"--dictionary {dictionary}: no such file; write lines of WORD PHONE PHONE ...")
    return recognizer.with_grammar(Grammar.read(path), dictionary=read_dictionary(dictionary))


def recipe_help() -> str:
    """The recipes and every field of one, for `asrlab train --help`."""
    from asrlab.core import config
    from asrlab.training import recipe

    lines = ["", f"recipes: {', '.join(recipe.names())}", "", "fields of a recipe, with their defaults:"]
    for name, default, comment in config.fields(recipe.Recipe):
        lines += textwrap.wrap(f"{name}={default}  {comment}", 110, initial_indent="  ", subsequent_indent="      ")
    return "\n".join(lines) + "\n"


def prepare(options: argparse.Namespace) -> None:
    from asrlab import corpora

    print(corpora.prepare(options.corpus, options.root))


def shard(options: argparse.Namespace) -> None:
    from asrlab import corpora
    from asrlab.core.machine import cores
    from asrlab.corpora import shards

    corpus = corpora.find(options.corpus)
    jobs = cores() if options.jobs is None else options.jobs
    written = shards.write_corpus(
        corpus, options.out, options.per_shard, jobs, options.seed, progress=not options.quiet
    )
    for split, count in written.items():
        print(f"{options.out / split}: {len(corpus[split])} utterances in {count} shards")


def train(options: argparse.Namespace) -> None:
    from asrlab.core import config
    from asrlab.scoring import receipt
    from asrlab.scoring.evaluate import evaluate
    from asrlab.training import recipe
    from asrlab.training.loop import train as run_training

    if "=" in options.recipe:  # `asrlab train epochs=3`: the recipe was left out
        options.changes.insert(0, options.recipe)
        options.recipe = "scenetalk"
    chosen = config.override(recipe.load(options.recipe), options.changes)
    directory = options.dir or Path("runs") / Path(options.recipe).stem
    state, began = receipt.code_state(), time.perf_counter()
    corpus = recipe.load_corpus(chosen)
    test = corpus[chosen.test_split]  # an error here is better before training than after
    if not test:
        raise AsrlabError(f"test_split={chosen.test_split!r}: no utterances of {corpus.name!r} there; choose another")
    written = options.receipt or directory / "receipt.json"
    if main_process():
        check_place(written)
    told = settle_threads(options.threads)
    if main_process():
        print(corpus.summary())
        print(told)
    recognizer = run_training(
        chosen, directory, corpus, not options.restart, not options.quiet, "cpu" if options.cpu else None
    )
    seconds = time.perf_counter() - began
    if main_process():
        million = recognizer.model.parameter_count() / 1e6
        print(f"{million:.2f} million parameters, {seconds:.0f} s, saved in {directory}")
    result = evaluate(recognizer, test, not options.quiet)
    if not main_process():
        return
    print(f"{len(result.references)} utterances of {chosen.test_split}, {len(set(result.speakers.values()))} speakers")
    print(result.report())
    path = receipt.write(
        written, Path(options.recipe).stem, options.typed,
        result.metrics(), result.hypotheses, chosen.seed, round(seconds, 1), commit=state,
        device=recognizer.device if recognizer.device.type == "cuda" else None, search=result.own,
        recipe=config.to_dict(chosen),
    )  # fmt: skip
    print(f"receipt: {path}")


def decode(options: argparse.Namespace) -> None:
    folder = recogniser_folder(options.model)
    from asrlab.core import config
    from asrlab.recognizer import Recognizer
    from asrlab.scoring.evaluate import evaluate
    from asrlab.scoring.journal import Journal
    from asrlab.training import recipe
    from asrlab.training.directory import RECIPE

    if options.threads is not None:
        settle_threads(options.threads)
    device = meet(options.cpu)
    recognizer = expecting(Recognizer.load(folder, device), options)
    if options.out and main_process():
        check_place(options.out)
    if options.corpus is not None:
        trained = recipe.Recipe(corpus=options.corpus)
    elif (folder / RECIPE).exists():
        trained = config.load_json(recipe.Recipe, folder / RECIPE)
    else:
        raise AsrlabError(f"{folder}: does not say which corpus it was trained on; give --corpus")
    further = {}
    if options.rescore:
        from asrlab.language.neural import NeuralLM

        scorers = {"neural": (options.rescore_weight, NeuralLM.load(options.rescore))}
        further["rescored"] = lambda heard: recognizer.rescored(heard, scorers, options.nbest)[0]
    utterances, journal = recipe.load_corpus(trained)[options.split], None
    if options.out:
        journal = Journal(
            options.out.with_name(f"{options.out.name}.part"), _what_is_decoded(options, folder, utterances)
        )
    result = evaluate(recognizer, utterances, not options.quiet, further, journal)
    if options.out and main_process():
        write_whole(options.out, json_lines([{"id": i, "text": text} for i, text in result.answers.items()]))
    if journal:
        journal.clear()
    if main_process():  # last: the reader of what is printed may have gone
        print(result.report())


def main_process() -> bool:
    """Whether this process speaks and writes for all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def meet(cpu: bool) -> str:
    """Meet the other processes of torchrun, if there are any; returns the device of this one."""
    import torch
    from accelerate import PartialState

    from asrlab.core.ranks import on_cpu

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return str(PartialState(cpu=on_cpu(cpu)).device)
    return "cuda" if torch.cuda.is_available() and not cpu else "cpu"


def _what_is_decoded(options: argparse.Namespace, folder: Path, utterances: Sequence["Utterance"]) -> str:
    """A key of what the answers depend on: the recogniser's files, the recordings, and what the command line says."""
    found = hashlib.sha256(read_whole(folder / CONFIG))  # it has the digest of every other file
    given = (options.rescore, options.rescore_weight, options.nbest, options.hotword_weight)
    found.update(repr((tuple(map(str, given)), [(u.id, u.seconds, u.sources) for u in utterances])).encode())
    for path in (options.words, options.hotwords, options.grammar, options.dictionary):
        found.update(read_whole(path) if path else b"")
    return found.hexdigest()[:16]


def score(options: argparse.Namespace) -> None:
    from asrlab.scoring import score as scoring
    from asrlab.text import normalise

    said, heard = read_texts(options.reference), read_texts(options.hypothesis)
    references, hypotheses = ({i: normalise(row["text"]) for i, row in rows.items()} for rows in (said, heard))
    for unit in ("word", "character"):
        print("WER" if unit == "word" else "CER", scoring.shown(scoring.measure(references, hypotheses, unit)))
    if options.by:
        groups = _groups(said, options.by, options.reference)
        print(scoring.format_table(scoring.by_tag(references, hypotheses, groups), options.by))
    if options.show:
        for i, text in references.items():
            if text != hypotheses[i]:
                print(f"{shown(i)}\n{scoring.to_text(scoring.align(text, hypotheses[i]))}")


def read_texts(path: Path) -> dict[str, dict]:
    """`{id: row}` of a JSON lines file. Raises AsrlabError naming file, line and what is wrong."""
    rows: dict[str, dict] = {}
    for number, row in read_json_lines(path):
        known = isinstance(row, dict) and isinstance(row.get("text"), str) and isinstance(row.get("id"), (str, int))
        if not known or str(row["id"]) in rows:
            expected = '{"id": ..., "text": "..."} with an id of its own'
            raise AsrlabError(f"{path}:{number}: expected {expected}, got {brief(row)}")
        rows[str(row["id"])] = row
    if not rows:
        raise AsrlabError(f'{path}: empty; expected lines of {{"id": ..., "text": ...}}')
    return rows


def _groups(rows: dict[str, dict], field: str, path: Path) -> dict[str, str]:
    """The value of a field, or of a tag, of every row. Raises AsrlabError if one has none, or none that groups."""
    groups = {}
    for name, row in rows.items():
        tags = row.get("tags")
        known = {**(tags if isinstance(tags, dict) else {}), **row}
        if not isinstance(known.get(field), (str, int, float)):
            there = ", ".join(
                key for key, value in known.items() if isinstance(value, str) and key not in ("id", "text")
            )
            has = "has none" if field not in known else f"has {brief(known[field])}, which is no text"
            raise AsrlabError(f"{path}: --by {field}: utterance {name!r} {has}; there are: {there or 'no groups'}")
        groups[name] = str(known[field])
    return groups


def transcribe(options: argparse.Namespace) -> None:
    from dataclasses import asdict

    if not 0 <= options.min_confidence <= 1:
        raise AsrlabError(f"--min-confidence {options.min_confidence:g}: give 0 to 1")
    folder = BUILT_IN if options.model is None else recogniser_folder(options.model)
    from asrlab.recognizer import Recognizer

    if options.threads is not None:
        settle_threads(options.threads)
    recognizer = expecting(Recognizer.load(folder), options)
    failed = 0
    for path in options.files:
        try:
            transcript = recognizer.transcribe(path)
        except (OSError, ValueError) as error:  # a name that no file can have, say: the others are heard all the same
            told = error if isinstance(error, AsrlabError) else f"{path}: cannot be read ({error})"
            print(f"asrlab transcribe: {_told(told)}", file=sys.stderr)
            failed += 1
            continue
        understood = transcript.confidence >= options.min_confidence
        if options.json:
            row = {"id": shown(path.stem), "file": shown(path), **asdict(transcript)}
            row |= {"confidence": transcript.confidence, "understood": understood}
            print(json.dumps(row, ensure_ascii=False))
        else:
            text = transcript.text if understood else f"(not understood: confidence {transcript.confidence:.2f})"
            print(f"{shown(path)}\t{text}" if len(options.files) > 1 else text)
    if failed:
        raise AsrlabError(f"{failed} of {len(options.files)} files could not be transcribed")


def grade(options: argparse.Namespace) -> int:
    from asrlab.grading import report
    from asrlab.grading.grade import grade as grade_one
    from asrlab.grading.sandbox import Limits, launcher

    if (options.notebook is None) == (options.folder is None):
        raise AsrlabError("give one notebook, or --class DIR with a folder of them")
    if options.notebook and options.notebook.is_dir():
        return grade_recogniser(options)
    how: dict[str, Any] = {"limits": Limits(call_seconds=options.seconds), "wrapper": launcher(options.sandbox)}
    if options.folder:
        return grade_folder(options, how)
    graded = grade_one(options.notebook, options.set, options.seed, **how)
    print(report.text(graded))
    for name, path in ((name, getattr(options, name)) for name in GRADE_FILES):
        if path:
            made = getattr(report, REPORTS[name])(graded)
            write_text(path, made if isinstance(made, str) else json.dumps(made, indent=1) + "\n")
    return 0 if graded.passed else 3


def grade_recogniser(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from asrlab.grading import capstone

    bar = capstone.BAR if options.bar is None else options.bar
    result = capstone.measure(options.notebook, options.seed, bar, name=options.name)
    print(capstone.text(result))
    print(capstone.board(capstone.enter(result, options.board or Path("leaderboard.jsonl"))))
    if options.json:
        write_text(options.json, json.dumps({**asdict(result), "passed": result.passed}, indent=1) + "\n")
    return 0 if result.passed else 3


def grade_folder(options: argparse.Namespace, how: dict[str, Any]) -> int:
    from asrlab.grading import classroom

    if options.set is None:
        raise AsrlabError("--class needs --set NAME: a class is graded on one set of exercises")
    started = time.monotonic()
    results = classroom.grade_class(
        options.folder, options.set, options.jobs, options.seed, **how,
        after_each=lambda one: print(f"{one.points:>4}  {one.submission.path.name}", flush=True),
    )  # fmt: skip
    out = options.out or options.folder.with_name(f"{options.folder.name}-graded")
    classroom.write(results, options.set, out)
    print(classroom.summary(results, options.set))
    print(f"{time.monotonic() - started:.0f} s; tables and feedback: {out}")
    return 0


def release(options: argparse.Namespace) -> None:
    from asrlab.grading import release as releases
    from asrlab.grading.exercise import sets

    for name in options.sets or sets():
        for path in releases.release(name, options.kind, options.out, options.seed):
            print(path)


def write_text(path: Path, text: str) -> None:
    """Raises AsrlabError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise AsrlabError(f"{path}: cannot be written ({error.strerror}); choose another place") from error


def bench(options: argparse.Namespace) -> None:
    from asrlab.bench import measure_machine

    measure_machine()
