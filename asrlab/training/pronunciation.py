"""Which pronunciation was used? A dictionary offers several ("a": AH or EY); the model itself says which it hears.

The classical recogniser does the same when it realigns its training data (Young et al., The HTK Book, section 3.2.5).
"""

import random
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from asrlab.recognizer import Recognizer
from asrlab.training.batching import Speech


def guess_pronunciations(dataset: Speech, seed: int, epoch: int) -> None:
    """Give every word of `dataset` one of its pronunciations by chance, other ones in each epoch.

    For the time before the model can tell. Had it always learned the first of the dictionary, it would hear that one
    ever after: the letter "a" as the article.
    """
    draw = random.Random(f"{seed}/{epoch}")
    for i, words in enumerate(_pronunciations(dataset)):
        if words:
            dataset.speak(i, [draw.randrange(len(spoken)) for spoken in words])


def longest_targets(dataset: Speech) -> list[Sequence[int] | Tensor]:
    """The most phones that each utterance of `dataset` can have, whichever pronunciations are chosen."""
    spoken = zip(_pronunciations(dataset), dataset.targets, strict=True)
    return [[phone for word in words for phone in max(word, key=len)] or target for words, target in spoken]


def choose_pronunciations(recognizer: Recognizer, dataset: Speech) -> int:
    """Give every word of `dataset` the pronunciation that the recogniser finds likeliest; returns how many changed.

    Each word is tried in all its pronunciations while the others keep theirs; then all words take their best at once.
    """
    counts = [list(map(len, words)) for words in _pronunciations(dataset)]
    several = [i for i, of_words in enumerate(counts) if max(of_words, default=1) > 1]
    inputs = [{name: values.numpy() for name, values in dataset[i, 1.0].inputs.items()} for i in several]
    outputs = recognizer.log_probs(inputs)
    changed = 0
    for i, log_probs in zip(several, outputs, strict=True):
        before = dataset.spoken[i]
        tried = [(w, k) for w, count in enumerate(counts[i]) if count > 1 for k in range(count)]
        phones = [dataset.spell(i, [*before[:w], k, *before[w + 1 :]]) for w, k in tried]
        losses = dict(zip(tried, ctc_losses(torch.from_numpy(log_probs), phones).tolist(), strict=True))
        after = tuple(min(range(count), key=lambda k: losses.get((w, k), 0.0)) for w, count in enumerate(counts[i]))
        dataset.speak(i, after)
        changed += sum(a != b for a, b in zip(before, after, strict=True))
    return changed


def ctc_losses(log_probs: Tensor, targets: list[list[int]]) -> Tensor:
    """CTC loss in nats of one utterance `(T, V)` for each of several targets; infinite where one does not fit in."""
    lengths = torch.tensor([len(target) for target in targets])
    repeated = log_probs[:, None].expand(-1, len(targets), -1)
    flat = torch.tensor([phone for target in targets for phone in target])
    return F.ctc_loss(repeated, flat, torch.full((len(targets),), len(log_probs)), lengths, reduction="none")


def _pronunciations(dataset: Speech) -> list[list[list[tuple[int, ...]]]]:
    """How each word of each utterance may be said, in token ids; no words where the tokens are no phones."""
    tokenizer = dataset.tokenizer
    if tokenizer.lexicon is None:
        return [[] for _ in dataset.utterances]
    return [[tokenizer.pronunciations(word) for word in u.text.split()] for u in dataset.utterances]
