"""kaldi-native-fbank, as `benchmarks/features.py` calls it; runs in an environment of its own.

The samples are a Python list, which this package takes faster than an array, and the frames stay where it keeps them:
what is timed is the work, without what a user pays to get at the result.
"""

from __future__ import annotations

import kaldi_native_fbank as knf
import numpy as np
from serve import serve

WAVEFORMS: list[list[float]] = []


def prepare(path):
    """Load .npy waveforms (B, N); returns nothing."""
    WAVEFORMS[:] = np.load(path).tolist()


def _run(extractors):
    frames = 0
    for extractor, waveform in zip(extractors, WAVEFORMS, strict=True):
        extractor.accept_waveform(16000, waveform)
        extractor.input_finished()
        frames += extractor.num_frames_ready
    return frames


def _frames(options, mels):
    options.frame_opts.dither = 0
    options.frame_opts.preemph_coeff = 0
    options.frame_opts.remove_dc_offset = False
    options.frame_opts.window_type = "hanning"
    options.mel_opts.num_bins = mels
    return options


def log_mel(mels):
    """Log-mel of all waveforms: how many frames."""
    options = _frames(knf.FbankOptions(), mels)
    return _run([knf.OnlineFbank(options) for _ in WAVEFORMS])


def mfcc(mels, coefficients):
    """MFCC of all waveforms: how many frames."""
    options = _frames(knf.MfccOptions(), mels)
    options.num_ceps = coefficients
    options.use_energy = False
    options.cepstral_lifter = 0
    return _run([knf.OnlineMfcc(options) for _ in WAVEFORMS])


if __name__ == "__main__":
    serve({"prepare": prepare, "log_mel": log_mel, "mfcc": mfcc})
