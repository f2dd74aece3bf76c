"""Mixtures of Gaussians: what a state of a hidden Markov model expects to hear, and how it learns from what it heard.

Symbols, as in the equations, for S densities of M Gaussians each, in F features:
    c      (S, M)     weights, each row adds up to 1
    mu     (S, M, F)  means
    var    (S, M, F)  variances, one for each feature (diagonal covariance)
    x      (T, F)     frames
    gamma  (T, S)     how much each frame counts for each density
Densities are in logarithms, nats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError


@dataclass(frozen=True)
class Mixture:
    """S densities b_j, each a mixture of M Gaussians."""

    c: np.ndarray  # (S, M)
    mu: np.ndarray  # (S, M, F)
    var: np.ndarray  # (S, M, F)

    def __post_init__(self) -> None:
        if np.shape(self.mu) != np.shape(self.var) or np.shape(self.mu)[:2] != np.shape(self.c):
            raise AsrlabError(
                f"c {np.shape(self.c)}, mu {np.shape(self.mu)}, var {np.shape(self.var)}: expected (S, M), (S, M, F) "
                "and (S, M, F)"
            )
        if not np.all(np.asarray(self.var) > 0):
            raise AsrlabError(f"var: the least is {np.min(self.var)}; a variance is above 0, use a floor")

    def log_b(self, x: np.ndarray) -> np.ndarray:
        """log b_j(x_t) (T, S)."""
        return log_density(x, self.c, self.mu, self.var)

    def reestimated(self, xs: list[np.ndarray], gammas: list[np.ndarray], floor: float = 0.0) -> Mixture:
        """The densities that fit frames xs best, where frame t counts gamma[t, j] for density j."""
        return Mixture(*reestimate(np.concatenate(xs), np.concatenate(gammas), self.c, self.mu, self.var, floor))


def log_components(x: np.ndarray, c: np.ndarray, mu: np.ndarray, var: np.ndarray) -> np.ndarray:
    """log of c_jm N(x_t; mu_jm, var_jm): (T, S, M)."""
    apart = np.asarray(x)[:, None, None, :] - mu
    log_normal = -0.5 * (np.log(2 * np.pi * var) + apart**2 / var).sum(axis=-1)
    with np.errstate(divide="ignore"):
        return np.log(c) + log_normal


@equation("gmm-density")
def log_density(x: np.ndarray, c: np.ndarray, mu: np.ndarray, var: np.ndarray) -> np.ndarray:
    """log b_j(x_t) of frames x (T, F): (T, S). The features of a frame are independent given the Gaussian, so their
    densities are multiplied; the Gaussians are alternatives, so theirs are added."""
    return np.logaddexp.reduce(log_components(x, c, mu, var), axis=-1)


@equation("gmm-reestimate")
def reestimate(
    x: np.ndarray, gamma: np.ndarray, c: np.ndarray, mu: np.ndarray, var: np.ndarray, floor: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One step of EM: new c, mu, var. Each frame is shared out among the Gaussians by how likely it came from each.

    gamma (T, S) shares it out among the densities first (all ones, and S = 1, for a mixture alone).
    """
    log_parts = log_components(x, c, mu, var)
    shares = np.exp(log_parts - np.logaddexp.reduce(log_parts, axis=-1, keepdims=True))
    shares = gamma[:, :, None] * shares  # (T, S, M)
    count = shares.sum(axis=0)
    seen = count[..., None] > 0  # a Gaussian that got nothing stays what it was
    safe = np.where(seen, count[..., None], 1.0)
    mean = np.where(seen, np.einsum("tjm,tf->jmf", shares, x) / safe, mu)
    apart = np.asarray(x)[:, None, None, :] - mean
    spread = np.where(seen, (shares[..., None] * apart**2).sum(axis=0) / safe, var)
    total = count.sum(axis=1, keepdims=True)
    return np.where(total > 0, count / np.where(total > 0, total, 1.0), c), mean, np.maximum(spread, floor)
