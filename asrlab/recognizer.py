"""The recogniser as one thing: front end, model, tokenizer, decoder. Load it, give it a file, read the text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from asrlab.core import config
from asrlab.core.errors import AsrlabError
from asrlab.decode import BeamDecoder, BeamOptions, Hypothesis, Word, greedy
from asrlab.decode.attention import AttentionBeam, AttentionOptions
from asrlab.language import NGram
from asrlab.models import AsrModel, ModelOptions
from asrlab.signals import audio
from asrlab.signals.features import FrontEnd, FrontEndOptions
from asrlab.text import PhoneTokenizer, Tokenizer, lexicon_tokens, tokenizer_from_dict
from asrlab.training.checkpoint import write_whole

CONFIG, WEIGHTS, LANGUAGE = "recognizer.json", "model.safetensors", "lm.arpa"
FORMAT = 1  # of the files in a recogniser's directory
FIELDS = ("front_end", "model", "tokenizer", "beam", "lexicon", "language_model")
BATCH_SECONDS = 60.0  # padded sound that goes through the model at once
SILENCE = 1e-4  # a recording that never exceeds this amplitude (-80 dB) holds no speech


@dataclass(frozen=True)
class Transcript:
    """What was said in a recording."""

    text: str
    words: tuple[Word, ...]  # with times in seconds from the beginning of the recording
    segments: tuple[tuple[float, float], ...]  # the stretches of speech that were found, in seconds


@dataclass(frozen=True)
class Heard:
    """What the model makes of one recording, before any text."""

    frames: torch.Tensor  # (T, D) encoded speech, for an attention head
    log_probs: np.ndarray | None  # (T, V) in nats, of the CTC head; None if the model has none


class Recognizer:
    """A trained model with all that it takes to use it.

    lm       word language model for beam search, or None
    lexicon  the words that beam search may answer with, or None for any sequence of tokens (of phones: any word that
             the tokenizer knows)
    """

    def __init__(
        self,
        front_end: FrontEndOptions,
        model: AsrModel,
        tokenizer: Tokenizer,
        beam: BeamOptions | None = None,
        lm: NGram | None = None,
        lexicon: Sequence[str] | None = None,
    ):
        self.front_end = FrontEnd(front_end).eval()  # dither is for training
        self.model = model
        self.tokenizer = tokenizer
        self.beam = beam or BeamOptions()
        self.lm = lm
        if lexicon is None and isinstance(tokenizer, PhoneTokenizer):
            lexicon = tokenizer.lexicon  # phones make words by way of a lexicon alone
        self.lexicon = tuple(lexicon) if lexicon is not None else None

    @property
    def sample_rate(self) -> int:
        """Hz that the model listens at."""
        return self.front_end.options.sample_rate

    @property
    def frame_seconds(self) -> float:
        """Seconds from one frame of the model's output to the next."""
        return self.front_end.hop_seconds * self.model.options.encoder.subsampling

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @cached_property
    def decoder(self) -> BeamDecoder:
        """Beam search with this recogniser's language model and lexicon."""
        spellings = lexicon_tokens(self.tokenizer, self.lexicon) if self.lexicon is not None else None
        language = {"lm": (self.beam.lm_weight, self.lm)} if self.lm is not None else None
        return BeamDecoder(self.tokenizer, self.beam, language, spellings, self.frame_seconds)

    def with_decoder(
        self, beam: BeamOptions | None = None, lm: NGram | None = None, lexicon: Sequence[str] | None = None
    ) -> "Recognizer":
        """The same model behind another beam search."""
        return Recognizer(self.front_end.options, self.model, self.tokenizer, beam or self.beam, lm, lexicon)

    @torch.inference_mode()
    def hear(self, waveforms: Sequence[np.ndarray]) -> list[Heard]:
        """Run the model on waveforms `(N,)` at `sample_rate`, batched by length.

        Raises AsrlabError if a waveform is shorter than one analysis window.
        """
        self.model.eval()
        found: dict[int, Heard] = {}
        for indices in _batches([len(w) / self.sample_rate for w in waveforms]):
            tensors = [torch.as_tensor(waveforms[i], dtype=torch.float32) for i in indices]
            lengths = torch.tensor([len(t) for t in tensors])
            padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True).to(self.device)
            output = self.model(*self.front_end(padded, lengths))
            for row, (i, length) in enumerate(zip(indices, output.lengths.tolist(), strict=True)):
                log_probs = None if output.log_probs is None else output.log_probs[row, :length].cpu().numpy()
                found[i] = Heard(output.frames[row, :length], log_probs)
        return [found[i] for i in range(len(waveforms))]

    def log_probs(self, waveforms: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log-probabilities `(T, V)` in nats of the CTC head for each waveform `(N,)`, which is at `sample_rate`.

        Raises AsrlabError if a waveform is shorter than one analysis window, or the model has no CTC head.
        """
        if self.model.ctc is None:
            raise AsrlabError("this model has an attention head alone (ctc_weight=0): decode it with attend()")
        return [heard.log_probs for heard in self.hear(waveforms)]

    def greedy(self, log_probs: np.ndarray) -> Hypothesis:
        """The best path alone: no search, no language model."""
        return greedy(log_probs, self.tokenizer, self.frame_seconds)

    def decode(self, log_probs: np.ndarray) -> list[Hypothesis]:
        """Beam search with this recogniser's language model and lexicon; the best first."""
        return self.decoder.decode(log_probs)

    def attend(self, heard: Heard, options: AttentionOptions | None = None, joint: bool = True) -> list[Hypothesis]:
        """Beam search over the attention head, with `joint` together with CTC where the model has it; the best first.

        Raises AsrlabError if the model has no attention head.
        """
        if self.model.decoder is None:
            raise AsrlabError("this model has a CTC head alone (ctc_weight=1): decode it with decode()")
        beam = AttentionBeam(self.model.decoder, self.tokenizer, options or AttentionOptions(), self.frame_seconds)
        return beam.decode(heard.frames, heard.log_probs if joint else None)

    def best(self, heard: Heard) -> Hypothesis:
        """The answer of the best search that this recogniser has: CTC with its language model, or else attention."""
        return (self.attend(heard) if heard.log_probs is None else self.decode(heard.log_probs))[0]

    def spoken(self, text: str) -> str:
        """`text` in the units that `greedy` answers with: words, or phones for a phone tokenizer."""
        if isinstance(self.tokenizer, PhoneTokenizer):
            return self.tokenizer.decode(self.tokenizer.encode(text))
        return text

    def transcribe(
        self, recording: Path | str | np.ndarray, sample_rate: int | None = None, max_seconds: float = 20.0
    ) -> Transcript:
        """Text and word times of a file, or of samples `(N,)` at `sample_rate` Hz, of any length.

        A long recording is cut where nobody speaks into stretches of at most `max_seconds`.
        Raises AsrlabError naming the file if it cannot be read, is shorter than one analysis window, or is silent.
        """
        name = "the recording" if isinstance(recording, np.ndarray) else str(recording)
        samples = self._samples(recording, sample_rate)
        window = self.front_end.options.window
        if len(samples) < window:
            raise AsrlabError(
                f"{name}: {len(samples)} samples at {self.sample_rate} Hz, shorter than one analysis window "
                f"({window} samples, {self.front_end.options.window_ms:g} ms); record for longer"
            )
        peak = float(np.abs(samples).max())
        if peak < SILENCE:
            raise AsrlabError(f"{name}: silent (largest amplitude {peak:g} of 1); check the microphone or the file")
        segments = self._segments(samples, max_seconds)
        pieces = [samples[round(a * self.sample_rate) : round(b * self.sample_rate)] for a, b in segments]
        best = [self.best(heard) for heard in self.hear(pieces)]
        words = tuple(
            Word(word.text, word.start + begin, word.end + begin, word.confidence)
            for (begin, _), hypothesis in zip(segments, best, strict=True)
            for word in hypothesis.words
        )
        return Transcript(" ".join(h.text for h in best if h.text), words, tuple(segments))

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
        whole = len(samples) / self.sample_rate
        if whole <= max_seconds:
            return [(0.0, whole)]
        shortest = 2 * self.front_end.options.window / self.sample_rate
        found = audio.segment_speech(samples, self.sample_rate, audio.SegmentOptions(max_seconds=max_seconds))
        return [(a, b) for a, b in found if b - a >= shortest]

    def save(self, directory: Path | str, half: bool = False) -> None:
        """Write recognizer.json, model.safetensors and, where there is one, the language model.

        `half` stores the weights in 16 bits: half the size, and differences in the fourth digit.
        Raises AsrlabError if the directory cannot be written.
        """
        directory = Path(directory)
        description = {
            "format": FORMAT,
            "front_end": config.to_dict(self.front_end.options),
            "model": config.to_dict(self.model.options),
            "tokenizer": self.tokenizer.to_dict(),
            "beam": config.to_dict(self.beam),
            "lexicon": self.lexicon,
            "language_model": self.lm is not None,
        }
        weights = {k: (v.half() if half else v).contiguous().cpu() for k, v in self.model.state_dict().items()}
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AsrlabError(f"{directory}: cannot be written ({error.strerror}); choose another") from error
        write_whole(directory / WEIGHTS, lambda part: part.write_bytes(save(weights)))
        write_whole(directory / CONFIG, lambda part: part.write_text(json.dumps(description, indent=2) + "\n", "utf-8"))
        if self.lm is not None:
            write_whole(directory / LANGUAGE, self.lm.write_arpa)

    @classmethod
    def load(cls, directory: Path | str | None = None, device: str = "cpu") -> "Recognizer":
        """Read what `save` wrote; without a directory, the English recogniser that comes with the package.

        Raises AsrlabError naming the file that is missing, damaged or foreign.
        """
        directory = Path(directory) if directory is not None else BUILT_IN
        d = _description(directory)
        where = str(directory / CONFIG)
        options = config.from_dict(ModelOptions, d["model"], where)
        front_end = config.from_dict(FrontEndOptions, d["front_end"], where)
        beam = config.from_dict(BeamOptions, d["beam"], where)
        try:
            tokenizer = tokenizer_from_dict(d["tokenizer"])
        except (ValueError, TypeError, AttributeError) as error:
            raise AsrlabError(f"{where}: {error}; copy or train the model again") from error
        model = AsrModel(FrontEnd(front_end).dim, len(tokenizer), options)
        try:
            weights = load_file(directory / WEIGHTS)
            model.load_state_dict({k: v.float() for k, v in weights.items()})
        except (OSError, SafetensorError) as error:
            raise AsrlabError(f"{directory / WEIGHTS}: missing or damaged ({error}); copy it or train again") from error
        except RuntimeError as error:
            raise AsrlabError(
                f"{directory / WEIGHTS}: weights of another model than {CONFIG} describes; keep the two together"
            ) from error
        lm = NGram.read_arpa(directory / LANGUAGE) if d["language_model"] else None
        return cls(front_end, model.to(device).eval(), tokenizer, beam, lm, d["lexicon"])


BUILT_IN = Path(__file__).parent / "pretrained" / "an4"


def _description(directory: Path) -> Mapping:
    path = directory / CONFIG
    try:
        d = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AsrlabError(f"{path}: no recogniser here; give a directory that `asrlab train` wrote") from error
    except ValueError as error:
        raise AsrlabError(f"{path}: damaged ({error}); copy or train the model again") from error
    if not isinstance(d, dict) or d.get("format") != FORMAT:
        found = d.get("format") if isinstance(d, dict) else type(d).__name__
        raise AsrlabError(f"{path}: format {found!r}, this version reads {FORMAT}; train again or change versions")
    missing = [name for name in FIELDS if name not in d]
    if missing:
        raise AsrlabError(f"{path}: damaged, it lacks {', '.join(missing)}; copy or train the model again")
    return d


def _batches(seconds: Sequence[float]) -> list[list[int]]:
    """Indices grouped so that neighbours in length go together and a group pads to at most BATCH_SECONDS."""
    groups: list[list[int]] = []
    for i in sorted(range(len(seconds)), key=lambda i: seconds[i]):
        if groups and seconds[i] * (len(groups[-1]) + 1) <= BATCH_SECONDS:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups
