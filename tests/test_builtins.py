"""The floor, the plain features and the demo."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import random_split
from sklearn.preprocessing import StandardScaler

from mlbench.data.dataset import Split
from mlbench.evaluation.scores import score_rows
from mlbench.metrics import roc_auc
from mlbench.plugins import builtins, demo
from mlbench.plugins.specs import FeatureSpec, FitContext

FEATURES: dict[str, FeatureSpec] = {spec.name: spec for spec in builtins.mlbench_features()}


def _dense(X: Any) -> np.ndarray:
    return X.toarray() if sp.issparse(X) else X


# ------------------------------------------------------------------------------------------- prior
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_prior_is_the_share_in_train(kind: Any) -> None:
    """The floor gives each row the labels' shares in train, whatever the row."""
    (spec,) = builtins.mlbench_models()
    train, test = random_split(0, 40), random_split(1, 15)
    context = FitContext(seed=0)

    scorer = spec.fit(spec.prepare(Split(X=kind(train.X), Y=train.Y), context), dict(spec.defaults), context)
    scores = score_rows(scorer, kind(test.X), 3)

    np.testing.assert_array_equal(scores, np.tile(train.Y.mean(axis=0), (15, 1)))
    assert roc_auc(test.Y, scores) == 0.5
    assert spec.accepts == {"dense", "sparse", "missing", "unknown"}


# ---------------------------------------------------------------------------------------- features
def _fitted(name: str, X: Any) -> Any:
    """The transform of features that are fitted on X."""
    train = Split(X=X, Y=np.zeros((X.shape[0], 1), dtype=np.uint8))
    return FEATURES[name].fit(train, FitContext(seed=0))


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_features_do_not_depend_on_blocks(name: str, kind: Any) -> None:
    """A block of rows gives the rows that the whole gives, as float32."""
    if (kind is sp.csr_matrix and "sparse" not in FEATURES[name].accepts) or "text" in FEATURES[name].accepts:
        return
    train, test = random_split(0, 50, d=6), random_split(1, 20, d=6)

    transform = _fitted(name, kind(train.X))
    whole = transform(kind(test.X))

    assert whole.dtype == np.float32
    assert sp.issparse(whole) == (kind is sp.csr_matrix)
    for rows in (slice(0, 1), slice(1, 13), slice(13, 20)):
        np.testing.assert_array_equal(_dense(transform(kind(test.X)[rows])), _dense(whole)[rows])


def test_raw_is_the_rows_themselves() -> None:
    """``raw`` copies nothing."""
    X = random_split(0, 5).X

    assert _fitted("raw", X)(X) is X


def test_standard_is_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dense rows are centred and scaled as by ``StandardScaler`` fitted on train, in blocks or not."""
    rng = np.random.default_rng(0)
    train = (rng.normal(size=(300, 4)) * [1, 1e-3, 1e3, 1] + [0, 5, -1e3, 100]).astype(np.float32)
    test = rng.normal(size=(50, 4)).astype(np.float32)
    theirs = StandardScaler().fit(train.astype(np.float64)).transform(test.astype(np.float64))

    np.testing.assert_allclose(_fitted("standard", train)(test), theirs, rtol=1e-5)
    monkeypatch.setattr(builtins, "blocks", lambda n: (slice(i, i + 7) for i in range(0, n, 7)))
    np.testing.assert_allclose(_fitted("standard", train)(test), theirs, rtol=1e-5)


def test_standard_scales_sparse_rows_without_centring() -> None:
    """Sparse rows are divided by the deviation over all rows, zeros included, and stay sparse."""
    rng = np.random.default_rng(0)
    train = ((rng.random((200, 5)) < 0.3) * rng.normal(3, 2, (200, 5))).astype(np.float32)
    theirs = StandardScaler(with_mean=False).fit_transform(sp.csr_matrix(train, dtype=np.float64))

    ours = _fitted("standard", sp.csr_matrix(train))(sp.csr_matrix(train))

    assert ours.nnz == np.count_nonzero(train)
    np.testing.assert_allclose(ours.toarray(), theirs.toarray(), rtol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e4, -1e-6])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_standard_leaves_constant_columns_finite(kind: Any, value: float) -> None:
    """A constant column is not blown up by the rounding of its deviation."""
    train = np.full((1000, 2), value, dtype=np.float32)
    train[:, 1] = np.arange(1000)

    out = _dense(_fitted("standard", kind(train))(kind(train)))

    assert np.isfinite(out).all()
    assert np.ptp(out[:, 0]) == 0
    assert abs(out[0, 0]) <= max(1.0, abs(value))


@pytest.mark.parametrize("d", [1, 2, 7, 64])
def test_rfft_is_numpys(d: int) -> None:
    """``rfft`` gives the d // 2 + 1 magnitudes of the row, ``log-rfft`` the logarithm of one more."""
    X = np.random.default_rng(0).normal(size=(9, d)).astype(np.float32)
    wanted = np.abs(np.fft.rfft(X.astype(np.float64), axis=1))

    for name, expected in (("rfft", wanted), ("log-rfft", np.log(1 + wanted))):
        out = _fitted(name, X)(X)
        assert out.shape == (9, d // 2 + 1)
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-5)


# -------------------------------------------------------------------------------------------- demo
def test_demo_is_the_same_every_time() -> None:
    """The demo's content does not depend on when it is made, nor on NumPy's global state."""
    np.random.seed(1)
    first = demo.load_demo().fingerprint()
    np.random.seed(2)

    assert demo.load_demo().fingerprint() == first


def test_demo_is_what_its_summaries_say() -> None:
    """Sizes in the summary and the docstring are those of the data; recordings stand in one part each."""
    (spec,) = builtins.mlbench_datasets()
    dataset = spec.load()
    rows = sum(len(split) for _, split in dataset.parts())
    keys = [set(split.groups.tolist()) for _, split in dataset.parts() if split.groups is not None]
    recordings = len(set.union(*keys))
    labels = len(dataset.label_names)

    assert sum(map(len, keys)) == recordings
    assert {part for part, _ in dataset.parts()} == {"train", "valid", "test"}
    said = f"{spec.summary} {demo.load_demo.__doc__}".replace(",", "")
    assert {int(n) for n in re.findall(r"(\d+) recordings", said)} == {recordings}
    assert {int(n) for n in re.findall(r"(\d+) (?:notes|labels)", said)} == {labels}
    assert {int(n) for n in re.findall(r"(\d+) windows", said)} == {rows}
    assert {int(n) for n in re.findall(r"(\d+) samples", said)} == {dataset.train.X.shape[1]}


def test_demo_can_be_ranked() -> None:
    """Every label has positives in train, valid and test, and every row of the demo sounds."""
    dataset = demo.load_demo()

    for part, split in dataset.parts():
        assert split.Y.any(axis=0).all(), part
        assert split.Y.any(axis=1).all(), part
        assert split.Y.sum(axis=1).max() <= 4
