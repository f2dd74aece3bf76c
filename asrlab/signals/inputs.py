"""Front ends by modality: which streams a recogniser reads, and what turns each into features.

A front end has no weights. `front_end(values, lengths) -> (features (B, T, F), lengths)`; it knows its `dim` (F), its
`hop_seconds` and the `rate` at which its values tick. A new modality is a module beside this one and a line in both
`InputOptions` and `make`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from asrlab.core.config import Options
from asrlab.core.errors import AsrlabError
from asrlab.core.streams import Stream
from asrlab.signals.features import FrontEnd, FrontEndOptions
from asrlab.signals.lips import LipsFrontEnd, LipsOptions


@dataclass(frozen=True)
class InputOptions(Options):
    sound: FrontEndOptions | None = field(default_factory=FrontEndOptions)  # waveforms to features, null: no sound
    lips: LipsOptions | None = None  # pictures of a mouth to features, null: no lips

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.names:
            raise AsrlabError("inputs: every one of them is null; give inputs.sound, say")

    @property
    def names(self) -> tuple[str, ...]:
        """The modalities that are read."""
        return tuple(name for name in ("sound", "lips") if getattr(self, name) is not None)


class FrontEnds(nn.ModuleDict):
    """The front ends of all modalities that are read, by name."""

    @property
    def rates(self) -> dict[str, float]:
        """Values a second of each modality that is read: samples, pictures, ..."""
        return {name: front_end.rate for name, front_end in self.items()}  # type: ignore[misc]  # of a ModuleDict

    def forward(self, inputs: Mapping[str, Stream]) -> dict[str, Stream]:
        """Features of each; raises AsrlabError if one is not among the inputs (an absent one has length 0)."""
        missing = [name for name in self if name not in inputs]
        if missing:
            there = ", ".join(inputs) or "none"
            raise AsrlabError(f"inputs {there}: there is no {missing[0]}; give it, with length 0 if absent")
        return {name: Stream(*front_end(*inputs[name])) for name, front_end in self.items()}

    def frames(self, lengths: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """How many frames of features (B,) come of so many values (B,)."""
        return {name: front_end.frames(lengths[name]) for name, front_end in self.items()}  # type: ignore[operator]


def make(options: InputOptions) -> FrontEnds:
    """The front ends that the options ask for."""
    made: dict[str, nn.Module] = {}
    if options.sound is not None:
        made["sound"] = FrontEnd(options.sound)
    if options.lips is not None:
        made["lips"] = LipsFrontEnd(options.lips)
    return FrontEnds(made)
