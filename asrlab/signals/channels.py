"""What may happen to a recording on its way to a recogniser, and what a recogniser then still hears.

Each channel takes samples (N,) in [-1, 1] and their rate in Hz and gives float32 of the same length. None of them is
what the recogniser was trained on: how well one that was would do is another question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from asrlab.corpora import Utterance
from asrlab.recognizer import Recognizer
from asrlab.signals import audio, effects
from asrlab.signals.effects import fit

Channel = Callable[[np.ndarray, int], np.ndarray]


def narrow(x: np.ndarray, rate: int) -> np.ndarray:
    """Half the rate and back: whatever was above a quarter of the rate is gone."""
    return fit(audio.resample(audio.resample(x, rate, rate // 2), rate // 2, rate), len(x))


def coarse(x: np.ndarray, rate: int) -> np.ndarray:
    """8 bits in even steps: the quiet drowns in rounding."""
    return (np.rint(x * 128) / 128).astype(np.float32)


def companded(x: np.ndarray, rate: int) -> np.ndarray:
    """8 bits of mu-law: as few bits, better spent."""
    return effects.mu_law_decode(effects.mu_law_encode(x))


def clipped(x: np.ndarray, rate: int) -> np.ndarray:
    """Recorded 20 dB too loud: the loudest sample is ten times what the scale holds, and cut off there."""
    return np.clip(10 * x / max(float(np.abs(x).max()), 1e-9), -1, 1).astype(np.float32)


def levelled(x: np.ndarray, rate: int) -> np.ndarray:
    """A strong dynamic range compressor: of each 8 dB above -40 dB, one is left."""
    return effects.compress(x, rate, effects.CompressorOptions(threshold_db=-40.0, ratio=8.0))


CHANNELS: Mapping[str, Channel] = {
    "as recorded": lambda x, rate: x,
    "20 dB quieter": lambda x, rate: np.float32(0.1) * x,
    "DC offset": lambda x, rate: x + np.float32(0.1),
    "best MP3": lambda x, rate: effects.codec_round_trip(x, rate, "mp3", 1.0),
    "smallest MP3": lambda x, rate: effects.codec_round_trip(x, rate, "mp3", 0.0),
    "mu-law, 8 bits": companded,
    "even steps, 8 bits": coarse,
    "compressor": levelled,
    "clipping": clipped,
    "8 kHz": narrow,
    "300 to 3400 Hz": lambda x, rate: effects.band_pass(x, rate, 300.0, 3400.0),
    "telephone": effects.telephone,
}


def hear_through(recognizer: Recognizer, utterances: Sequence[Utterance], channel: Channel) -> dict[str, str]:
    """{utterance id: text}: what is recognised when each recording has passed the channel.

    By the best path, or by beam search where the recogniser writes phones, which make words through a lexicon alone.
    """
    rate = recognizer.sample_rate
    log_probs = recognizer.log_probs([channel(u.load(rate), rate) for u in utterances])
    in_phones = recognizer.tokenizer.lexicon is not None
    texts = [recognizer.decode(one)[0].text if in_phones else recognizer.greedy(one).text for one in log_probs]
    return {u.id: text for u, text in zip(utterances, texts, strict=True)}
