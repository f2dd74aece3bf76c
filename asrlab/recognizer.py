"""The recogniser as one thing: front ends, model, tokenizer, search. Load it, give it a file, read the text."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from asrlab.core import config, sealed
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.core.streams import stack
from asrlab.core.weights import checked
from asrlab.corpora import Utterance
from asrlab.decode import BeamDecoder, BeamOptions, Hypothesis, Word, greedy
from asrlab.decode.attention import AttentionBeam, AttentionOptions
from asrlab.decode.grammatical import GrammarDecoder
from asrlab.decode.rescore import Scorer, rescore
from asrlab.language import Grammar, Hotword, Language, NGram, context_graph, phrase_weights, way_in
from asrlab.language.sounds import pronounced
from asrlab.models import Model, ModelOptions
from asrlab.packaged import BUILT_IN, CONFIG
from asrlab.signals import audio
from asrlab.signals import inputs as front_ends
from asrlab.signals.features import FrontEndOptions
from asrlab.signals.inputs import InputOptions
from asrlab.signals.segment import SegmentOptions, segment_speech
from asrlab.text import PhoneTokenizer, Tokenizer, lexicon_tokens, tokenizer_from_dict

WEIGHTS, LANGUAGE = "model.safetensors", "lm.arpa"
FORMAT = 3  # of the files in a recogniser's directory
FIELDS = ("inputs", "model", "tokenizer", "beam", "attention", "search", "lexicon", "language_model")
SEARCHES = ("greedy", "beam", "lexicon", "lm", "lexicon_lm", "attention", "joint")  # from the simplest on
BATCH_SECONDS = 60.0  # padded sound that goes through the model at once
NO_CTC = "this model has an attention head alone (model.ctc=false): decode it with attend()"
NOT_STEADY = SegmentOptions(margin_db=2.0)  # speech 5 dB below white noise still is; white noise alone never is
TOO_SHORT_TO_TELL = 1.0  # seconds; here steady noise and speech look alike
GRAMMAR = "grammar"  # the search for sentences of a grammar alone
HOTWORDS, HOTWORD_NATS = "hotwords", 4.0  # the search that expects phrases, and what each earns if nothing else is said
SILENCE = 1e-4  # a recording that never exceeds this amplitude (-80 dB) holds no speech


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording."""

    text: str
    words: tuple[Word, ...]  # with times in seconds from the beginning of the recording
    segments: tuple[tuple[float, float], ...]  # the stretches of speech that were found, in seconds
    meanings: tuple[Mapping[str, str] | None, ...] = ()  # with a grammar, of each: slot -> value, or None

    @property
    def confidence(self) -> float:
        """Mean confidence of the words, 0 to 1; 0 where there are none. Low for noise and for speech of another kind
        than the recogniser has learned, where the words are guesses.
        """
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0


@dataclass(frozen=True)
class Heard:
    """What the model makes of one recording, before any text."""

    frames: torch.Tensor  # (T, D) encoded speech, for an attention head
    log_probs: np.ndarray | None  # (T, V) in nats, of the CTC head; None if the model has none

    @property
    def ctc(self) -> np.ndarray:
        """The `log_probs`, which are there. Raises AsrlabError if the model has no CTC head."""
        if self.log_probs is None:
            raise AsrlabError(NO_CTC)
        return self.log_probs


Way = Callable[[Heard], Hypothesis]
Input = np.ndarray | Mapping[str, np.ndarray]  # samples (N,) alone, or what there is of each modality


class Recognizer:
    """A trained model with all that it takes to use it.

    inputs     what it reads, and how that becomes features
    beam       options of the beam search over CTC; attention: of the one over the attention head
    lm         word language model for beam search, or None
    lexicon    the words that beam search may answer with, or None for any sequence of tokens (of phones: any word that
               the tokenizer knows)
    search     the name of the search that answers, one of `searches`; by default the last of them

    Raises AsrlabError for a search that this recogniser does not have.
    """

    def __init__(
        self,
        inputs: InputOptions,
        model: Model,
        tokenizer: Tokenizer,
        beam: BeamOptions | None = None,
        lm: NGram | None = None,
        lexicon: Sequence[str] | None = None,
        attention: AttentionOptions | None = None,
        search: str = "",
    ):
        self.inputs = inputs
        self.front_ends = front_ends.make(inputs).eval()  # dither is for training
        self.model = model
        self.tokenizer = tokenizer
        self.beam = beam or BeamOptions()
        self.attention = attention or AttentionOptions()
        self.lm = lm
        # Phones make words by way of a lexicon alone.
        words: Iterable[str] | None = tokenizer.lexicon if lexicon is None else lexicon
        self.lexicon = tuple(words) if words is not None else None
        self._expecting: BeamDecoder | None = None  # with the hotwords of `with_hotwords`
        self.grammar: GrammarDecoder | None = None  # what listens for the sentences of `with_grammar`
        ways = list(self.searches())
        self.search = search or ways[-1]
        if self.search not in ways:
            raise AsrlabError(f"search={search!r}: this recogniser has {', '.join(ways)}")

    @property
    def sample_rate(self) -> int:
        """Hz that the model listens at. Raises AsrlabError for one that reads no sound."""
        return self._sound.sample_rate

    @property
    def _sound(self) -> FrontEndOptions:
        if self.inputs.sound is None:
            raise AsrlabError(f"this recogniser reads {', '.join(self.inputs.names)} and no sound; give it those")
        return self.inputs.sound

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame of the model's output to the next."""
        return self.model.frame_seconds

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @cached_property
    def decoder(self) -> BeamDecoder:
        """Beam search with this recogniser's language model and lexicon."""
        return self._beam_decoder(self.beam, self.lm, self.lexicon)

    @cached_property
    def _ctc_alone(self) -> BeamDecoder:
        # The bonus makes up for what each word costs a language model.
        return self._beam_decoder(replace(self.beam, word_bonus=0.0), None, None)

    @cached_property
    def _ctc_and_words(self) -> BeamDecoder:
        return self._beam_decoder(replace(self.beam, word_bonus=0.0), None, self.lexicon)

    def _beam_decoder(
        self,
        beam: BeamOptions,
        lm: NGram | None,
        lexicon: Sequence[str] | None,
        hotwords: Sequence[Hotword] = (),
        weight: float = 0.0,
    ) -> BeamDecoder:
        language: dict[str, tuple[float, Language]] = {"lm": (beam.lm_weight, lm)} if lm is not None else {}
        spellings = lexicon_tokens(self.tokenizer, lexicon) if lexicon is not None else None
        if hotwords:
            language[HOTWORDS] = (1.0, context_graph(phrase_weights(hotwords, weight)))
            added = way_in(hotwords, self.tokenizer, lexicon)
            spellings = {**spellings, **added} if spellings is not None else None
        return BeamDecoder(self.tokenizer, beam, language, spellings, self.frame_seconds)

    def with_hotwords(self, hotwords: Sequence[Hotword], weight: float = HOTWORD_NATS) -> "Recognizer":
        """The same recogniser, whose own search is now the one named "hotwords", which expects these phrases.

        It is the beam search over CTC with all the text that there is, the language model, the lexicon and the phrases;
        words of theirs that the lexicon lacks are added to it (`asrlab.language.way_in`).  The other searches stay.

        hotwords  the phrases, as `asrlab.language.read_hotwords` reads them; none is a list too
        weight    nats for an occurrence of a phrase without a weight of its own

        Raises AsrlabError without a CTC head, for a phrase that is there twice or has a letter or a word that this
        recogniser cannot answer with, and for a weight that is no finite number.
        """
        if self.model.ctc is None:
            raise AsrlabError(NO_CTC)
        if not math.isfinite(weight):
            raise AsrlabError(f"hotword weight {weight}; pass a finite number of nats, such as {HOTWORD_NATS:g}")
        beam = self.beam if self.lm is not None else replace(self.beam, word_bonus=0.0)
        found = copy.copy(self)
        found._expecting = self._beam_decoder(beam, self.lm, self.lexicon, hotwords, weight)
        found.search = HOTWORDS
        return found

    def add_words(self, words: Mapping[str, Sequence[Sequence[str]]]) -> "Recognizer":
        """The same recogniser, whose lexicon has these words too.

        words  word -> its pronunciations, each a list of phones; without any, it is said as the lexicon's words are
               (`asrlab.language.sounds`). A recogniser of letters or pieces spells a word, and needs none.

        The language model has never seen them: it takes them for unknown words. Raises AsrlabError if it answers with
        any word already, for a phone that it does not have, and for a word that its tokens cannot spell.
        """
        if self.lexicon is None:
            raise AsrlabError("this recogniser has no lexicon: it answers with any word already")
        tokenizer = self.tokenizer
        if isinstance(tokenizer, PhoneTokenizer):
            tokenizer = PhoneTokenizer(pronounced(tokenizer.lexicon, words))
        lexicon = tuple(dict.fromkeys((*self.lexicon, *words)))
        lexicon_tokens(tokenizer, lexicon)  # now, and not at the first decoding, for one that cannot be spelled
        return Recognizer(self.inputs, self.model, tokenizer, self.beam, self.lm, lexicon, self.attention, self.search)

    def with_decoder(
        self, beam: BeamOptions | None = None, lm: NGram | None = None, lexicon: Sequence[str] | None = None
    ) -> "Recognizer":
        """The same model behind another beam search."""
        return Recognizer(self.inputs, self.model, self.tokenizer, beam or self.beam, lm, lexicon, self.attention)

    def with_grammar(
        self,
        grammar: Grammar,
        weight: float = 1.0,
        dictionary: Mapping[str, Sequence[Sequence[str]]] | None = None,
    ) -> "Recognizer":
        """The same recogniser, which now answers with sentences of a grammar alone.

        `weight` is the factor on the grammar's nats, `dictionary` has the pronunciations of words that the recogniser's
        own lexicon lacks. The grammar is not saved. Raises AsrlabError as `GrammarDecoder`.
        """
        if self.model.ctc is None:
            raise AsrlabError(NO_CTC.replace("attend()", "attend(), without a grammar"))
        found = copy.copy(self)
        found.grammar = GrammarDecoder(self.tokenizer, grammar, self.beam, weight, dictionary, self.frame_seconds)
        found.search = GRAMMAR
        return found

    def read(self, utterance: Utterance) -> dict[str, np.ndarray]:
        """What an utterance holds of the modalities that the model reads. Raises AsrlabError as `Utterance.load`."""
        rates = {name: rate for name, rate in self.front_ends.rates.items() if name in utterance.sources}
        return {name: utterance.load(rate, name) for name, rate in rates.items()}

    @torch.inference_mode()
    def hear(self, recordings: Sequence[Input]) -> list[Heard]:
        """Run the model on recordings, batched by length.

        recordings  of each: samples `(N,)` at `sample_rate`, or `{modality: values}` at `front_ends.rates`; a modality
                    that is not there is absent

        Raises AsrlabError if sound is shorter than one analysis window, for a modality that the model does not read,
        and for a recording with none.
        """
        self.model.eval()
        given = [{"sound": r} if isinstance(r, np.ndarray) else r for r in recordings]
        rates, found = self.front_ends.rates, {}
        for i, values in enumerate(given):
            self._check_recording(i, values, rates)
        seconds = [max(len(x) / rates[name] for name, x in values.items()) for values in given]
        for indices in batches(seconds):
            inputs = {name: stack([_tensor(given[i].get(name)) for i in indices]).to(self.device) for name in rates}
            output = self.model(self.front_ends(inputs))
            for row, (i, length) in enumerate(zip(indices, output.lengths.tolist(), strict=True)):
                log_probs = None if output.log_probs is None else output.log_probs[row, :length].cpu().numpy()
                found[i] = Heard(output.frames[row, :length], log_probs)
        return [found[i] for i in range(len(given))]

    def _check_recording(self, i: int, values: Mapping[str, np.ndarray], rates: Mapping[str, float]) -> None:
        strange = [name for name in values if name not in rates]
        if strange or not any(len(x) for x in values.values()):
            what = strange[0] if strange else "nothing"
            raise AsrlabError(f"recording {i} with {what}: this recogniser reads {', '.join(rates)}; give it those")
        samples = len(values.get("sound", ()))
        if samples and samples < self._sound.window:
            raise AsrlabError(
                f"recording {i}: {samples} samples at {self.sample_rate} Hz, shorter than one analysis window "
                f"({self._sound.window}); pad it with zeros or leave it out"
            )

    def log_probs(self, recordings: Sequence[Input]) -> list[np.ndarray]:
        """Log-probabilities `(T, V)` in nats of the CTC head for each recording, given as to `hear`.

        Raises AsrlabError as `hear`, and if the model has no CTC head.
        """
        if self.model.ctc is None:
            raise AsrlabError(NO_CTC)
        return [heard.ctc for heard in self.hear(recordings)]

    def greedy(self, log_probs: np.ndarray) -> Hypothesis:
        """The best path alone: no search, no language model."""
        return greedy(log_probs, self.tokenizer, self.frame_seconds)

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """Beam search with this recogniser's language model and lexicon; the best first."""
        return self.decoder.decode(log_probs)

    def rescored(self, heard: Heard, scorers: Mapping[str, tuple[float, Scorer]], nbest: int = 20) -> list[Hypothesis]:
        """The `nbest` hypotheses of beam search, to whose scores further weighted ones are added; the best first.

        scorers  name -> (weight, scorer), such as a `NeuralLM`

        Raises AsrlabError if the model has no CTC head, or as `asrlab.decode.rescore.rescore`.
        """
        wide = self._beam_decoder(replace(self.beam, nbest=nbest), self.lm, self.lexicon)
        return rescore(wide.decode(heard.ctc), scorers)

    def attend(self, heard: Heard, options: AttentionOptions | None = None, joint: bool = True) -> list[Hypothesis]:
        """Beam search over the attention head, with `joint` together with CTC where the model has it; the best first.

        Raises AsrlabError if the model has no attention head.
        """
        if self.model.decoder is None:
            raise AsrlabError("this model has a CTC head alone (model.decoder=null): decode it with decode()")
        beam = AttentionBeam(self.model.decoder, self.tokenizer, options or self.attention, self.frame_seconds)
        return beam.decode(heard.frames, heard.log_probs if joint else None)

    def searches(self) -> dict[str, Way]:
        """The ways in which this recogniser can be decoded, from the simplest to all that it has.

        `greedy` is CTC's best path, `beam` a search over CTC alone, `lexicon` over the words of the lexicon, `lm` and
        `lexicon_lm` with the language model, `hotwords` with all that and the phrases of `with_hotwords`. Where only a
        lexicon makes words of tokens the simplest is `lexicon`. `attention` is the attention head alone, `joint` both
        heads together, `grammar` a search for the sentences of `with_grammar`.
        """
        found: dict[str, Way] = {}
        if self.model.ctc is not None:
            if self.tokenizer.lexicon is None:
                found["greedy"] = lambda heard: self.greedy(heard.ctc)
                found["beam"] = lambda heard: self._ctc_alone.decode(heard.ctc)[0]
            if self.lexicon is not None:
                found["lexicon"] = lambda heard: self._ctc_and_words.decode(heard.ctc)[0]
            if self.lm is not None:
                name = "lexicon_lm" if self.lexicon is not None else "lm"
                found[name] = lambda heard: self.decode(heard.ctc)[0]
            if (expecting := self._expecting) is not None:
                found[HOTWORDS] = lambda heard: expecting.decode(heard.ctc)[0]
        if self.model.decoder is not None:
            found["attention"] = lambda heard: self.attend(heard, joint=False)[0]
            if self.model.ctc is not None:
                found["joint"] = lambda heard: self.attend(heard)[0]
        if (grammar := self.grammar) is not None:
            found[GRAMMAR] = lambda heard: grammar.decode(heard.ctc).hypothesis
        return found

    def best(self, heard: Heard) -> Hypothesis:
        """The answer of this recogniser's own search, the one named by `search`."""
        return self.searches()[self.search](heard)

    def transcribe(
        self, recording: Path | str | np.ndarray, sample_rate: int | None = None, max_seconds: float = 20.0
    ) -> Transcript:
        """Text and word times of a file, or of samples `(N,)` at `sample_rate` Hz, of any length.

        A long recording is cut where nobody speaks into stretches of at most `max_seconds`. Steady noise, a tone or a
        constant has no text.
        Raises AsrlabError naming the file if it cannot be read, is shorter than one analysis window, or is silent.
        """
        name = "the recording" if isinstance(recording, np.ndarray) else str(recording)
        samples = self._samples(recording, sample_rate)
        window = self._sound.window
        if len(samples) < window:
            raise AsrlabError(
                f"{name}: {len(samples)} samples at {self.sample_rate} Hz, shorter than one analysis window "
                f"({window} samples, {self._sound.window_ms:g} ms); record for longer"
            )
        peak = float(np.abs(samples).max())
        if not np.isfinite(peak):
            raise AsrlabError(f"{name}: holds samples that are no numbers; look how it was recorded")
        if peak < SILENCE:
            raise AsrlabError(f"{name}: silent (largest amplitude {peak:g} of 1); check the microphone or the file")
        segments = self._segments(samples, max_seconds)
        pieces = [samples[round(a * self.sample_rate) : round(b * self.sample_rate)] for a, b in segments]
        try:
            best = [self.best(heard) for heard in self.hear(pieces)]
        except AsrlabError as error:
            raise AsrlabError(f"{name}: {error}") from error
        words = tuple(
            Word(word.text, word.start + begin, word.end + begin, word.confidence)
            for (begin, _), hypothesis in zip(segments, best, strict=True)
            for word in hypothesis.words
        )
        grammar = self.grammar.grammar if self.grammar is not None else None
        meanings = tuple(grammar.interpret(h.text) for h in best) if grammar is not None else ()
        return Transcript(" ".join(h.text for h in best if h.text), words, tuple(segments), meanings)

    def _samples(self, recording: Path | str | np.ndarray, sample_rate: int | None) -> np.ndarray:
        if not isinstance(recording, np.ndarray):
            return audio.load(recording, self.sample_rate)
        if sample_rate is None:
            raise AsrlabError(f"samples {recording.shape} without their rate; pass sample_rate=16000, or what it is")
        if recording.ndim != 1:
            raise AsrlabError(f"samples {recording.shape}: expected (N,); mix to mono, for instance x.mean(axis=1)")
        if not np.issubdtype(recording.dtype, np.floating):
            raise AsrlabError(f"samples of {recording.dtype}: expected floats in [-1, 1]; divide 16-bit ones by 32768")
        return audio.resample(recording, sample_rate, self.sample_rate)

    def _segments(self, samples: np.ndarray, max_seconds: float) -> list[tuple[float, float]]:
        """What is worth listening to. A short recording is heard whole, or not at all where nothing stands out."""
        whole = len(samples) / self.sample_rate
        if whole <= max_seconds:
            heard = whole < TOO_SHORT_TO_TELL or segment_speech(samples, self.sample_rate, NOT_STEADY)
            return [(0.0, whole)] if heard else []
        found = segment_speech(samples, self.sample_rate, SegmentOptions(max_seconds=max_seconds))
        shortest = 2 * self._sound.window / self.sample_rate
        return [(a, b) for a, b in found if b - a >= shortest]

    def save(self, directory: Path | str, half: bool = False) -> None:
        """Write recognizer.json, model.safetensors and, where there is one, the language model.

        `half` stores the weights in 16 bits: half the size, and differences in the fourth digit.
        Raises AsrlabError if the directory cannot be written, and for a recogniser with hotwords, which are no part of
        what is saved.
        """
        if self.search in (HOTWORDS, GRAMMAR):
            raise AsrlabError(f"{directory}: {self.search} is not saved; save it without, and keep its file")
        directory = Path(directory)
        description = {
            "format": FORMAT,
            "inputs": config.to_dict(self.inputs),
            "model": config.to_dict(self.model.options),
            "tokenizer": self.tokenizer.to_dict(),
            "beam": config.to_dict(self.beam),
            "attention": config.to_dict(self.attention),
            "search": self.search,
            "lexicon": self.lexicon,
            "language_model": self.lm is not None,
        }
        weights = {k: (v.half() if half else v).contiguous().cpu() for k, v in self.model.state_dict().items()}
        write_whole(directory / WEIGHTS, save(weights))
        if self.lm is not None:
            self.lm.write_arpa(directory / LANGUAGE)
        sealed.write(directory / CONFIG, description, [WEIGHTS, LANGUAGE] if self.lm is not None else [WEIGHTS])

    @classmethod
    def load(cls, directory: Path | str | None = None, device: str = "cpu") -> "Recognizer":
        """Read what `save` wrote; without a directory, the English recogniser that comes with the package.

        Nothing of it is trusted: options have their ranges, every file the digest that was noted when it was saved, and
        weights are held to the options before a model is built. Raises AsrlabError naming the file that is missing,
        damaged or foreign.
        """
        directory = Path(directory) if directory is not None else BUILT_IN
        where = directory / CONFIG
        d = _description(where)
        options = config.from_dict(ModelOptions, d["model"], f"{where}: model")
        inputs = config.from_dict(InputOptions, d["inputs"], f"{where}: inputs")
        beam = config.from_dict(BeamOptions, d["beam"], f"{where}: beam")
        attention = config.from_dict(AttentionOptions, d["attention"], f"{where}: attention")
        try:
            tokenizer = tokenizer_from_dict(d["tokenizer"])
        except (ValueError, TypeError, AttributeError) as error:
            raise AsrlabError(f"{where}: {error}; copy or train the model again") from error
        files = sealed.check(where, d, [WEIGHTS, LANGUAGE] if d["language_model"] else [WEIGHTS])
        shapes = front_ends.make(inputs)
        weights = _weights(directory / WEIGHTS, files[WEIGHTS], shapes, len(tokenizer), options)
        model = Model(shapes, len(tokenizer), options)
        model.load_state_dict(weights)
        lm = NGram.read_arpa(directory / LANGUAGE) if d["language_model"] else None
        if lm is not None and d["lexicon"] and not any(word in lm for word in d["lexicon"]):
            raise AsrlabError(f"{directory / LANGUAGE}: knows no word of the lexicon; keep it with its {CONFIG}")
        try:
            return cls(inputs, model.to(device).eval(), tokenizer, beam, lm, d["lexicon"], attention, d["search"])
        except AsrlabError as error:
            raise AsrlabError(f"{where}: {error}") from error


def _description(path: Path) -> Mapping:
    """What a recogniser's JSON says, all fields there and of the right types."""
    d = sealed.read(path, "no recogniser here; give a directory that `asrlab train` wrote")
    if not isinstance(d, dict) or d.get("format") != FORMAT:
        found = d.get("format") if isinstance(d, dict) else type(d).__name__
        raise AsrlabError(
            f"{path}: format {config.brief(found)}, this version reads {FORMAT}; train again or change versions"
        )
    missing = [name for name in FIELDS if name not in d]
    if missing:
        raise AsrlabError(f"{path}: damaged, it lacks {', '.join(missing)}; copy or train the model again")
    lexicon = d["lexicon"]
    if lexicon is not None and not (isinstance(lexicon, list) and all(isinstance(w, str) and w for w in lexicon)):
        raise AsrlabError(f"{path}: lexicon={config.brief(lexicon)}: expected a list of words, or null")
    for name, kind in {"search": str, "language_model": bool, "tokenizer": dict}.items():
        if not isinstance(d[name], kind):
            raise AsrlabError(f"{path}: {name}={config.brief(d[name])}: expected {kind.__name__}")
    return d


def _weights(
    path: Path, data: bytes, shapes: front_ends.FrontEnds, vocabulary: int, options: ModelOptions
) -> dict[str, torch.Tensor]:
    """The weights in a file, as float32, once they are known to be those of a model with these options."""
    with torch.device("meta"):  # all shapes, and no memory
        expected = Model(shapes, vocabulary, options).state_dict()
    return checked(path, data, expected, CONFIG)


def _tensor(values: np.ndarray | None) -> torch.Tensor:
    """What there is of a modality; nothing, if it is absent."""
    if values is None:
        return torch.zeros(0)
    found = torch.as_tensor(values)
    return found.float() if found.is_floating_point() else found


def batches(seconds: Sequence[float]) -> list[list[int]]:
    """Indices grouped so that neighbours in length go together and a group pads to at most BATCH_SECONDS."""
    groups: list[list[int]] = []
    for i in sorted(range(len(seconds)), key=lambda i: seconds[i]):
        if groups and seconds[i] * (len(groups[-1]) + 1) <= BATCH_SECONDS:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
