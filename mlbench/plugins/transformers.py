"""Scikit-learn's transformers as features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlbench.data.dataset import Matrix, Split, is_sparse


def transformer_fit(transformer: Callable[[Any], Any]) -> Callable[[Split, Any], Callable[[Matrix], Matrix]]:
    """Return ``FeatureSpec.fit`` for a transformer that is fitted on the training split."""

    def fit(train: Split, context: Any) -> Callable[[Matrix], Matrix]:
        # Signed labels: scikit-learn negates and subtracts targets, which wraps around in uint8.
        rows = train.X if train.texts is None else train.texts
        fitted = transformer(context).fit(rows, train.Y.astype(np.int64))

        def transform(X: Matrix) -> Matrix:
            import scipy.sparse as sp  # late: listing what there is needs none of it

            found = fitted.transform(X)
            return sp.csr_matrix(found, dtype=np.float32) if is_sparse(found) else np.asarray(found, dtype=np.float32)

        return transform

    return fit
