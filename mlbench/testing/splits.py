"""Small made-up data with known structure, and random parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlbench.data.dataset import Split


def planted(n: int = 300, d: int = 12, k: int = 4, seed: int = 0) -> Split:
    """Return rows (n, d) whose k labels each depend on a single feature; some labels are rare."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)).astype(np.float32)
    signal = X[:, np.arange(k) % d]
    Y = (signal + 0.3 * rng.standard_normal((n, k)) > np.linspace(0.3, 1.5, k)).astype(np.uint8)
    return Split(X=X, Y=Y)


def counts(n: int = 300, d: int = 12, k: int = 3, seed: int = 0) -> Split:
    """Return non-negative rows (n, d) with many zeros, as text has them; k labels each depend on one feature."""
    rng = np.random.default_rng(seed)
    X = (rng.poisson(0.7, (n, d)) * np.linspace(0.5, 2, d)).astype(np.float32)
    return Split(X=X, Y=(X[:, :k] + 0.3 * rng.standard_normal((n, k)) > 0.7).astype(np.uint8))


def as_sparse(split: Split) -> Split:
    """Return the same split with its features in CSR."""
    import scipy.sparse as sp  # late: longer to import than all of numpy

    return replace(split, X=sp.csr_matrix(split.X))


class RandomTrial:
    """Stands for an ``optuna.Trial``: suggests values at random, or the given ones.

    Attributes:
        params: What was asked for, by name.
        outside: Names of given values that lie outside of what was asked for.
    """

    def __init__(self, seed: int = 0, given: dict[str, Any] | None = None) -> None:
        self._rng = np.random.default_rng(seed)
        self._given = given or {}
        self.params: dict[str, Any] = {}
        self.outside: list[str] = []

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a float in [low, high]."""
        value = math.exp(self._rng.uniform(math.log(low), math.log(high))) if log else self._rng.uniform(low, high)
        if step is not None:
            value = low + step * round((value - low) / step)
        return float(self._take(name, min(max(value, low), high), lambda given: low <= given <= high))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Return an integer in [low, high]."""
        if log:
            value = round(math.exp(self._rng.uniform(math.log(low), math.log(high))))
        else:
            value = low + step * int(self._rng.integers(0, (high - low) // step + 1))
        return int(self._take(name, min(max(value, low), high), lambda given: low <= given <= high))

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""
        return self._take(name, choices[int(self._rng.integers(len(choices)))], lambda given: given in choices)

    def _take(self, name: str, drawn: Any, fits: Any) -> Any:
        value = self.params.get(name, self._given.get(name, drawn))
        if not fits(value):
            self.outside.append(name)
        self.params[name] = value
        return value
