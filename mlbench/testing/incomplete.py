"""Checks of models that accept unknown labels or missing values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from mlbench.data.dataset import Split
from mlbench.plugins.specs import ModelSpec
from mlbench.testing.fits import check_scores, fitted, forms, micro, require
from mlbench.testing.results import SkipCheck
from mlbench.testing.splits import planted

UNKNOWN = 0.9, 0.1
"""Shares of unknown labels where a feature is positive, and where it is not."""
MISSING = 0.2


def _need(spec: ModelSpec, what: str, of_what: str) -> None:
    if what not in spec.accepts:
        raise SkipCheck(f"it does not accept {of_what}: accepts lacks {what!r}")


def _partly_known(n: int, seed: int) -> Split:
    """Rows (n, d) whose labels are mostly unknown where a feature that has nothing to do with them is positive."""
    split = planted(n, seed=seed)
    k = split.Y.shape[1]
    unknown = np.random.default_rng(seed).random((n, k)) < np.where(split.X[:, -k:] > 0, *UNKNOWN)
    return Split(X=split.X, Y=split.Y, known=~unknown)


def _with_junk(split: Split) -> Split:
    """The same split with any labels where they are unknown."""
    junk = np.random.default_rng(0).integers(0, 2, split.Y.shape, dtype=np.uint8)
    return Split.unchecked(**vars(split) | {"Y": np.where(split.labels < 0, junk, split.Y)})


def _lacking(n: int, seed: int) -> Split:
    """Rows (n, d), some of whose values are missing."""
    split = planted(n, seed=seed)
    split.X[np.random.default_rng(seed).random(split.X.shape) < MISSING] = np.nan
    return split


def check_unknown_labels_are_not_looked_at(spec: ModelSpec) -> None:
    """What stands in ``Y`` where a label is unknown, in train or in valid, does not change a score."""
    _need(spec, "unknown", "unknown labels")
    for form in forms(spec):
        train, valid = form(_partly_known(300, 0)), form(_partly_known(300, 1))
        X = form(planted(seed=2)).X
        for one, other in (
            (fitted(spec, train), fitted(spec, _with_junk(train))),
            (fitted(spec, train, valid), fitted(spec, _with_junk(train), _with_junk(valid))),
        ):
            require(np.array_equal(one(X), other(X)), "scores change with Y in cells that known says are unknown")


def check_learns_from_known_labels(spec: ModelSpec) -> None:
    """Labels that are mostly unknown in half of the rows are learnt from the others, not taken to be 0."""
    _need(spec, "unknown", "unknown labels")
    test = planted(600, seed=2)
    for form in forms(spec):
        train, valid = form(_partly_known(600, 0)), form(_partly_known(600, 1))
        found = micro(form(test), fitted(spec, train, valid))
        without = micro(form(test), fitted(spec, replace(train, known=None), replace(valid, known=None)))
        require(
            found > without + 0.03,
            f"micro average precision is {found:.3f}; it is {without:.3f} where unknown labels are taken to be 0",
        )


def check_no_label_is_known(spec: ModelSpec) -> None:
    """A label that is known nowhere, and valid rows of which nothing is known, are no reason to fail."""
    _need(spec, "unknown", "unknown labels")
    train, valid = planted(), planted(n=60, seed=1)
    known = np.random.default_rng(0).random(train.Y.shape) < 0.7
    known[:, 1] = False
    train = Split(X=train.X, Y=train.Y, known=known)
    for some in (np.zeros(valid.Y.shape, dtype=bool), np.arange(60)[:, None] + np.arange(4) < 30):
        check_scores(spec, train, Split(X=valid.X, Y=valid.Y, known=some))


def check_missing_values(spec: ModelSpec) -> None:
    """Missing values are no reason to fail, and other rows are learnt as usual; train has a value of each feature."""
    _need(spec, "missing", "missing values")
    train, valid, test = _lacking(600, 0), _lacking(300, 1), planted(seed=2)
    chance = float(test.Y.mean())
    for form in forms(spec):
        found = micro(form(test), fitted(spec, form(train), form(valid)))
        require(found > chance + 0.25, f"micro average precision is {found:.3f}, by chance it is {chance:.3f}")
    train.X[1:, 9] = np.nan
    train.X[:, 10] = np.where(np.isnan(train.X[:, 10]), np.nan, 1)
    train.X[:, 11] = np.nan_to_num(train.X[:, 11])
    valid.X[:, 8] = np.nan
    check_scores(spec, train, valid)


INCOMPLETE_DATA_CHECKS: Sequence[Callable[[ModelSpec], None]] = (
    check_unknown_labels_are_not_looked_at,
    check_learns_from_known_labels,
    check_no_label_is_known,
    check_missing_values,
)
"""Checks of models that accept unknown labels or missing values, in the order in which they run."""
