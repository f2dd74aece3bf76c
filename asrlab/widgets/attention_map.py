"""What a decoder with attention listened to while it wrote, letter by letter, on a recording that can be heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import traitlets
from numpy.typing import ArrayLike

from asrlab.core.errors import AsrlabError
from asrlab.decode.forced import align
from asrlab.pages.listen import sound, spectrogram
from asrlab.recognizer import Recognizer
from asrlab.scratch.attention import softmax
from asrlab.text import WORD
from asrlab.widgets.base import Widget

FLOOR = -30.0  # nats below 1 at which a weight counts as nothing
LONGEST = 6.0  # seconds of a recording that the map shows
END = "end"


@dataclass(frozen=True)
class Looks:
    """One text, written letter by letter, and what its writer knew at each letter.

    The output layer is linear in what was heard, so its scores fall apart: what the state says, and what each frame
    adds if it is looked at. With weights alpha the scores of the next token are `said + alpha @ adds`.
    """

    tokens: tuple[int, ...]  # U of them, the end, token 0, included
    scores: np.ndarray  # (U, T) logarithms of the weights, nats
    said: np.ndarray  # (U, V) what the state alone gives each token
    adds: np.ndarray  # (T, V) what a frame gives each token when all the weight is on it
    placed: tuple[int, ...]  # (U - 1,) the frame where CTC is surest of each token; empty without a CTC head
    text: str


@torch.inference_mode()
def follow(recognizer: Recognizer, samples: np.ndarray, joint: bool = True) -> Looks:
    """Let the recogniser write down `samples` (N,) and note at each letter where it looked.

    Raises AsrlabError if the recogniser has no attention head.
    """
    (heard,) = recognizer.hear([samples])
    found = recognizer.attend(heard, joint=joint)[0]
    decoder = recognizer.model.decoder
    assert decoder is not None  # `attend` has asked
    state = decoder.start(heard.frames[None], torch.tensor([len(heard.frames)]))
    weight, bias = decoder.out.weight, decoder.out.bias
    split = decoder.lstm.hidden_size
    scores, said = [], []
    for token in (0, *found.tokens):
        looked = state.looked
        _, state = decoder.step(state, torch.tensor([token]))
        scores.append((state.looked - looked)[0].clamp_min(1e-30).log())
        said.append(state.hidden[0] @ weight[:, :split].T + bias)
    return Looks(
        (*found.tokens, 0),
        np.maximum(torch.stack(scores).double().numpy(), FLOOR),
        torch.stack(said).double().numpy(),
        (heard.frames @ weight[:, split:].T).double().numpy(),
        _placed(heard.log_probs, found.tokens),
        found.text,
    )


def _placed(log_probs: np.ndarray | None, tokens: tuple[int, ...]) -> tuple[int, ...]:
    if log_probs is None or not tokens:
        return ()
    try:
        spans = align(log_probs.astype(np.float64), tokens)[0]
    except AsrlabError:  # attention alone may write more letters than CTC has frames for
        return ()
    return tuple(int(a + log_probs[a : b + 1, k].argmax()) for (a, b), k in zip(spans, tokens, strict=True))


def weights(scores: Sequence[float], sharpness: float = 1.0, shift: int = 0) -> np.ndarray:
    """The weights (T,) of one letter's scores (T,) made sharper or flatter, then looking `shift` frames later.

    sharpness  factor on the scores before the softmax: 1 as learned, 0 the same weight everywhere
    """
    moved = np.full(len(scores), FLOOR)
    for t, score in enumerate(scores):
        if 0 <= t + shift < len(scores):
            moved[t + shift] = score
    return softmax(sharpness * moved)


def choices(said: ArrayLike, adds: ArrayLike, alpha: ArrayLike) -> np.ndarray:
    """Probabilities (V,) of the next token when the weights are alpha (T,)."""
    return softmax(np.asarray(said) + np.asarray(alpha) @ np.asarray(adds))


def stretch(alpha: Sequence[float] | np.ndarray, share: float = 0.8) -> tuple[int, int]:
    """First and last frame of the stretch around the largest weight that holds `share` of the weight.

    It grows by one frame at a time, to the side where the next weight is larger; to the later side if they are equal.
    """
    first = last = int(np.argmax(alpha))
    held = alpha[first]
    while held < share - 1e-9 and last - first + 1 < len(alpha):
        before = alpha[first - 1] if first > 0 else -1.0
        after = alpha[last + 1] if last + 1 < len(alpha) else -1.0
        if before > after:
            first -= 1
        else:
            last += 1
        held += max(before, after)
    return first, last


def without(looks: Looks, share: float = 0.8) -> np.ndarray:
    """Probability of each written token (U, 3): as learned; with the frames that held `share` of its weight hidden from
    the attention; with the same weight everywhere."""
    found = []
    for token, scores, said in zip(looks.tokens, looks.scores, looks.said, strict=True):
        alpha = weights(scores)
        first, last = stretch(alpha, share)
        hidden = np.where((np.arange(len(alpha)) < first) | (np.arange(len(alpha)) > last), alpha, 0.0)
        hidden = hidden / hidden.sum() if hidden.any() else alpha
        found.append([choices(said, looks.adds, a)[token] for a in (alpha, hidden, weights(scores, 0.0))])
    return np.array(found)


class AttentionMap(Widget, module="attention_map", height=(1162, 1485)):
    """A recording, the text that a decoder wrote, and for each letter the frames that it listened to.

    Point at a letter, tap it or step to it: its frames light up in the spectrogram, and their sound is played. A slider
    makes the attention sharper or flatter, another moves it aside; the letters that the decoder would then choose from
    are computed anew.
    """

    data = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        recognizer: Recognizer,
        recordings: Sequence[tuple[str, np.ndarray]],
        joint: bool = True,
        letter: int = 0,
        **options,
    ):
        """recordings  (name, samples (N,) at the recogniser's rate), shown one at a time
        joint       write with attention and CTC together, where the model has both
        letter      the first one to show

        Raises AsrlabError for a recogniser without attention, no recording, or one of more than 6 seconds.
        """
        if not recordings:
            raise AsrlabError("recordings: none; pass at least one (name, samples)")
        for name, samples in recordings:
            if len(samples) > LONGEST * recognizer.sample_rate:
                seconds = len(samples) / recognizer.sample_rate
                raise AsrlabError(f"{name}: {seconds:.1f} s; the map shows at most {LONGEST:g} s, cut it")
        tokens = recognizer.tokenizer.tokens
        super().__init__(
            data={
                "tokens": [END, *(token for token in tokens[1:])],
                "mark": WORD,
                "frame": recognizer.frame_seconds,
                "letter": letter,
                "recordings": [
                    _recording(name, samples, recognizer.sample_rate, follow(recognizer, samples, joint))
                    for name, samples in recordings
                ],
            },
            **options,
        )


def _recording(name: str, samples: np.ndarray, rate: int, looks: Looks) -> dict:
    return {
        "name": name,
        "text": looks.text,
        "seconds": round(len(samples) / rate, 3),
        "sound": sound(samples, rate),
        "picture": spectrogram(np.asarray(samples, dtype=np.float32), rate),
        "tokens": list(looks.tokens),
        "scores": looks.scores.round(2).tolist(),
        "said": looks.said.round(2).tolist(),
        "adds": looks.adds.round(2).tolist(),
        "placed": list(looks.placed),
    }
