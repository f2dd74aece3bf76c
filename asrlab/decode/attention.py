"""Beam search over a decoder that spells one token after the other, alone or together with CTC.

The decoder is any `Decoder`, such as `asrlab.models.AttentionDecoder`. Token 0 begins and ends every text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asrlab.core.compiled import compiled
from asrlab.core.config import Count, Options, Positive, Share
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask, stack
from asrlab.decode.forced import align, timed_words
from asrlab.decode.hypothesis import (
    WORD_MARK,
    HasTokens,
    Hypothesis,
    Word,
    check_log_probs,
    marks_words,
    split_words,
)
from asrlab.decode.languages import Languages, merged
from asrlab.language.automaton import Language

END = 0
SLACK = 5.0  # nats by which an unfinished text may lag behind the best finished one and still be pursued


class Decoder(Protocol):
    """What spells one token after the other; its states have a `select(rows)`."""

    def start(self, memory: Tensor, lengths: Tensor) -> Any:
        """The state before the first token: `memory (B, T, D)`, `lengths (B,)`."""

    def step(self, state: Any, tokens: Tensor) -> tuple[Tensor, Any]:
        """Read `tokens (B,)`, give log-probabilities `(B, V)` of the next ones and the state after them."""

    def __call__(self, memory: Tensor, lengths: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Logits `(B, L + 1, V)` of `targets (B, L)` and their end, and the attention weights `(B, L + 1, T)`."""


@dataclass(frozen=True)
class AttentionOptions(Options):
    """How an `AttentionBeam` searches; all scores in nats."""

    beam: Count = 8  # texts pursued at a time
    ctc_weight: Share = 0.3  # share of CTC in the score, where its log-probabilities are given
    length_bonus: float = 0.3  # added for each token: without it short texts win, since every token costs
    tokens_per_frame: Positive = 1.0  # longest text, in tokens for each encoded frame: a guard against endless loops
    nbest: Count = 1  # hypotheses returned, at most


@dataclass
class _Text:
    """A beginning of an answer."""

    tokens: tuple[int, ...]
    attention: float  # log-probability by the decoder
    ctc: float  # log-probability, by CTC, of all texts that begin so
    paths: np.ndarray | None  # (T, 2) CTC's forward scores of this beginning, its last frame a token or a blank
    states: tuple[int, ...]  # of the languages, after the closed words
    language: float = 0.0  # weighted nats that the closed words earned
    word: str = ""  # the letters of the word that is not closed yet


class AttentionBeam:
    """One-pass joint decoding (Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech
    Recognition").

    A text scores  (1 - w) log P_attention + w log P_ctc + length_bonus |tokens| + sum_k weight_k nats_k(words),  with
    w = 0 where there is no CTC; each language of the last sum scores a word as soon as it is closed.
    """

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: HasTokens,
        options: AttentionOptions = AttentionOptions(),
        frame_seconds: float = 0.04,
        language: Mapping[str, tuple[float, Language]] | None = None,
    ):
        """`language`: name -> (weight, language), as for `asrlab.decode.BeamDecoder`.

        Raises AsrlabError for a bad language, or one for tokens that do not mark where words begin.
        """
        self.decoder, self.tokenizer, self.options, self.frame_seconds = decoder, tokenizer, options, frame_seconds
        self._tokens = tuple(tokenizer.tokens)
        self._languages = self._with(language or {})

    def _with(self, language: Mapping[str, tuple[float, Language]]) -> Languages:
        if language and not marks_words(self._tokens):
            raise AsrlabError(f"language: no token begins with {WORD_MARK!r} to tell where words end; decode without")
        return Languages(language)

    @torch.inference_mode()
    def decode(
        self,
        memory: Tensor,
        log_probs: np.ndarray | None = None,
        extra: Mapping[str, tuple[float, Language]] | None = None,
    ) -> list[Hypothesis]:
        """Decode one utterance.

        Args:
            memory: (T, D) encoded speech, on the decoder's device.
            log_probs: (T, V) of a CTC head over the same frames, for joint decoding.
            extra: more languages for this utterance.

        Returns:
            At most `options.nbest` hypotheses, best first. Parts, in nats and not weighted: "attention", "ctc" where it
            was given, each language by its name. Word times come from the CTC alignment, or else from where the
            attention looked. If the languages forbid all that was tried, the empty text, with a score of -inf.

        Raises:
            AsrlabError: no frames, frames that are not finite, log_probs that do not fit, or a bad language in `extra`.
        """
        languages = self._languages if not extra else self._with(merged(self._languages.languages, extra))
        if memory.ndim != 2 or not len(memory):
            raise AsrlabError(f"memory {tuple(memory.shape)}: pass the encoded frames of one utterance, (T, D), T >= 1")
        if not torch.isfinite(memory).all():
            bad = int((~torch.isfinite(memory)).any(dim=1).nonzero()[0])
            raise AsrlabError(f"memory: frame {bad} is not finite; look at the recording or the weights it came from")
        if log_probs is not None:
            log_probs, _ = check_log_probs(log_probs, len(self.tokenizer.tokens))
            log_probs = log_probs.astype(np.float64)
        finished = self._search(memory, log_probs, languages)
        finished.sort(key=self._score, reverse=True)
        allowed = [text for text in finished if text.language > -np.inf] or [t for t in finished if not t.tokens]
        return [self._hypothesis(text, memory, log_probs, languages) for text in allowed[: self.options.nbest]]

    def _search(self, memory: Tensor, log_probs: np.ndarray | None, languages: Languages) -> list[_Text]:
        state = self.decoder.start(memory[None], torch.tensor([len(memory)], device=memory.device))
        active = [_Text((), 0.0, 0.0, None if log_probs is None else _empty_paths(log_probs), languages.start())]
        finished: list[_Text] = []
        for _ in range(max(1, int(self.options.tokens_per_frame * len(memory)))):
            last = torch.tensor([text.tokens[-1] if text.tokens else END for text in active], device=memory.device)
            following, state = self.decoder.step(state, last)
            step = following.double().cpu().numpy()
            finished += [self._finish(text, row[END], languages) for text, row in zip(active, step, strict=True)]
            grown = [
                (i, read)
                for i, text in enumerate(active)
                for t in self._grow(text, step[i], log_probs)
                if (read := self._read(t, languages)).language > -np.inf
            ]
            grown.sort(key=lambda pair: self._score(pair[1]), reverse=True)
            best = max(map(self._score, finished))
            grown = [pair for pair in grown[: self.options.beam] if self._score(pair[1]) > best - SLACK]
            if not grown:
                break
            state = state.select(torch.tensor([i for i, _ in grown], device=memory.device))
            active = [text for _, text in grown]
        return finished

    def _score(self, text: _Text) -> float:
        weight = 0.0 if text.paths is None else self.options.ctc_weight
        acoustic = (1 - weight) * text.attention + (weight * text.ctc if weight else 0.0)
        return acoustic + self.options.length_bonus * len(text.tokens) + text.language

    def _finish(self, text: _Text, end: float, languages: Languages) -> _Text:
        ctc = text.ctc if text.paths is None else float(np.logaddexp(*text.paths[-1]))
        text = self._close(text, languages)
        language = text.language + languages.finish(text.states)
        return replace(text, attention=text.attention + float(end), ctc=ctc, language=language)

    def _read(self, text: _Text, languages: Languages) -> _Text:
        """The text whose last token is new: its letters go on with a word, or close one and begin the next."""
        if not languages:
            return text
        letters = self._tokens[text.tokens[-1]]
        if letters.startswith(WORD_MARK):
            text = self._close(text, languages)
        return replace(text, word=text.word + letters.replace(WORD_MARK, ""))

    @staticmethod
    def _close(text: _Text, languages: Languages) -> _Text:
        if not text.word:
            return text
        nats, states = languages.step(text.states, text.word)
        return replace(text, language=text.language + nats, states=states, word="")

    def _grow(self, text: _Text, step: np.ndarray, log_probs: np.ndarray | None) -> list[_Text]:
        """The text with one more token, for the tokens that the decoder finds likeliest."""
        tokens = 1 + np.argsort(-step[1:], kind="stable")[: 2 * self.options.beam]
        if log_probs is None:
            return [
                replace(text, tokens=(*text.tokens, int(v)), attention=text.attention + float(step[v])) for v in tokens
            ]
        last = text.tokens[-1] if text.tokens else -1
        scores, paths = _extend(log_probs, text.paths, last, tokens)
        return [
            replace(
                text,
                tokens=(*text.tokens, int(v)),
                attention=text.attention + float(step[v]),
                ctc=float(scores[k]),
                paths=paths[k],
            )
            for k, v in enumerate(tokens)
            if scores[k] > -np.inf
        ]

    def _hypothesis(
        self, text: _Text, memory: Tensor, log_probs: np.ndarray | None, languages: Languages
    ) -> Hypothesis:
        spans = split_words([self._tokens[v] for v in text.tokens], marks_words(self._tokens))
        nats = languages.score([word for word, _, _ in spans])
        parts = {"attention": text.attention} | ({} if log_probs is None else {"ctc": text.ctc})
        parts |= dict(zip(languages.names, nats, strict=True))
        if not spans:
            words: tuple[Word, ...] = ()
        elif log_probs is not None and text.ctc > -np.inf:
            frames, posteriors, _ = align(log_probs, text.tokens)
            words = timed_words(frames, posteriors, spans, self.frame_seconds)
        else:
            words = self._looked_at(text.tokens, spans, memory)
        return Hypothesis(" ".join(w for w, _, _ in spans), text.tokens, self._score(text), parts, words)

    def _looked_at(self, tokens: Sequence[int], spans: list[tuple[str, int, int]], memory: Tensor) -> tuple[Word, ...]:
        """Words timed by the frames at which the decoder looked hardest, with the mean probability of their tokens."""
        targets = torch.tensor([tokens], device=memory.device)
        logits, weights = self.decoder(memory[None], torch.tensor([len(memory)], device=memory.device), targets)
        frames = weights[0].argmax(dim=1).tolist()
        sure = logits[0].float().log_softmax(dim=-1)[torch.arange(len(tokens)), list(tokens)].tolist()
        return tuple(
            Word(
                text,
                min(frames[a:b]) * self.frame_seconds,
                (max(frames[a:b]) + 1) * self.frame_seconds,
                float(np.exp(np.mean(sure[a:b]))),
            )
            for text, a, b in spans
        )


@torch.inference_mode()
def token_log_probs(decoder: Decoder, memory: Tensor, texts: Sequence[Sequence[int]]) -> list[float]:
    """Log-probability (nats) by a decoder of each of N texts (token ids) with its end, given speech `memory (T, D)`."""
    if not texts:
        return []
    targets = stack([torch.tensor(list(text), dtype=torch.long) for text in texts])
    values, lengths = targets.values.long().to(memory.device), targets.lengths.to(memory.device)
    frames = torch.full_like(lengths, len(memory))
    logits, _ = decoder(memory.expand(len(texts), -1, -1), frames, values)
    ends = F.pad(values, (0, 1), value=END)  # padded with the end: each text's own is there already
    nats = logits.float().log_softmax(dim=-1).gather(2, ends[..., None]).squeeze(2).double()
    real = length_mask(lengths + 1, ends.shape[1])
    found: list[float] = nats.masked_fill(~real, 0.0).sum(dim=1).tolist()
    return found


def _empty_paths(log_probs: np.ndarray) -> np.ndarray:
    """Forward scores of the empty text: blanks alone."""
    paths = np.full((len(log_probs), 2), -np.inf)
    paths[:, 1] = np.cumsum(log_probs[:, 0])
    return paths


@compiled
def _extend(log_probs: np.ndarray, paths: np.ndarray, last: int, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """CTC scores of a text with one more token (Watanabe et al. 2017, algorithm 2), for several tokens.

    Returns the log-probability of all texts that begin so, (K,), and the forward scores of each beginning, (K, T, 2).
    """
    frames = log_probs.shape[0]
    scores = np.empty(len(tokens))
    new = np.empty((len(tokens), frames, 2))
    for k in range(len(tokens)):
        token = tokens[k]
        first = log_probs[0, token] if last == -1 else -np.inf
        spoken, silent, total = first, -np.inf, first
        new[k, 0, 0], new[k, 0, 1] = spoken, silent
        for t in range(1, frames):
            before = paths[t - 1, 1] if token == last else np.logaddexp(paths[t - 1, 0], paths[t - 1, 1])
            silent = np.logaddexp(silent, spoken) + log_probs[t, 0]
            spoken = np.logaddexp(spoken, before) + log_probs[t, token]
            total = np.logaddexp(total, before + log_probs[t, token])
            new[k, t, 0], new[k, t, 1] = spoken, silent
        scores[k] = total
    return scores, new
