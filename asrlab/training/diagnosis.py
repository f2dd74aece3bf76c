"""What an expert would say of a training that goes wrong, from what the log shows of it."""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from asrlab.training.recipe import Recipe

SETTLED = 0.3  # of a training: before, silence and sameness are how every model begins
SILENT, ALIKE = 0.995, 0.1  # blank frames from here on; different answers for each different text up to here
LOOK = "If the loss does not fall at all, look at the transcripts: do they belong to these recordings?"


def diagnose(done: float, line: Mapping[str, float]) -> str | None:
    """Of a line of the log, with so much of the training done: a model that answers with silence, or always alike, when
    it should not any more."""
    if done < SETTLED:
        return None
    when = f"with {done:.0%} of the training done"
    if line.get("blank", 0.0) >= SILENT:
        return (
            f"epoch {line['epoch']}: {line['blank']:.1%} of the frames are blank {when}. The model has learned to be "
            f"silent. Try a longer warm-up, or a learning rate two or three times smaller. {LOOK}"
        )
    error = min(line.get("dev_wer", 0.0), line.get("dev_cer", 0.0))
    if line.get("variety", 1.0) <= ALIKE and error > 0.5:
        return (
            f"epoch {line['epoch']}: nearly all answers on dev are alike {when} (CER {line['dev_cer']:.0%}). The model "
            "has learned what is common in the texts, and not to listen. Give it more steps (a smaller batch_seconds, "
            "more epochs), a learning rate two or three times smaller, or more to learn from; for a few minutes of "
            f"speech there are the recipes small and fine-tune. {LOOK}"
        )
    return None


def explain_not_finite(
    epoch: int, step: int, utterances: Sequence[str], losses: Tensor, recipe: Recipe, rate: float
) -> str:
    """What to say when a gradient is no number; `utterances` are named with their files."""
    bad = [name for name, value in zip(utterances, losses.tolist(), strict=True) if not math.isfinite(value)]
    where = f"epoch {epoch + 1}, step {step + 1}, learning rate {rate:.2e} (learning_rate={recipe.learning_rate:g})"
    if bad:
        return (
            f"{where}: the loss of {', '.join(bad[:3])} is not finite. If it is always these utterances, look at their "
            "audio and text; if not, lower learning_rate, or set precision=float32. The last checkpoint is intact."
        )
    return (
        f"{where}: the loss is finite but its gradient is not: lower learning_rate, or set precision=float32. "
        "The last checkpoint is intact."
    )
