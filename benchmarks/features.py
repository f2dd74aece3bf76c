"""Log-mel and MFCC, timed beside torch.stft + matmul, torchaudio, librosa and kaldi-native-fbank.

    python -m benchmarks.features [--seconds 60] [--repeats 15] [--threads 1 2] [--out benchmarks/results/features.json]

16 kHz, windows of 25 ms, hops of 10 ms, 512 points, 80 mel, natural logarithm. All but Kaldi compute the same numbers
from the same samples, which is checked before anything is timed (Kaldi's filters have another shape; its amount of work
is the same, and it is not charged for handing over its frames). The systems take turns within each round, all with the
same number of threads; kaldi-native-fbank has only one.

    long    one recording of --seconds
    batch   16 utterances of a twelfth of that each
    mfcc    13 cepstral coefficients of the long one

    ratio.PEER.CASE.THREADS    time of the peer / our time, > 1 where we are ahead
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import torch
import torchaudio
from threadpoolctl import threadpool_limits
from torch import Tensor

from asrlab.core.errors import AsrlabError
from asrlab.core.machine import cores
from asrlab.scoring import receipt
from asrlab.signals.features import FrontEndOptions, log_mel, mel_filterbank, mfcc
from benchmarks.peers import Peer, compare, peer_python

REQUIREMENTS = ("kaldi-native-fbank==1.23.0", "numpy")
RATE, WINDOW, HOP, POINTS, MELS, CEPSTRA, FLOOR = 16000, 400, 160, 512, 80, 13, 1e-8
OPTIONS = FrontEndOptions(n_mels=MELS, n_mfcc=CEPSTRA, f_min=20.0, pre_emphasis=0.0, floor=FLOOR)
# The others centre a short window in the transform; with zeros behind it, and behind the samples, they see what we see.
LONG_WINDOW = torch.nn.functional.pad(torch.hann_window(WINDOW), (0, POINTS - WINDOW))


class Peers:
    """The same features by torch.stft, torchaudio and librosa; (B, N) -> (B, features, T)."""

    def __init__(self):
        self.bank = mel_filterbank(MELS, POINTS, RATE, OPTIONS.f_min).T.float().contiguous()
        spectrum = {"n_fft": POINTS, "win_length": POINTS, "hop_length": HOP, "center": False, "f_min": OPTIONS.f_min}
        spectrum |= {"n_mels": MELS, "window_fn": lambda _: LONG_WINDOW}
        self.spectrogram = torchaudio.transforms.MelSpectrogram(RATE, **spectrum)
        self.cepstra = torchaudio.transforms.MFCC(RATE, CEPSTRA, log_mels=True, melkwargs=spectrum)

    def torch_stft(self, x: Tensor) -> Tensor:
        spectrum = torch.stft(x, POINTS, HOP, POINTS, LONG_WINDOW, center=False, return_complex=True)
        return (self.bank @ spectrum.abs().square()).clamp(min=FLOOR).log()

    def torchaudio(self, x: Tensor) -> Tensor:
        return self.spectrogram(x).clamp(min=FLOOR).log()

    def torchaudio_mfcc(self, x: Tensor) -> Tensor:
        return self.cepstra(x)

    def librosa(self, x: np.ndarray) -> np.ndarray:
        power = librosa.feature.melspectrogram(
            y=x, sr=RATE, n_fft=POINTS, hop_length=HOP, window=LONG_WINDOW.numpy(), center=False, n_mels=MELS,
            fmin=OPTIONS.f_min, htk=True, norm=None,
        )  # fmt: skip
        return np.log(np.maximum(power, FLOOR))

    def librosa_mfcc(self, x: np.ndarray) -> np.ndarray:
        return librosa.feature.mfcc(S=self.librosa(x), n_mfcc=CEPSTRA)


def recording(batch: int, seconds: float) -> Tensor:
    """(B, N): noise under an envelope like that of syllables."""
    generator = torch.Generator().manual_seed(0)
    time_axis = torch.arange(round(seconds * RATE)) / RATE
    return 0.1 * torch.sin(2 * torch.pi * 2 * time_axis) * torch.randn(batch, len(time_axis), generator=generator)


def systems(x: Tensor, kind: str, kaldi: Peer) -> dict[str, Callable]:
    """What each system does in a round."""
    peers, padded = Peers(), torch.nn.functional.pad(x, (0, POINTS - WINDOW))
    array = padded.numpy()
    if kind == "mfcc":
        return {
            "asrlab": lambda: mfcc(log_mel(x, OPTIONS), CEPSTRA),
            "torchaudio": lambda: peers.torchaudio_mfcc(padded),
            "librosa": lambda: peers.librosa_mfcc(array),
            "kaldi_native_fbank": kaldi.timed("mfcc", mels=MELS, coefficients=CEPSTRA),
        }
    return {
        "asrlab": lambda: log_mel(x, OPTIONS),
        "torch_stft": lambda: peers.torch_stft(padded),
        "torchaudio": lambda: peers.torchaudio(padded),
        "librosa": lambda: peers.librosa(array),
        "kaldi_native_fbank": kaldi.timed("log_mel", mels=MELS),
    }


def check(case: str, found: dict[str, Callable]) -> None:
    """All compute the same. Raises AsrlabError otherwise."""
    ours = found["asrlab"]().transpose(1, 2)
    for name, function in found.items():
        if name in ("asrlab", "kaldi_native_fbank"):
            continue
        theirs = torch.as_tensor(function())
        if theirs.shape != ours.shape:
            raise AsrlabError(f"{case}, {name}: shape {tuple(theirs.shape)}, expected {tuple(ours.shape)}")
        apart = float((theirs - ours).abs().mean())
        # torchaudio's MFCC adds 1e-6 before the logarithm
        if apart > (0.1 if case == "mfcc" and name == "torchaudio" else 1e-3):
            raise AsrlabError(f"{case}, {name}: differs by {apart:.2g} on average; the comparison is not fair")


def main(arguments: list[str] | None = None) -> int:
    """Time, print and write the receipt."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the recording")
    parser.add_argument("--repeats", type=int, default=15, help="rounds, of which the median counts")
    threads = sorted({1, cores()})
    parser.add_argument("--threads", type=int, nargs="+", default=threads, help="one comparison with each number")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/features.json"))
    options = parser.parse_args(arguments)
    began, commit = time.perf_counter(), receipt.code_state()
    python = peer_python("kaldi-native-fbank", REQUIREMENTS)
    metrics = {}
    shapes = {"long": (1, options.seconds), "batch": (16, options.seconds / 12), "mfcc": (1, options.seconds)}
    script = Path(__file__).with_name("peer_kaldi_fbank.py")
    with tempfile.TemporaryDirectory() as folder, Peer(python, script) as kaldi, torch.inference_mode():
        for threads in options.threads:
            torch.set_num_threads(threads)
            with threadpool_limits(threads):
                for case, shape in shapes.items():
                    x = recording(*shape)
                    np.save(Path(folder) / "waveforms.npy", x.numpy())
                    kaldi("prepare", path=str(Path(folder) / "waveforms.npy"))
                    running = systems(x, case, kaldi)
                    check(case, running)
                    name = f"{case}.{threads}_thread{'s' if threads > 1 else ''}"
                    metrics |= compare({name: running}, repeats=options.repeats, warmup=3)
    for name, value in metrics.items():
        unit = "x" if name.startswith("ratio") else "ms"
        print(f"{name:48} {value if unit == 'x' else value * 1000:9.2f} {unit}")
    command = ["python", "-m", "benchmarks.features", *(sys.argv[1:] if arguments is None else arguments)]
    receipt.write(
        options.out, "features", command, metrics, seed=0, wall_seconds=time.perf_counter() - began, commit=commit,
        peers=list(REQUIREMENTS), repeats=options.repeats, seconds=options.seconds,
    )  # fmt: skip
    print(f"receipt: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
