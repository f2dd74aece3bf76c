"""Features against librosa and torchaudio, finite differences, loops and invariants."""

import math

import librosa
import numpy as np
import pytest
import torch
import torchaudio
from torchaudio.compliance import kaldi

from asrlab.core.errors import AsrlabError
from asrlab.core.streams import length_mask
from asrlab.signals import features
from asrlab.signals.features import FrontEnd, FrontEndOptions

RATE = 16000
PLAIN = FrontEndOptions(pre_emphasis=0.0, f_min=0.0, floor=1e-12)
HANN = torch.hann_window(400)


@pytest.fixture(autouse=True)
def same_numbers_each_time():
    torch.manual_seed(0)


def speech_like(batch: int = 1, seconds: float = 1.0, seed: int = 0, dtype=torch.float32) -> torch.Tensor:
    """Voiced and unvoiced stretches: harmonics under a moving envelope, and noise."""
    generator = torch.Generator().manual_seed(seed)
    time = torch.arange(round(seconds * RATE), dtype=torch.float64) / RATE
    pitch = 110 + 30 * torch.rand(batch, 1, generator=generator, dtype=torch.float64)
    voiced = sum(torch.sin(2 * torch.pi * k * pitch * time) / k for k in range(1, 20))
    noise = torch.randn(batch, len(time), generator=generator, dtype=torch.float64)
    envelope = torch.sin(2 * torch.pi * 3 * time).abs()
    return (0.1 * envelope * voiced + 0.02 * (1.1 - envelope) * noise).to(dtype)


def every_kind():
    return [
        FrontEndOptions(),
        FrontEndOptions(kind="mfcc", deltas=True),
        FrontEndOptions(normalise="level"),
        FrontEndOptions(normalise="running", mel_scale="slaney", n_mels=40),
        FrontEndOptions(normalise="none", pre_emphasis=0.0, deltas=True),
        FrontEndOptions(sample_rate=8000, n_mels=33, window_ms=32, hop_ms=12.5),
    ]


# The spectrum and the filters


@pytest.mark.parametrize("n_fft", [400, 512])
def test_stft_equals_torch_and_librosa(n_fft):
    x = speech_like(2)
    ours = features.stft(x, n_fft, HANN, 160)
    window = torch.nn.functional.pad(HANN, (0, n_fft - 400))  # torch would put a short window into the middle
    padded = torch.nn.functional.pad(x, (0, n_fft - 400))
    oracle = torch.stft(padded, n_fft, 160, n_fft, window, center=False, return_complex=True).transpose(1, 2)
    assert torch.allclose(ours, oracle, atol=1e-5)
    oracle = librosa.stft(padded.numpy(), n_fft=n_fft, hop_length=160, window=window.numpy(), center=False)
    np.testing.assert_allclose(ours, oracle.swapaxes(1, 2), atol=1e-4)
    assert torch.allclose(features.power_spectrum(x, n_fft, HANN, 160), ours.abs().square(), rtol=1e-4, atol=1e-6)


def test_stft_of_a_sine_lies_in_its_bin():
    x = torch.cos(2 * torch.pi * 40 * 50 * torch.arange(400) / RATE)  # bin 50 of 400 points, 40 Hz each
    power = features.power_spectrum(x, 400, HANN, 160)[0]
    assert power.argmax() == 50
    assert float(power[50]) == pytest.approx(float(HANN.sum() / 2) ** 2, rel=1e-4)  # amplitude 1: half the window's sum
    assert power[:48].max() + power[53:].max() < 1e-6 * power[50]


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("n_mels, f_min, f_max", [(80, 0.0, 8000.0), (40, 20.0, 7600.0), (23, 125.0, 3800.0)])
def test_filters_equal_librosa_and_torchaudio(scale, n_mels, f_min, f_max):
    n_fft = 1024 if n_mels == 80 else 512
    ours = features.mel_filterbank(n_mels, n_fft, RATE, f_min, f_max, scale)
    norm = "slaney" if scale == "slaney" else None
    oracle = librosa.filters.mel(
        sr=RATE, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=scale == "htk", norm=norm, dtype=np.float64
    )
    np.testing.assert_allclose(ours, oracle.T, atol=1e-12)
    oracle = torchaudio.functional.melscale_fbanks(1 + n_fft // 2, f_min, f_max, n_mels, RATE, norm, scale)
    assert torch.allclose(ours.float(), oracle, atol=1e-5)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scale_and_back(scale):
    hz = torch.linspace(0, 8000, 999, dtype=torch.float64)
    assert torch.allclose(features.mel_to_hz(features.hz_to_mel(hz, scale), scale), hz, atol=1e-8)
    np.testing.assert_allclose(
        features.hz_to_mel(hz, scale), librosa.hz_to_mel(hz.numpy(), htk=scale == "htk"), atol=1e-9
    )
    if scale == "htk":
        assert float(features.hz_to_mel(torch.tensor(1000.0, dtype=torch.float64))) == pytest.approx(1000, abs=0.05)


@pytest.mark.parametrize("edges", [(0.0, 8001.0), (-1.0, None), (5000.0, 4000.0)])
def test_filters_know_the_nyquist_frequency(edges):
    with pytest.raises(AsrlabError, match=r"f_min=.* expected 0 <= f_min < f_max <= 8000"):
        features.mel_filterbank(40, 512, RATE, *edges)
    with pytest.raises(AsrlabError, match=r"n_mels=128 with n_fft=512: filter \d+ falls between two frequency bins"):
        features.mel_filterbank(128, 512, RATE)


# Log-mel, MFCC and derivatives


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_log_mel_equals_torchaudio_and_librosa(scale):
    x = speech_like(2)
    options = FrontEndOptions(pre_emphasis=0.0, mel_scale=scale, floor=1e-12, n_fft=400, n_mels=40)
    ours = features.log_mel(x, options)
    norm = "slaney" if scale == "slaney" else None
    transform = torchaudio.transforms.MelSpectrogram(
        RATE, 400, hop_length=160, f_min=20.0, n_mels=40, center=False, mel_scale=scale, norm=norm
    )
    assert torch.allclose(ours, transform(x).clamp(min=1e-12).log().transpose(1, 2), atol=2e-4)
    oracle = librosa.feature.melspectrogram(
        y=x.double().numpy(), sr=RATE, n_fft=400, hop_length=160, center=False, n_mels=40, fmin=20.0,
        htk=scale == "htk", norm=norm,
    )  # fmt: skip
    np.testing.assert_allclose(features.log_mel(x.double(), options), np.log(oracle).swapaxes(1, 2), atol=1e-6)


def test_log_mel_equals_kaldi_but_for_the_shape_of_its_triangles():
    """Kaldi's triangles are straight in mel, ours (as librosa's) in Hz: with its own filters the rest is equal."""
    x = speech_like(1, dtype=torch.float64)
    oracle = kaldi.fbank(
        x, num_mel_bins=40, dither=0.0, preemphasis_coefficient=0.97, remove_dc_offset=False, window_type="povey",
        snip_edges=True, low_freq=20.0,
    )  # fmt: skip
    bank, _ = kaldi.get_mel_banks(40, 512, float(RATE), 20.0, 0.0, 100.0, -500.0, 1.0)
    povey = torch.hann_window(400, periodic=False, dtype=torch.float64).pow(0.85)
    emphasised = x - 0.97 * torch.nn.functional.pad(x[:, :-1], (1, 0))
    ours = (features.power_spectrum(emphasised, 512, povey, 160)[0, :, :256] @ bank.T.double()).log()
    assert torch.allclose(ours[1:], oracle.double()[1:], atol=1e-5)
    # the whole of ours is close to the whole of Kaldi's: the same sounds at the same places
    whole = features.log_mel(x.float(), FrontEndOptions(n_mels=40))[0]
    assert (whole - oracle.float()).abs().mean() < 0.15
    assert whole.shape == oracle.shape


@pytest.mark.parametrize("step", [30, 250, 10000], ids=["parts", "two together", "all together"])
@pytest.mark.parametrize("options", every_kind())
def test_blocks_equal_the_definition(options, step, monkeypatch):
    """The fast way on a CPU, whatever its blocks, against spectrum times filters in float64."""
    monkeypatch.setattr(features, "BLOCK", step)
    x = speech_like(3)
    fast = features.log_mel(x, options)
    lifted = x.double() - options.pre_emphasis * torch.nn.functional.pad(x.double()[:, :-1], (1, 0))
    window = torch.hann_window(options.window, dtype=torch.float64)
    bank = features.mel_filterbank(
        options.n_mels, options.fft_size, options.sample_rate, options.f_min, options.f_max, options.mel_scale
    )
    power = features.power_spectrum(lifted, options.fft_size, window, options.hop)
    slow = (power @ bank).clamp(min=options.floor).log()
    assert torch.allclose(fast.double(), slow, atol=1e-4)
    assert torch.allclose(features.log_mel(x.double().requires_grad_(), options), slow, atol=1e-9)
    assert torch.equal(features.log_mel(x[0], options), fast[0])  # without a batch


def test_mfcc_equals_librosa_and_torchaudio():
    x = speech_like(2)
    options = FrontEndOptions(pre_emphasis=0.0, n_fft=400, n_mels=40)
    logs = features.log_mel(x, options)
    ours = features.mfcc(logs, 13)
    np.testing.assert_allclose(
        ours, librosa.feature.mfcc(S=logs.numpy().swapaxes(1, 2), n_mfcc=13).swapaxes(1, 2), atol=1e-4
    )
    keywords = {"n_fft": 400, "hop_length": 160, "f_min": 20.0, "n_mels": 40, "center": False}
    oracle = torchaudio.transforms.MFCC(RATE, 13, log_mels=True, melkwargs=keywords)(x).transpose(1, 2)
    added = (logs.exp() + 1e-6).log()  # as torchaudio does
    assert torch.allclose(features.mfcc(added, 13), oracle, atol=2e-4)
    complete = features.mfcc(logs.double(), 40)
    assert torch.allclose(complete.square().sum(-1), logs.double().square().sum(-1))  # orthonormal


@pytest.mark.parametrize("width", [3, 5, 9])
def test_deltas_equal_torchaudio_and_the_slope_of_a_line(width):
    x = torch.randn(2, 30, 7)
    oracle = torchaudio.functional.compute_deltas(x.transpose(1, 2), win_length=width).transpose(1, 2)
    assert torch.allclose(features.deltas(x, width=width), oracle, atol=1e-6)
    line = 0.7 * torch.arange(30.0)[None, :, None] + 3
    inner = slice(width // 2, -(width // 2))
    assert torch.allclose(features.deltas(line, width=width)[:, inner], torch.tensor(0.7), atol=1e-5)


def test_deltas_respect_lengths():
    x, lengths = torch.randn(3, 20, 4), torch.tensor([20, 7, 1])
    together = features.deltas(x, lengths)
    for i, length in enumerate(lengths):
        assert torch.equal(together[i, :length], features.deltas(x[i : i + 1, :length])[0])
    for width in (4, 1):
        with pytest.raises(AsrlabError, match=f"width={width}: give an odd number"):
            features.deltas(x, width=width)


# Normalisation


def test_utterance_normalisation_equals_numpy():
    x, lengths = torch.randn(3, 50, 8) * 4 + 9, torch.tensor([50, 20, 1])
    ours = features.normalise_utterance(x, lengths, epsilon=0.0)
    for i, length in enumerate(lengths[:2]):
        part = x[i, :length].double().numpy()
        np.testing.assert_allclose(ours[i, :length], (part - part.mean(0)) / part.std(0), atol=1e-5)
    assert ours[1, 20:].eq(0).all()
    assert features.normalise_utterance(x, lengths)[2].eq(0).all()  # one frame, or a constant: zero, not NaN


def test_normalisation_of_the_level_keeps_the_spectrum():
    x, lengths = torch.randn(2, 50, 8) * 4 + 9 + torch.arange(8), torch.tensor([50, 20])
    ours = features.normalise_utterance(x, lengths, epsilon=0.0, together=True)
    for i, length in enumerate(lengths):
        part = x[i, :length].double().numpy()
        np.testing.assert_allclose(ours[i, :length], (part - part.mean()) / part.std(), atol=1e-5)
    assert ours[1, 20:].eq(0).all()


def running_loop(x: np.ndarray, time_constant: float, epsilon: float) -> np.ndarray:
    """Weighted mean and variance by their definition."""
    out = []
    for t in range(len(x)):
        weights = np.exp(-np.arange(t, -1, -1) / time_constant)
        weights /= weights.sum()
        mean = weights @ x[: t + 1]
        variance = weights @ (x[: t + 1] - mean) ** 2
        out.append((x[t] - mean) / np.sqrt(variance + epsilon))
    return np.array(out)


@pytest.mark.parametrize("time_constant", [0.5, 10.0, 300.0])
def test_running_normalisation_equals_its_definition(time_constant):
    x = torch.randn(2, 150, 3) * 2 - 15
    ours, _ = features.normalise_running(x.double(), time_constant)
    for i in range(2):
        expected = running_loop(x[i].double().numpy(), time_constant, 1e-5)
        np.testing.assert_allclose(ours[i], expected, atol=1e-9)
    assert torch.allclose(features.normalise_running(x, time_constant)[0].double(), ours, atol=1e-3)


@pytest.mark.parametrize("sizes", [[1] * 150, [64, 64, 22], [7, 100, 43]])
def test_running_normalisation_in_pieces_equals_the_whole(sizes):
    x = torch.randn(2, 150, 3) * 2 - 15
    whole, end = features.normalise_running(x, 40.0)
    state, pieces = None, []
    for piece in x.split(sizes, dim=1):
        done, state = features.normalise_running(piece, 40.0, state)
        pieces.append(done)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-4)
    assert state.weight == pytest.approx(end.weight)
    assert torch.allclose(state.scatter, end.scatter, rtol=1e-4)


def test_running_normalisation_is_causal_and_calm_on_a_constant():
    x = torch.randn(1, 100, 3)
    changed = x.clone()
    changed[:, 60:] += 5
    before, after = (features.normalise_running(v, 20.0)[0] for v in (x, changed))
    assert torch.equal(before[:, :60], after[:, :60])
    constant, _ = features.normalise_running(torch.full((1, 500, 1), math.log(1e-8)), 30.0)
    assert constant.abs().max() < 0.01
    with pytest.raises(AsrlabError, match="time_constant=0"):
        features.normalise_running(x, 0.0)


# The front end as a whole


@pytest.mark.parametrize("options", every_kind())
def test_padded_batch_equals_each_utterance(options):
    front_end = FrontEnd(options).eval()
    lengths = torch.tensor([16000, 9001, options.window + 9 * options.hop, options.window])
    x = speech_like(4)
    x[1, 9001:] = 0.7  # what lies beyond an utterance's end is nobody's business
    together, frames = front_end(x, lengths)
    assert together.shape == (4, frames[0], front_end.dim)
    assert frames.tolist() == [1 + (n - options.window) // options.hop for n in lengths.tolist()]
    for i, (length, count) in enumerate(zip(lengths, frames, strict=True)):
        alone, _ = front_end(x[i : i + 1, :length], lengths[i : i + 1])
        assert torch.allclose(together[i, :count], alone[0], atol=2e-5)
        assert together[i, count:].eq(0).all()


@pytest.mark.parametrize("options", every_kind())
def test_a_shift_by_one_hop_shifts_the_frames(options):
    if options.normalise != "none":
        options = FrontEndOptions(**{**options.__dict__, "normalise": "none", "deltas": False})
    front_end = FrontEnd(options)
    x = speech_like(1)
    shifted = torch.nn.functional.pad(x, (options.hop, 0))
    lengths = torch.tensor([16000])
    first, later = front_end(x, lengths)[0], front_end(shifted, lengths + options.hop)[0]
    inner = slice(2, -2) if options.deltas else slice(None)
    inner = slice(4, -4) if options.deltas else inner
    assert torch.allclose(later[:, 1:][:, inner], first[:, inner], atol=1e-4)


def test_gain_is_a_constant_that_normalisation_removes():
    x, lengths = speech_like(2), torch.tensor([16000, 12000])
    plain = FrontEnd(FrontEndOptions(normalise="none", floor=1e-12))
    quiet, loud = plain(x, lengths)[0], plain(4 * x, lengths)[0]
    inside = length_mask(plain.frames(lengths), quiet.shape[1])
    assert torch.allclose(loud[inside] - quiet[inside], torch.tensor(2 * math.log(4)), atol=1e-4)
    for normalise in ("utterance", "level", "running"):
        front_end = FrontEnd(FrontEndOptions(normalise=normalise, floor=1e-12))
        assert torch.allclose(front_end(x, lengths)[0], front_end(4 * x, lengths)[0], atol=2e-3)


def test_silence_and_a_square_are_finite():
    lengths = torch.tensor([8000])
    for options in every_kind():
        for x in (torch.zeros(1, 8000), torch.ones(1, 8000), torch.ones(1, 8000) * 1e4):
            assert FrontEnd(options)(x, lengths)[0].isfinite().all()


@pytest.mark.parametrize("options", every_kind())
def test_gradients_are_right(options):
    options = FrontEndOptions(
        **{**options.__dict__, "window_ms": 2.0, "hop_ms": 1.0, "n_mels": 5, "n_mfcc": 3, "n_fft": 64}
    )
    front_end = FrontEnd(options)
    samples = options.window + 3 * options.hop
    x = torch.randn(2, samples, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([samples, samples - options.hop])
    assert torch.autograd.gradcheck(lambda w: front_end(w, lengths)[0], x, atol=1e-4)


def test_the_gradient_does_not_depend_on_who_came_first():
    """Constants that were made under inference mode would be unusable for a gradient."""
    options = FrontEndOptions(n_mels=37, n_mfcc=11, kind="mfcc")  # used nowhere else
    with torch.inference_mode():
        FrontEnd(options)(speech_like(1), torch.tensor([16000]))
    x = speech_like(1).requires_grad_()
    FrontEnd(options)(x, torch.tensor([16000]))[0].square().sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("options", every_kind())
def test_autocast_and_half_precision_change_nothing(options):
    front_end, lengths = FrontEnd(options), torch.tensor([16000, 10000])
    x = speech_like(2)
    expected, _ = front_end(x, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = front_end(x, lengths)
        gradient_way, _ = front_end(x.requires_grad_(), lengths)
    assert found.dtype == gradient_way.dtype == torch.float32
    assert torch.equal(found, expected)
    assert torch.allclose(gradient_way, expected, atol=1e-4)
    rounded = x.detach().bfloat16()
    assert torch.equal(front_end(rounded, lengths)[0], front_end(rounded.float(), lengths)[0])
    assert front_end(x.detach().double(), lengths)[0].dtype == torch.float64


def test_dither_is_for_training_only():
    front_end, lengths = FrontEnd(FrontEndOptions(dither=1e-3)), torch.tensor([16000])
    x = speech_like(1)
    assert not torch.equal(front_end.train()(x, lengths)[0], front_end(x, lengths)[0])
    assert torch.equal(front_end.eval()(x, lengths)[0], FrontEnd()(x, lengths)[0])


def test_dimensions_and_times():
    assert FrontEnd().dim == 80
    assert FrontEnd(FrontEndOptions(kind="mfcc", deltas=True)).dim == 39
    assert FrontEnd(FrontEndOptions(sample_rate=8000)).hop_seconds == 0.01


@pytest.mark.parametrize(
    "waveforms, lengths, message",
    [
        (torch.zeros(1, 1), [1], "utterance 0 of the batch: 1 samples, but the shortest allowed is one window of 400"),
        (torch.zeros(2, 900), [900, 399], "utterance 1 of the batch: 399 samples, but the shortest allowed"),
        (torch.zeros(1, 900), [901], "901 samples named, but the batch holds 900"),
        (torch.zeros(900), [900], r"expected \(B, N\) and \(B,\)"),
        (torch.zeros(2, 900), [900], r"expected \(B, N\) and \(B,\)"),
        (torch.zeros(1, 900, dtype=torch.int16), [900], r"waveforms of torch.int16: give floats in \[-1, 1\]"),
    ],
)
def test_bad_waveforms_are_named(waveforms, lengths, message):
    with pytest.raises(AsrlabError, match=message):
        FrontEnd()(waveforms, torch.tensor(lengths))


def test_functions_name_the_shortest_waveform():
    for function in (features.log_mel, lambda x: features.stft(x, 512, HANN, 160)):
        with pytest.raises(AsrlabError, match="waveform of 399 samples: the shortest allowed is one window of 400"):
            function(torch.zeros(1, 399))


@pytest.mark.parametrize(
    "field, value",
    [
        ("kind", "plp"),
        ("mel_scale", "bark"),
        ("normalise", "yes"),
        ("n_mels", 0),
        ("hop_ms", -1.0),
        ("n_fft", 256),
        ("n_mfcc", 99),
    ],
)
def test_bad_options_are_named(field, value):
    with pytest.raises(AsrlabError, match=f"{field}={value!r}"):
        FrontEndOptions(**{"kind": "mfcc", field: value})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", every_kind())
def test_a_gpu_gives_what_the_cpu_gives(options):
    front_end, x, lengths = FrontEnd(options), speech_like(2), torch.tensor([16000, 9000])
    found, frames = front_end(x.cuda(), lengths)
    expected, _ = front_end(x, lengths)
    assert found.device.type == frames.device.type == "cuda"
    assert torch.allclose(found.cpu(), expected, atol=1e-3)


def test_a_window_has_samples():
    with pytest.raises(AsrlabError, match=r"window_ms=0\.01, hop_ms=10\.0: less than a sample; give more"):
        FrontEndOptions(window_ms=0.01)


def test_impossible_filters_are_an_error_at_once():
    with pytest.raises(AsrlabError, match=r"f_max=9000 Hz: expected 0 <= f_min < f_max <= 8000"):
        FrontEnd(FrontEndOptions(f_max=9000.0))
    with pytest.raises(AsrlabError, match=r"use fewer filters, a larger n_fft or a higher f_min"):
        FrontEnd(FrontEndOptions(n_mels=128))
    assert FrontEnd(FrontEndOptions(n_mels=128, n_fft=1024)).dim == 128
