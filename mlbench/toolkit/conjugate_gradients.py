"""Linear systems of many columns, such as those of many labels, solved side by side by conjugate gradients.

Method: Hestenes and Stiefel, "Methods of Conjugate Gradients for Solving Linear Systems" (1952).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def conjugate_gradients(
    right: Floats,
    product: Callable[[Floats, NDArray[np.intp]], Floats],
    penalty: Floats,
    tolerance: float,
    max_iterations: int,
    is_time_over: Callable[[], bool],
) -> Floats:
    """Solve (A + penalty) V = right for V (d, l), where each column may have a matrix A of its own.

    Each column has step lengths of its own, so that what it gets depends on no other one. It ends at ``tolerance``,
    after ``max_iterations``, or when the time is over: cut short, conjugate gradients shrink, as a penalty does.

    Args:
        right: The right-hand side, (d, l).
        product: From P (d, m), and which m of the l columns these are, to A P (d, m). A is symmetric and has no
            negative eigenvalue.
        penalty: Of each column, (l,), positive.
        tolerance: Of the residual of a column to its right-hand side.
        max_iterations: The number of products at most.
        is_time_over: Whether to leave it at what there is.
    """
    V, going, residual = np.zeros_like(right), np.arange(right.shape[1]), right.copy()
    direction, size = residual.copy(), np.square(residual).sum(axis=0)
    enough = tolerance**2 * size
    for _ in range(max_iterations):
        left = size > enough
        if not left.any() or is_time_over():
            break
        if not left.all():
            going, size, enough = going[left], size[left], enough[left]
            residual, direction = residual[:, left], direction[:, left]
        image = product(direction, going) + penalty[going] * direction
        step = size / (direction * image).sum(axis=0)
        V[:, going] += step * direction
        residual -= step * image
        size, before = np.square(residual).sum(axis=0), size
        direction *= size / before
        direction += residual
    return V
