"""What mlbench itself offers, through the same hooks as every plugin: the baseline, features, the demo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from mlbench.data.dataset import Matrix, Split, blocks, is_sparse
from mlbench.data.known_labels import label_shares
from mlbench.data.missing import columns_with_missing, filled, indicators, medians
from mlbench.plugins.demo import load_demo
from mlbench.plugins.hookspecs import hookimpl
from mlbench.plugins.specs import (
    DatasetSpec,
    FeatureSpec,
    FitContext,
    ModelSpec,
    Params,
    ScoreFunction,
    Scores,
    Transform,
)
from mlbench.plugins.text_features import text_features


# ----------------------------------------------------------------------------------- the baseline
def _fit_prior(train: Split, params: Params, context: FitContext) -> ScoreFunction:
    share = label_shares(train)

    def scorer(X: Matrix) -> Scores:
        return np.tile(share, (X.shape[0], 1))

    return scorer


@hookimpl
def mlbench_models() -> Iterator[ModelSpec]:
    """Yield the baseline of every board."""
    yield ModelSpec(
        name="prior",
        summary="Baseline: each label's share in train, the same for every row",
        fit=_fit_prior,
        accepts={"dense", "sparse", "missing", "unknown"},
    )


# ---------------------------------------------------------------------------------------- features
def _raw(train: Split, context: FitContext) -> Transform:
    return lambda X: X


def _standard(split: Split, context: FitContext) -> Transform:
    """Centre and scale by train's mean and standard deviation; sparse input is scaled only."""
    train = split.X
    n = train.shape[0]
    total, squares = np.zeros(train.shape[1]), np.zeros(train.shape[1])
    for rows in blocks(n):
        total += np.asarray(train[rows].astype(np.float64).sum(axis=0)).ravel()
    mean = total / n
    for rows in blocks(n):
        if is_sparse(train):
            squares += np.asarray(train[rows].astype(np.float64).power(2).sum(axis=0)).ravel()
        else:
            squares += ((train[rows] - mean) ** 2).sum(axis=0)
    if is_sparse(train):
        squares -= n * mean**2
    deviation = np.sqrt(np.maximum(squares / n, 0))
    # A constant column has no scale of its own; what is left of it is rounding.
    constant = deviation <= 1e-6 * np.abs(mean)
    scale = np.where(constant | (deviation == 0), 1.0, deviation)

    def transform(X: Matrix) -> Matrix:
        if is_sparse(X):
            import scipy.sparse as sp  # late: listing what there is needs none of it

            return sp.csr_matrix(X @ sp.diags_array(1 / scale), dtype=np.float32)
        return ((X - mean) / scale).astype(np.float32)

    return transform


def _raw_indicators(train: Split, context: FitContext) -> Transform:
    """Fill missing values with the medians of train, and add a 0/1 column for each column in which train lacks some."""
    gaps = columns_with_missing(train.X)
    values = np.zeros(train.X.shape[1], dtype=np.float32)
    values[gaps] = medians(train.X, gaps)
    all_columns = np.arange(train.X.shape[1])

    def transform(X: Matrix) -> Matrix:
        whole = filled(X, all_columns, values)
        if is_sparse(whole):
            import scipy.sparse as sp

            return sp.csr_matrix(sp.hstack([whole, sp.csr_matrix(indicators(X, gaps))]), dtype=np.float32)
        return np.hstack([whole, indicators(X, gaps)])

    return transform


def _magnitudes(train: Split, context: FitContext, finish: Callable[[Any], Any]) -> Transform:
    def transform(X: Matrix) -> Matrix:
        spectrum: Matrix = finish(np.abs(np.fft.rfft(X, axis=1))).astype(np.float32)
        return spectrum

    return transform


@hookimpl
def mlbench_features() -> Iterator[FeatureSpec]:
    """Yield plain representations."""
    both = {"dense", "sparse"}
    yield FeatureSpec(name="raw", summary="The columns as they are", fit=_raw, accepts={*both, "missing"})
    yield FeatureSpec(
        name="standard", summary="Mean 0 and deviation 1 on train (sparse: deviation 1)", fit=_standard, accepts=both
    )
    yield FeatureSpec(
        name="rfft",
        summary="Magnitudes |rFFT| of the row as a signal: d samples give d/2 + 1",
        fit=partial(_magnitudes, finish=lambda magnitudes: magnitudes),
    )
    yield FeatureSpec(
        name="log-rfft", summary="log(1 + |rFFT|) of the row as a signal", fit=partial(_magnitudes, finish=np.log1p)
    )
    yield FeatureSpec(
        name="raw-indicators",
        summary="The columns, missing values filled with medians, and whether each was missing",
        fit=_raw_indicators,
        accepts={*both, "missing"},
    )
    yield from text_features()


# -------------------------------------------------------------------------------------------- demo
@hookimpl
def mlbench_datasets() -> Iterator[DatasetSpec]:
    """Yield the demo."""
    yield DatasetSpec(
        name="demo",
        summary="Synthetic notes: 12 labels, 800 windows of 50 recordings, made on the spot",
        load=load_demo,
    )
