"""Mixtures of Gaussians with diagonal covariances: many of them at once, their densities and their re-estimation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

ROUNDS = 8  # of k-means, and of EM after it, when the Gaussians of a state are placed
FEW = 1e-8  # expected frames below which a Gaussian is left as it is


@dataclass(frozen=True)
class Mixtures:
    """K densities, each the weighted sum of M Gaussians of F features."""

    weights: np.ndarray  # (K, M), each row adds up to 1
    means: np.ndarray  # (K, M, F)
    variances: np.ndarray  # (K, M, F)

    @classmethod
    def single(cls, means: np.ndarray, variances: np.ndarray) -> Mixtures:
        """One Gaussian for each density: means and variances (K, F)."""
        return cls(np.ones((len(means), 1)), means[:, None], variances[:, None])

    def at(self, k: int) -> Mixtures:
        """Density k alone."""
        return Mixtures(self.weights[k : k + 1], self.means[k : k + 1], self.variances[k : k + 1])

    def repeated(self, M: int) -> Mixtures:
        """The same single Gaussians, each as M equal ones that share its weight."""
        weights, means, variances = (np.repeat(part, M, axis=1) for part in (self.weights, self.means, self.variances))
        return Mixtures(weights / M, means, variances)

    @cached_property
    def _coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        """log w N(x; m, v) as a product: [x^2, x] @ slopes (2F, K, M) + constants (K, M)."""
        precision = 1 / self.variances
        slopes = np.concatenate([-0.5 * precision, self.means * precision], axis=-1)
        with np.errstate(divide="ignore"):
            constants = np.log(self.weights) - 0.5 * (
                self.means**2 * precision + np.log(2 * np.pi * self.variances)
            ).sum(axis=-1)
        return np.ascontiguousarray(np.moveaxis(slopes, -1, 0)), constants

    def log_components(self, x: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
        """(T, K, M): log of weight times Gaussian for frames x (T, F); of the densities `used` alone, if given."""
        slopes, constants = self._coefficients
        if used is not None:
            slopes, constants = slopes[:, used], constants[used]
        product = np.concatenate([x * x, x], axis=1) @ slopes.reshape(len(slopes), -1)
        return product.reshape(len(x), *constants.shape) + constants

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """log b_k(x_t) of all densities: (T, F) -> (T, K), nats."""
        return log_sum(self.log_components(x))


@dataclass
class Statistics:
    """What the frames add up to, each counted for a Gaussian by the probability that it came from there."""

    count: np.ndarray  # (K, M) frames
    first: np.ndarray  # (K, M, F) sum of frames
    second: np.ndarray  # (K, M, F) sum of their squares

    @classmethod
    def zero(cls, mixtures: Mixtures) -> Statistics:
        return cls(np.zeros(mixtures.weights.shape), np.zeros(mixtures.means.shape), np.zeros(mixtures.means.shape))

    def add(self, x: np.ndarray, used: np.ndarray, shares: np.ndarray) -> None:
        """Frames x (T, F) with the share (T, k, M) that each Gaussian of the k densities `used` (distinct) has."""
        flat = shares.reshape(len(x), -1).T
        self.count[used] += shares.sum(axis=0)
        self.first[used] += (flat @ x).reshape(len(used), -1, x.shape[1])
        self.second[used] += (flat @ (x * x)).reshape(len(used), -1, x.shape[1])

    def mixtures(self, before: Mixtures, floor: np.ndarray) -> Mixtures:
        """The most likely mixtures whose variances are at least `floor` (F,); without frames, those of `before`.

        As a function of one variance the likelihood has a single peak, so a floor above it is the best value allowed.
        """
        seen = (self.count > FEW)[..., None]
        count = np.where(seen, self.count[..., None], 1.0)
        means = np.where(seen, self.first / count, before.means)
        variances = np.where(seen, np.maximum(self.second / count - means**2, floor), before.variances)
        total = self.count.sum(axis=1, keepdims=True)
        weights = np.where(total > FEW, self.count / np.maximum(total, FEW), before.weights)
        return Mixtures(weights, means, variances)


def fit(x: np.ndarray, M: int, floor: np.ndarray, random: np.random.Generator) -> Mixtures:
    """One density of M Gaussians for frames x (N, F): k-means for a start, then EM. N >= M."""
    scale = np.sqrt(np.maximum(x.var(axis=0), floor))
    centres = x[random.choice(len(x), M, replace=False)]
    for _ in range(ROUNDS):
        nearest = (((x[:, None] - centres) / scale) ** 2).sum(axis=-1).argmin(axis=1)
        centres = np.stack([x[nearest == m].mean(axis=0) if (nearest == m).any() else centres[m] for m in range(M)])
    one, everything = np.zeros(1, dtype=int), Mixtures.single(x.mean(axis=0)[None], (scale**2)[None])
    start = Mixtures(np.full((1, M), 1 / M), centres[None], np.repeat(everything.variances, M, axis=1))
    mixture, shares = start, np.eye(M)[nearest][:, None]
    for _ in range(ROUNDS):
        statistics = Statistics.zero(start)
        statistics.add(x, one, shares)
        mixture = statistics.mixtures(mixture, floor)
        components = mixture.log_components(x)
        shares = np.exp(components - log_sum(components)[..., None])
    return mixture


def log_sum(values: np.ndarray) -> np.ndarray:
    """log sum exp over the last axis."""
    top = values.max(axis=-1)
    if values.shape[-1] == 1:
        return top
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return top + np.log(np.exp(values - top[..., None]).sum(axis=-1))
