"""Centring and scaling of features for models that are not indifferent to it.

Features are measured in double precision and scaled in single precision. A constant feature is multiplied by 0,
so that it drops out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Matrix
from mlbench.toolkit.moments import moments

SCALING = {"standard": 1.0, "pareto": 0.5, "none": 0.0}
"""The power of its standard deviation that a centred feature is divided by; "pareto" after van den Berg et al.,
"Centering, scaling, and transformations", BMC Genomics 2006."""


@dataclass(frozen=True)
class ColumnScaling:
    """How features are centred and scaled.

    Attributes:
        centre: What is subtracted from each feature, (d,), float32.
        inverse: What it is multiplied by then, (d,), float32; 0 for a constant feature.
    """

    centre: NDArray[np.float32]
    inverse: NDArray[np.float32]

    def standardised(
        self, X: Matrix, columns: slice = slice(None), out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Return some columns of dense rows, scaled. Subtracting first keeps a small spread around a large mean.

        Args:
            X: Dense rows (n, d).
            columns: Which of the d features.
            out: Where to write, (n, columns); a new array by default.
        """
        part: NDArray[np.float32] = np.subtract(X[:, columns], self.centre[columns], out=out)
        part *= self.inverse[columns]
        return part

    def scaled(self, X: Matrix) -> Matrix:
        """Return dense rows (n, d) standardised; sparse rows are divided by the spread, not centred: zeros stay."""
        if not isinstance(X, np.ndarray):
            return X.multiply(self.inverse).tocsr().astype(np.float32)
        return self.standardised(X)

    def batch(self, X: Matrix, rows: NDArray[np.intp], buffer: NDArray[np.float32]) -> Matrix:
        """Return some rows: dense ones are scaled, in ``buffer``; sparse ones are taken as they are.

        Args:
            X: Rows (n, d); sparse ones scaled already.
            rows: Which of them, (m,).
            buffer: At least (m, d), float32.
        """
        if not isinstance(X, np.ndarray):
            return X[rows]
        part = buffer[: len(rows)]
        np.take(X, rows, axis=0, out=part, mode="clip")  # any other mode goes through a copy
        part -= self.centre
        part *= self.inverse
        return part

    def factors(self, scaling: str) -> NDArray[np.float64]:
        """Return what standardised features are multiplied by to be scaled otherwise, (d,).

        Their mean square is 1, so that a penalty means the same for every scaling.

        Args:
            scaling: A key of ``SCALING``.
        """
        inverse = self.inverse.astype(np.float64)
        live = inverse > 0
        factor = np.zeros(len(inverse))
        if live.any():
            factor[live] = (inverse[live].min() / inverse[live]) ** (1 - SCALING[scaling])
            factor /= np.sqrt(np.mean(factor[live] ** 2))
        return factor

    def rescaled(self, scaling: str) -> ColumnScaling:
        """Return the scaling by another power of the spread; the mean variance of features stays 1."""
        inverse = self.inverse.astype(np.float64) * self.factors(scaling)
        return ColumnScaling(centre=self.centre, inverse=inverse.astype(np.float32))


def measure(X: Matrix) -> ColumnScaling:
    """Return what standardises the features of rows X (n, d), measured in double precision."""
    mean, inverse = moments(X)
    return ColumnScaling(centre=mean.astype(np.float32), inverse=inverse)
