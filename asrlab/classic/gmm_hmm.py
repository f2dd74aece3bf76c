"""The classical recogniser: a left-to-right hidden Markov model for each word, Gaussian mixtures for what is heard.

Nothing but recordings and their words is needed for training: every utterance's words become one long chain of states,
and Baum-Welch shares out the frames (embedded training). To recognise, the same states are joined into a loop through
all words, and Viterbi finds the best way round. (Rabiner, Proc. IEEE 1989; Young et al., The HTK Book.)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from asrlab.classic.mixtures import Mixtures, Statistics, fit, log_sum
from asrlab.classic.network import JOINT, Builder, Network
from asrlab.core import config
from asrlab.core.config import Count, CountOrNone, Options, Range
from asrlab.core.errors import AsrlabError
from asrlab.corpora import Utterance
from asrlab.decode import Word
from asrlab.signals.features import FrontEnd, FrontEndOptions
from asrlab.training.checkpoint import write_whole

PARTS = ("weights", "means", "variances")  # of the mixtures
CONFIG, WEIGHTS = "gmm_hmm.json", "gmm_hmm.safetensors"
FORMAT = 1  # of the files
LEAVE = (0.02, 0.98)  # limits of the probability to leave a state: any duration stays possible
OPTIONAL = np.log(0.5)  # silence is there or is not
BATCH = 32  # recordings that go through the front end together


@dataclass(frozen=True)
class GmmHmmOptions(Options):
    """What is trained, and how."""

    states: Count = 6  # of each unit (a word; with a lexicon a phone, where 3 is usual): its least duration in frames
    mixtures: Count = 4  # Gaussians a state
    iterations: Count = 5  # of Baum-Welch with one Gaussian a state, and as many again with all of them
    silence_states: CountOrNone = 3  # of the silence that may surround words; 0: recordings are cut to the word
    word_bonus: float = 0.0  # nats for each word of a connected hypothesis; below 0 it is a penalty on insertions
    variance_floor: Annotated[float, Range(0, 1, True, True)] = 0.05  # least variance, in shares of the feature's own
    front_end: FrontEndOptions = field(  # sample_rate: what recordings are brought to
        default_factory=lambda: FrontEndOptions("mfcc", n_mels=26, deltas=True)
    )
    seed: int = 0  # where the Gaussians of a state start


@dataclass(frozen=True)
class Decoded:
    """The best path through the loop of words."""

    text: str
    words: tuple[Word, ...]  # with times in seconds; confidence: share of all paths that are in this word, its mean
    units: tuple[Word, ...]  # what the words were spelt with, with times
    states: np.ndarray  # (T,) density of each frame: silence's first, then those of the units in alphabetical order
    score: float  # log-density of path and frames, nats, word bonus included


class GmmHmm:
    """Gaussian-mixture hidden Markov models of words, or of the units that a lexicon spells them with.

    lexicon          word -> its units; without one each word is a unit of its own
    log_likelihoods  of the training data before each iteration, nats per frame: never falling
    """

    def __init__(
        self,
        lexicon: Mapping[str, Sequence[str]],
        mixtures: Mixtures,
        leave: np.ndarray,
        options: GmmHmmOptions = GmmHmmOptions(),
        log_likelihoods: Sequence[float] = (),
    ):
        self.lexicon = {word: tuple(lexicon[word]) for word in sorted(lexicon)}
        self.mixtures = mixtures
        self.leave = leave  # (K,) probability to leave each state after a frame
        self.options = options
        self.log_likelihoods = tuple(log_likelihoods)
        self.units = tuple(sorted({unit for spelling in self.lexicon.values() for unit in spelling}))
        self.front_end = FrontEnd(options.front_end).eval()
        self._place = {unit: i for i, unit in enumerate(self.units)}
        if len(mixtures.means) != states_in_all(self.units, options):
            raise AsrlabError(
                f"{len(mixtures.means)} densities for {len(self.units)} units: expected "
                f"{states_in_all(self.units, options)} with states={options.states}"
            )

    # --- training ---

    @classmethod
    def train(
        cls,
        utterances: Sequence[Utterance],
        options: GmmHmmOptions = GmmHmmOptions(),
        lexicon: Mapping[str, Sequence[str]] | None = None,
    ) -> GmmHmm:
        """Learn from recordings and their words, isolated or connected, without knowing when each is said.

        With a lexicon (word -> phones) words share their phones' models, and words never heard can be recognised.
        Raises AsrlabError if an utterance has fewer frames than its words have states, or a word is not in the lexicon.
        """
        found = features([u.load(options.front_end.sample_rate) for u in utterances], options.front_end)
        return cls.fit(found, [u.text for u in utterances], options, lexicon, [u.id for u in utterances])

    @classmethod
    def fit(
        cls,
        frames: Sequence[np.ndarray],
        texts: Sequence[str],
        options: GmmHmmOptions = GmmHmmOptions(),
        lexicon: Mapping[str, Sequence[str]] | None = None,
        names: Sequence[str] | None = None,
    ) -> GmmHmm:
        """`train` on features (T, F), however they were made, and one text for each."""
        if not len(frames) or len(frames) != len(texts):
            raise AsrlabError(f"{len(frames)} recordings and {len(texts)} texts: give one text for each, at least one")
        frames = [np.ascontiguousarray(x, dtype=np.float64) for x in frames]
        lexicon = lexicon or {word: (word,) for text in texts for word in text.split()}
        everything = np.concatenate(frames)
        floor = options.variance_floor * everything.var(axis=0) + 1e-10
        units = {unit for spelling in lexicon.values() for unit in spelling}
        K = states_in_all(units, options)
        single = Mixtures.single(np.tile(everything.mean(axis=0), (K, 1)), np.tile(everything.var(axis=0), (K, 1)))
        model = cls(lexicon, single, np.full(K, 0.5), options)
        different = {text: model.chain(text) for text in set(texts)}
        networks = [different[text] for text in texts]
        for i, (network, x) in enumerate(zip(networks, frames, strict=True)):
            if network.shortest() > len(x):
                raise AsrlabError(
                    f"{names[i] if names else f'recording {i}'}: {len(x)} frames, but the states of {texts[i]!r} take "
                    f"{network.shortest()}; lower states={options.states} or leave it out"
                )
        model._flat_start(networks, frames, floor)
        log_likelihoods = model._baum_welch(networks, frames, floor)
        if options.mixtures > 1:
            model._grow(networks, frames, floor)
            log_likelihoods += model._baum_welch(networks, frames, floor)
        return cls(lexicon, model.mixtures, model.leave, options, log_likelihoods)

    def _flat_start(self, networks: Sequence[Network], frames: Sequence[np.ndarray], floor: np.ndarray) -> None:
        """Each utterance's frames shared out evenly among its states, in order.

        Silence gets its share at the two ends alone: whether there is any between words is not known yet, and what it
        is given here it would keep, the hiss of an "s" for instance.
        """
        statistics, Z = Statistics.zero(self.mixtures), self.options.silence_states
        for network, x in zip(networks, frames, strict=True):
            states = network.density[network.density != JOINT]
            place = np.arange(len(states))
            states = states[(states >= Z) | (place < Z) | (place >= len(states) - Z)]
            path = states[np.arange(len(x)) * len(states) // len(x)]
            used = np.unique(path)
            statistics.add(x, used, np.equal.outer(path, used)[..., None].astype(float))
        self.mixtures = statistics.mixtures(self.mixtures, floor)

    def _baum_welch(self, networks: Sequence[Network], frames: Sequence[np.ndarray], floor: np.ndarray) -> list[float]:
        """Re-estimate all that is learned; returns the log-likelihood per frame before each iteration."""
        history = []
        for _ in range(self.options.iterations):
            statistics, K, total = Statistics.zero(self.mixtures), len(self.leave), 0.0
            occupied, stayed = np.zeros(K), np.zeros(K)
            for network, x in zip(networks, frames, strict=True):
                emits = network.density >= 0
                density = network.density[emits]
                used, column = np.unique(density, return_inverse=True)
                components = self.mixtures.log_components(x, used)
                log_b = np.empty((len(x), K))
                log_b[:, used] = inside = log_sum(components)
                log_p, gamma, stays = network.leaving_with(self.leave).occupancy(log_b)
                total += log_p
                shares = gamma[:, emits] @ np.eye(len(used))[column]  # a word said twice has its states twice
                occupied[used] += shares.sum(axis=0)
                np.add.at(stayed, density, stays[emits])
                statistics.add(x, used, np.exp(components - inside[..., None]) * shares[..., None])
            history.append(total / sum(map(len, frames)))
            self.mixtures = statistics.mixtures(self.mixtures, floor)
            leave = 1 - stayed / np.maximum(occupied, 1e-10)
            self.leave = np.where(occupied > 0, np.clip(leave, *LEAVE), self.leave)
        return history

    def _grow(self, networks: Sequence[Network], frames: Sequence[np.ndarray], floor: np.ndarray) -> None:
        """Several Gaussians for each state, placed among the frames that the best paths give it."""
        random, M, K = np.random.default_rng(self.options.seed), self.options.mixtures, len(self.leave)
        pool: list[list[np.ndarray]] = [[] for _ in range(K)]
        for network, x in zip(networks, frames, strict=True):
            network = network.leaving_with(self.leave)
            path = network.density[network.best_path(self.mixtures.log_density(x))[1]]
            for k in np.unique(path):
                pool[k].append(x[path == k])
        grown = []
        for k in range(K):
            before = self.mixtures.at(k)
            x = np.concatenate(pool[k]) if pool[k] else np.empty((0, before.means.shape[-1]))
            new = fit(x, M, floor, random) if len(x) >= M else before.repeated(M)
            worse = len(x) and new.log_density(x).sum() < before.log_density(x).sum()
            grown.append(before.repeated(M) if worse else new)
        self.mixtures = Mixtures(*(np.concatenate([getattr(m, n) for m in grown]) for n in PARTS))

    # --- recognition ---

    def features(self, samples: np.ndarray) -> np.ndarray:
        """Waveform (N,) in [-1, 1] at the front end's sample rate -> frames (T, F)."""
        return features([samples], self.options.front_end)[0]

    def scores(self, heard: Utterance | np.ndarray) -> dict[str, float]:
        """log-density of a recording, or of its features (T, F), under each word, summed over all paths; nats.

        -inf for a word that has more states than there are frames.
        """
        log_b = self.mixtures.log_density(self._frames(heard))
        return {word: network.log_likelihood(log_b) for word, network in self._single_words.items()}

    def classify(self, heard: Utterance | np.ndarray) -> str:
        """The likeliest single word. Raises AsrlabError if the recording is too short for every word."""
        scores = self.scores(heard)
        best = max(scores, key=lambda word: scores[word])
        if not np.isfinite(scores[best]):
            raise AsrlabError("the recording has fewer frames than any word has states; pad it with silence")
        return best

    def recognise(self, heard: Utterance | np.ndarray) -> str:
        """The words on the best path through the loop of all words."""
        return self._best(self._frames(heard))[0]

    def decode(self, heard: Utterance | np.ndarray) -> Decoded:
        """`recognise` with all that is known: times and confidences of the words, state of each frame, score."""
        x = self._frames(heard)
        text, path, begins, score = self._best(x)
        gamma = self.loop.occupancy(self.mixtures.log_density(x))[1]
        density, owner = self.loop.density[path], self._owner[path]
        speech, S, first = owner >= 0, self.options.states, self.options.silence_states
        inside = gamma @ np.equal.outer(self._owner, np.arange(len(self.lexicon)))  # (T, words): share of the paths
        entered = begins | (np.diff(path, prepend=-1) != 0)
        starts = speech & entered & ((density - first) % S == 0)

        def spans(marks: np.ndarray, names: Sequence[str]) -> tuple[Word, ...]:
            hop, found = self.front_end.hop_seconds, np.flatnonzero(marks)
            stretches = zip(found, [*found[1:], len(x)], strict=True)
            ends = [t + int(np.argmin(np.append(speech[t:n], False))) for t, n in stretches]  # silence may follow
            shares = [min(float(inside[t:n, owner[t]].mean()), 1.0) for t, n in zip(found, ends, strict=True)]
            times = zip(names, found, ends, shares, strict=True)
            return tuple(Word(name, round(t * hop, 4), round(n * hop, 4), share) for name, t, n, share in times)

        units = [self.units[(k - first) // S] for k in density[starts]]
        return Decoded(text, spans(begins, text.split()), spans(starts, units), density, score)

    def _best(self, x: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, float]:
        score, path, begins = self.loop.best_path(self.mixtures.log_density(x))
        vocabulary = list(self.lexicon)
        return " ".join(vocabulary[self.loop.word[j]] for j in path[begins]), path, begins, score

    def _frames(self, heard: Utterance | np.ndarray) -> np.ndarray:
        if not isinstance(heard, np.ndarray):
            return self.features(heard.load(self.options.front_end.sample_rate))
        if heard.ndim != 2 or heard.shape[1] != self.mixtures.means.shape[-1]:
            raise AsrlabError(
                f"features {heard.shape}: expected (T, {self.mixtures.means.shape[-1]}); for a waveform call features()"
            )
        return heard.astype(np.float64)

    # --- networks ---

    def chain(self, text: str) -> Network:
        """The network of this text alone: its words in order, with or without silence between and around them."""
        builder = Builder()
        joint = self._silence(builder, 0)
        for word in text.split():
            joint = builder.chain(joint, self._densities(word), word=self._number[word])
            joint = self._silence(builder, joint)
        builder.connect(joint, builder.joint())
        return builder.build(self.leave)

    @cached_property
    def loop(self) -> Network:
        """The network of all that can be said: one word or more, in any order."""
        builder = Builder()
        before, after = self._silence(builder, 0), builder.joint()
        between, middle = self._silence(builder, after), builder.joint()
        builder.connect(before, middle)
        builder.connect(between, middle)
        score = self.options.word_bonus - np.log(len(self.lexicon))
        for word, number in self._number.items():
            builder.chain(middle, self._densities(word), end=after, word=number, extra=score)
        builder.connect(between, builder.joint())
        return builder.build(self.leave)

    @cached_property
    def _single_words(self) -> dict[str, Network]:
        return {word: self.chain(word) for word in self.lexicon}

    @cached_property
    def _number(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.lexicon)}

    @cached_property
    def _owner(self) -> np.ndarray:
        """(J,) the word that each state of the loop belongs to; the words' states follow one another, silence first."""
        begun = np.maximum.accumulate(np.where(self.loop.word >= 0, np.arange(len(self.loop.word)), -1))
        return np.where(begun >= 0, self.loop.word[begun], -1)

    def _silence(self, builder: Builder, joint: int) -> int:
        """Silence that may follow a joint; returns the joint after it."""
        if not self.options.silence_states:
            return joint
        end = builder.chain(joint, range(self.options.silence_states), extra=OPTIONAL)
        builder.connect(joint, end, OPTIONAL)
        return end

    def _densities(self, word: str) -> list[int]:
        """The densities of a word's states, in order."""
        if word not in self.lexicon:
            raise AsrlabError(f"word {word!r}: not in the lexicon of {len(self.lexicon)} words; add how it is spelt")
        first, S = self.options.silence_states, self.options.states
        return [first + S * self._place[unit] + s for unit in self.lexicon[word] for s in range(S)]

    # --- files ---

    def save(self, directory: Path | str) -> None:
        """Write gmm_hmm.json and gmm_hmm.safetensors."""
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        head = {
            "format": FORMAT,
            "options": config.to_dict(self.options),
            "lexicon": self.lexicon,
            "log_likelihoods": self.log_likelihoods,
        }
        arrays = {"leave": self.leave, **{name: getattr(self.mixtures, name) for name in PARTS}}
        write_whole(directory / WEIGHTS, lambda part: part.write_bytes(save(arrays)))
        write_whole(directory / CONFIG, lambda part: part.write_text(json.dumps(head, indent=1) + "\n"))

    @classmethod
    def load(cls, directory: Path | str) -> GmmHmm:
        """What `save` wrote. Raises AsrlabError naming the file if it is missing or something else."""
        directory = Path(directory)
        try:
            head = json.loads((directory / CONFIG).read_text(encoding="utf-8"))
            arrays = load_file(directory / WEIGHTS)
            if head["format"] != FORMAT:
                raise ValueError(f"format {head['format']}, expected {FORMAT}")
            options = config.from_dict(GmmHmmOptions, head["options"])
            mixtures = Mixtures(*(arrays[name] for name in PARTS))
            return cls(head["lexicon"], mixtures, arrays["leave"], options, head["log_likelihoods"])
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise AsrlabError(f"{directory}: holds no GMM-HMM ({error}); train one and save it there") from error


def states_in_all(units: Collection[str], options: GmmHmmOptions) -> int:
    """Densities of a model with these units, those of silence included."""
    return options.silence_states + options.states * len(units)


def features(waveforms: Sequence[np.ndarray], options: FrontEndOptions) -> list[np.ndarray]:
    """Waveforms (N,) in [-1, 1] at options.sample_rate -> frames (T, F) of each, float64."""
    front_end, found = FrontEnd(options).eval(), []
    for i in range(0, len(waveforms), BATCH):
        batch = [torch.as_tensor(np.asarray(w, dtype=np.float32)) for w in waveforms[i : i + BATCH]]
        lengths = torch.tensor([len(w) for w in batch])
        with torch.inference_mode():
            out, frames = front_end(torch.nn.utils.rnn.pad_sequence(batch, batch_first=True), lengths)
        found += [x[:n].double().numpy() for x, n in zip(out, frames.tolist(), strict=True)]
    return found
