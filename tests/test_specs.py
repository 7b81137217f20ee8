"""What a plugin yields is checked when it is made."""

from __future__ import annotations

import math
import time
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mlbench.data.dataset import Split
from mlbench.errors import PluginError
from mlbench.plugins.specs import DatasetSpec, FeatureSpec, FitContext, ModelSpec

GOOD_NAMES = ["a", "9lives", "log-rfft", "a.b_c-D", "x" * 64]
BAD_NAMES = ["", "-x", ".x", "a b", "a/b", "a\n", "x" * 65, "ä", "a|b", "=1", 7, None]


def _model(**more: Any) -> ModelSpec:
    return ModelSpec(**{"name": "m", "summary": "s", "fit": lambda prepared, params, context: None, **more})


def _feature(**more: Any) -> FeatureSpec:
    return FeatureSpec(**{"name": "f", "summary": "s", "fit": lambda train: train, **more})


def _dataset(**more: Any) -> DatasetSpec:
    return DatasetSpec(**{"name": "d", "summary": "s", "load": lambda: None, **more})


@pytest.mark.parametrize("make", [_model, _feature, _dataset])
@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names(make: Any, name: str) -> None:
    """Letters, digits, dots, dashes and underscores make a name."""
    assert make(name=name).name == name


@pytest.mark.parametrize("make", [_model, _feature, _dataset])
@pytest.mark.parametrize("name", BAD_NAMES)
def test_bad_names(make: Any, name: Any) -> None:
    """A name that is no file name, or not text, is refused with the name in the message."""
    with pytest.raises(PluginError, match="use 1 to 64 letters") as caught:
        make(name=name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("make", [_model, _feature])
@pytest.mark.parametrize("accepts", [set(), {"dens"}, {"dense", "images"}])
def test_accepts_is_checked(make: Any, accepts: set[str]) -> None:
    """A misspelt or missing kind of input is refused."""
    with pytest.raises(PluginError, match=r"accepts .*expected some of \['dense', 'missing', 'sparse', "):
        make(accepts=accepts)


@pytest.mark.parametrize("devices", [set(), {"gpu"}])
def test_devices_are_checked(devices: set[str]) -> None:
    """A misspelt or missing device is refused."""
    with pytest.raises(PluginError, match="devices"):
        _model(devices=devices)


@pytest.mark.parametrize("value", [np.float32(1), object(), {1, 2}, b"x"])
def test_defaults_are_json(value: Any) -> None:
    """Defaults that cannot be written to a record are refused, with the model's name."""
    with pytest.raises(PluginError, match="model 'm': defaults must be plain JSON values"):
        _model(defaults={"x": value})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_defaults_are_finite(value: float) -> None:
    """JSON has no NaN and no infinity: a record with one could not be written at the end of the job."""
    with pytest.raises(PluginError, match="model 'm': defaults"):
        _model(defaults={"x": value})


@pytest.mark.parametrize("make", [_model, _feature, _dataset])
def test_specs_are_frozen_and_by_keyword(make: Any) -> None:
    """Specs cannot be changed after they were checked, nor made by position."""
    spec = make()

    with pytest.raises(FrozenInstanceError):
        spec.name = "other"
    with pytest.raises(TypeError):
        type(spec)("name", "summary", print)


def test_what_a_model_accepts_is_a_frozen_set() -> None:
    """A set that is handed in can be changed later without changing the spec."""
    accepts = {"dense"}
    spec = _model(accepts=accepts)

    accepts.add("sparse")

    assert spec.accepts == frozenset({"dense"})


def test_prepare_is_the_rows_by_default() -> None:
    """Without ``prepare``, ``fit`` is given the train part itself."""
    train = object()

    assert _model().prepare(train, FitContext(seed=0)) is train  # type: ignore[arg-type]


def test_report_without_a_listener() -> None:
    """Where nobody listens a model is told micro average precision of the labels that it has; nothing at a refit."""
    Y = np.array([[1, 0, 1], [0, 1, 0]], dtype=np.uint8)
    scores = np.array([[0.9, 0.4, np.nan], [0.2, 0.3, np.nan]])
    valid = Split(X=np.zeros((2, 1), dtype=np.float32), Y=Y)

    told = FitContext(seed=0, valid=valid).report(1, scores)

    assert told == average_precision_score(Y[:, :2], scores[:, :2], average="micro")
    assert FitContext(seed=0, valid=valid, on_report=lambda step, scores: -7.0).report(1, scores) == -7.0
    assert math.isnan(FitContext(seed=0).report(1, scores))


def test_seconds_left() -> None:
    """Without a deadline there is no end; with one the seconds run down."""
    assert FitContext(seed=0).seconds_left == math.inf
    assert 0 < FitContext(seed=0, deadline=time.monotonic() + 9).seconds_left <= 9
    assert FitContext(seed=0, deadline=time.monotonic() - 1).seconds_left < 0


def test_each_context_keeps_its_own() -> None:
    """What one trial keeps is not seen by another."""
    first, second = FitContext(seed=0), FitContext(seed=0)

    first.refit_state["round"] = 3

    assert second.refit_state == {}


def test_a_transformer_is_fitted_on_signed_labels() -> None:
    """Labels of one byte would wrap around where scikit-learn negates or subtracts them."""
    seen: list[np.ndarray] = []

    class Transformer:
        def fit(self, X: np.ndarray, Y: np.ndarray) -> Transformer:
            seen.append(Y)
            return self

        def transform(self, X: np.ndarray) -> np.ndarray:
            return X.astype(np.float64)

    train = Split(X=np.zeros((2, 1), dtype=np.float32), Y=np.array([[1, 0], [0, 1]], dtype=np.uint8))
    spec = FeatureSpec.from_transformer(name="f", summary="s", transformer=lambda context: Transformer())

    assert spec.fit(train, FitContext(seed=0))(train.X).dtype == np.float32
    assert seen[0].dtype == np.int64
    assert np.array_equal(seen[0], train.Y)
