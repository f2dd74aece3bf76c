"""A neural language model: how probable each next word, or letter, is after *all* that came before.

An n-gram forgets what lies more than n - 1 words back, and a word that it saw in other company tells it nothing about
its like.  An LSTM (Mikolov et al. 2010 for its ancestor, Sundermeyer et al. 2012) or a Transformer (Irie et al. 2019)
carries the whole beginning of the sentence, and learns which words behave alike.  It has no states that a search could
merge, so it does not walk in the decoder: it scores whole hypotheses (`asrlab.decode.rescore`).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn

from asrlab.core import config, sealed
from asrlab.core.config import Between, Chance, Count, Options, Positive, Width
from asrlab.core.errors import AsrlabError
from asrlab.core.files import write_whole
from asrlab.core.streams import Stream, length_mask, stack
from asrlab.core.weights import checked
from asrlab.decode.hypothesis import Hypothesis
from asrlab.language.kneser_ney import BEGIN, END
from asrlab.models.layers import Dropout, FeedForward, SelfAttention, chunk_mask
from asrlab.text import UNKNOWN, CharTokenizer, Tokenizer, WordTokenizer, tokenizer_from_dict

CONFIG, WEIGHTS = "language.json", "language.safetensors"
FORMAT = 1  # of the files in a directory
BOUNDARY = 0  # begins and ends every text, as for an attention decoder
BATCH = 64  # sentences that are scored at once
RARE = 0.5  # share of the words seen once that training reads as unknown, so that it learns where unknown ones come

Text = str | Sequence[str]


@dataclass(frozen=True)
class NeuralOptions(Options):
    """What a `NeuralLM` is and how it is trained."""

    kind: Literal["lstm", "transformer"] = "lstm"
    unit: Literal["word", "char"] = "word"  # what is predicted; a word that was never seen is spelled only by "char"
    dim: Width = 64  # width of every layer
    layers: Annotated[int, Between(1, 64)] = 1
    heads: Annotated[int, Between(1, 64)] = 4  # of a Transformer; twice their number divides dim
    dropout: Chance = 0.2  # probability that a value is silenced in training
    epochs: Count = 20  # passes over the text
    batch: Count = 32  # sentences in one step
    learning_rate: Positive = 5e-3  # at the beginning; it falls to zero along a cosine
    seed: Annotated[int, Between(0, 2**53)] = 1  # decides initial weights, order and dropout

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind == "transformer" and self.dim % (2 * self.heads):
            raise AsrlabError(f"dim={self.dim}, heads={self.heads}: each head needs an even width; choose others")


class _Lstm(nn.Module):
    def __init__(self, o: NeuralOptions):
        super().__init__()
        self.lstm = nn.LSTM(o.dim, o.dim, o.layers, batch_first=True, dropout=o.dropout if o.layers > 1 else 0.0)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.lstm(x)[0]
        return found


class _Transformer(nn.Module):
    """Self-attention and feed-forward with residuals, normalised before each; a place sees itself and those before."""

    def __init__(self, o: NeuralOptions):
        super().__init__()
        self.attention = nn.ModuleList(SelfAttention(o.dim, o.heads) for _ in range(o.layers))
        self.forward_ = nn.ModuleList(FeedForward(o.dim, 4, o.dropout) for _ in range(o.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(o.dim) for _ in range(2 * o.layers))
        self.drop = Dropout(o.dropout)

    def forward(self, x: Tensor) -> Tensor:
        seen = chunk_mask(x.shape[1], 1, -1, x.device)[None, None]
        for i, (attend, change) in enumerate(zip(self.attention, self.forward_, strict=True)):
            x = x + self.drop(attend(self.norms[2 * i](x), seen))
            x = x + self.drop(change(self.norms[2 * i + 1](x)))
        return x


class Network(nn.Module):
    """Embedding, LSTM or Transformer, softmax: token ids `(B, L)` to logits `(B, L, V)` of the token after each."""

    def __init__(self, vocabulary: int, o: NeuralOptions):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, o.dim)
        self.body = _Lstm(o) if o.kind == "lstm" else _Transformer(o)
        self.norm = nn.LayerNorm(o.dim)
        self.drop = Dropout(o.dropout)
        self.out = nn.Linear(o.dim, vocabulary)

    def forward(self, tokens: Tensor) -> Tensor:
        found: Tensor = self.out(self.drop(self.norm(self.body(self.drop(self.embed(tokens))))))
        return found


class NeuralLM:
    """A trained network with its words: `train` it, `save` it, ask how probable sentences are.

    It is a `Scorer` of hypotheses, and its figures are in the units of `NGram`'s: `logprob` in nats of a whole
    sentence, its end included, and `perplexity` per word and sentence end, for letters too.

    >>> lm = NeuralLM.train(["turn left", "turn right"], NeuralOptions(dim=8, epochs=5))
    >>> lm.perplexity(["turn left"]) > 1
    True
    """

    def __init__(self, network: Network, tokenizer: Tokenizer, options: NeuralOptions):
        self.network, self.tokenizer, self.options = network.eval(), tokenizer, options

    @classmethod
    def train(
        cls,
        sentences: Iterable[Text],
        options: NeuralOptions = NeuralOptions(),
        dev: Iterable[Text] | None = None,
        vocabulary: Iterable[str] = (),
    ) -> "NeuralLM":
        """Learn from text.

        Args:
            sentences: texts (split at white space) or word sequences.
            options: see `NeuralOptions`.
            dev: other sentences; the epoch with the lowest perplexity on them is kept. Without, the last one.
            vocabulary: further words to know, for instance those of a lexicon.

        Raises:
            AsrlabError: no sentence, or a word that n-grams refuse too (`<s>`, `</s>`).
        """
        texts = _texts(sentences)
        if not texts:
            raise AsrlabError("sentences: none; a language model needs at least one sentence to learn from")
        words = [*texts, *vocabulary]
        tokenizer: Tokenizer
        if options.unit == "char":
            tokenizer = CharTokenizer.fit(words, unknown=True)
        else:
            tokenizer = WordTokenizer.fit(words, unknown=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            lm = cls(Network(len(tokenizer), options), tokenizer, options)
            lm._fit([torch.tensor(tokenizer.encode(text)) for text in texts], _texts(dev or ()))
        return lm

    def _fit(self, data: Sequence[Tensor], dev: Sequence[str]) -> None:
        o, net = self.options, self.network
        optimizer = torch.optim.AdamW(net.parameters(), o.learning_rate)
        steps = o.epochs * math.ceil(len(data) / o.batch)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.5 + 0.5 * math.cos(math.pi * k / steps))
        counts = Counter(token for text in data for token in text.tolist())
        once = torch.tensor([counts[token] == 1 for token in range(len(self.tokenizer))])
        unknown = self._unknown
        best, kept = math.inf, dict[str, Tensor]()
        for _ in range(o.epochs):
            net.train()
            order = torch.randperm(len(data)).tolist()
            for k in range(0, len(data), o.batch):
                batch = stack([data[i] for i in order[k : k + o.batch]])
                values = batch.values.long()
                values = torch.where(once[values] & (torch.rand(values.shape) < RARE), unknown, values)
                nats = -_log_probs(net, Stream(values, batch.lengths))
                loss = nats.sum() / (batch.lengths + 1).sum()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]  # of torch
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()
                schedule.step()
            net.eval()
            if dev and (found := self.perplexity(dev)) < best:
                best, kept = found, {name: value.clone() for name, value in net.state_dict().items()}
        if kept:
            net.load_state_dict(kept)

    @property
    def _unknown(self) -> int:
        return next(i for i, token in enumerate(self.tokenizer.tokens) if token.endswith(UNKNOWN))

    def logprobs(self, sentences: Iterable[Text]) -> list[float]:
        """Log-probability (nats) of each sentence, its end included; unknown words count as unknown."""
        texts = _texts(sentences)
        found = dict[int, float]()
        for rows in _by_length(texts, BATCH):
            batch = stack([torch.tensor(self.tokenizer.encode(texts[i]), dtype=torch.long) for i in rows])
            with torch.inference_mode():
                nats = _log_probs(self.network, Stream(batch.values.long(), batch.lengths))
            found |= dict(zip(rows, nats.tolist(), strict=True))
        return [found[i] for i in range(len(texts))]

    def logprob(self, sentence: Text) -> float:
        """Log-probability (nats) of a whole sentence, its end included."""
        return self.logprobs([sentence])[0]

    def __call__(self, hypotheses: Sequence[Hypothesis]) -> list[float]:
        """Log-probability (nats) of each hypothesis' text: a `Scorer` (`asrlab.decode.rescore`)."""
        return self.logprobs([h.text for h in hypotheses])

    @torch.inference_mode()
    def following(self, words: Text = "") -> dict[str, float]:
        """Log-probability (nats) of every token that may follow, and of "</s>", the end."""
        ids = [BOUNDARY, *self.tokenizer.encode(_texts([words])[0])]
        nats = self.network(torch.tensor([ids]))[0, -1].double().log_softmax(dim=-1).tolist()
        return {END if i == BOUNDARY else token: nats[i] for i, token in enumerate(self.tokenizer.tokens)}

    def perplexity(self, sentences: Iterable[Text]) -> float:
        """exp of the mean negative log-probability per word and sentence end, as `NGram.perplexity`."""
        texts = _texts(sentences)
        if not texts:
            raise AsrlabError("sentences: none; perplexity is a mean over at least one sentence")
        return math.exp(-math.fsum(self.logprobs(texts)) / sum(len(text.split()) + 1 for text in texts))

    def save(self, directory: Path | str) -> None:
        """Write language.json and language.safetensors. Raises AsrlabError if the directory cannot be written."""
        directory = Path(directory)
        write_whole(directory / WEIGHTS, save({k: v.contiguous() for k, v in self.network.state_dict().items()}))
        description = {
            "format": FORMAT,
            "options": config.to_dict(self.options),
            "tokenizer": self.tokenizer.to_dict(),
        }
        sealed.write(directory / CONFIG, description, [WEIGHTS])

    @classmethod
    def load(cls, directory: Path | str) -> "NeuralLM":
        """Read what `save` wrote. Raises AsrlabError naming the file that is missing, damaged or foreign."""
        directory = Path(directory)
        where = directory / CONFIG
        d: Any = sealed.read(where, "no neural language model here; give a directory that `NeuralLM.save` wrote")
        if not isinstance(d, Mapping) or d.get("format") != FORMAT or not {"options", "tokenizer"} <= d.keys():
            raise AsrlabError(f"{where}: no description of a neural language model; {sealed.REMEDY}")
        data = sealed.check(where, d, [WEIGHTS])[WEIGHTS]
        options = config.from_dict(NeuralOptions, d["options"], f"{where}: options")
        try:
            tokenizer = tokenizer_from_dict(d["tokenizer"])
        except (ValueError, TypeError, AttributeError) as error:
            raise AsrlabError(f"{where}: {error}; {sealed.REMEDY}") from error
        with torch.device("meta"):
            expected = Network(len(tokenizer), options).state_dict()
        network = Network(len(tokenizer), options)
        network.load_state_dict(checked(directory / WEIGHTS, data, expected, CONFIG))
        return cls(network, tokenizer, options)

    def __repr__(self) -> str:
        o = self.options
        return f"NeuralLM({o.kind}, {o.unit}, dim={o.dim}, layers={o.layers}, tokens={len(self.tokenizer)})"


def _log_probs(network: nn.Module, batch: Stream) -> Tensor:
    """`(B,)` nats of texts `(B, L)`, their ends included."""
    after = F.pad(batch.values, (0, 1), value=BOUNDARY)  # padded with the boundary: each text's end is there already
    before = F.pad(batch.values, (1, 0), value=BOUNDARY)
    nats = network(before).log_softmax(dim=-1).gather(2, after[..., None]).squeeze(2)
    real = length_mask(batch.lengths + 1, after.shape[1])
    return nats.double().masked_fill(~real, 0.0).sum(dim=1)


def _by_length(texts: Sequence[str], batch: int) -> Iterator[list[int]]:
    """Indices of texts, neighbours in length together."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    for k in range(0, len(order), batch):
        yield order[k : k + batch]


def _texts(sentences: Iterable[Text]) -> list[str]:
    """Sentences as words with single spaces between them."""
    if isinstance(sentences, str):
        raise AsrlabError(f"sentences={sentences[:40]!r}: one string; pass a list of sentences")
    found = [" ".join(s.split() if isinstance(s, str) else s) for s in sentences]
    for text in found:
        if {BEGIN, END} & set(text.split()):
            raise AsrlabError(f"sentence {text[:60]!r}: has a sentence mark; clean the text first")
    return found
