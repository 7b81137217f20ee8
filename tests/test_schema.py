"""Keys of jobs and boards outlive new fields, and say each difference that matters."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import pytest

from mlbench.results.schema import LATER, Budget, JobKey, Timings, identity

KEY = JobKey(
    dataset_sha256="d" * 64, features="raw", features_plugin="mlbench-suite", features_plugin_version="protocol 1",
    model="ridge", plugin="mlbench-ridge", plugin_version="0.2.1",
)  # fmt: skip
OTHER: dict[type, Any] = {str: "other", int: 7, float: 7.5, bool: True}


def _changed(value: Any) -> list[Any]:
    """The same with one field changed, for each field that is a plain value."""
    plain = [one.name for one in fields(value) if type(getattr(value, one.name)) in OTHER]
    return [replace(value, **{name: OTHER[type(getattr(value, name))]}) for name in plain]


def test_the_id_of_a_key_never_changes() -> None:
    """Ledgers name their folders by it: a field that is renamed, or hashed in another way, would orphan them all."""
    assert KEY.id == "9f3d6531b7842d49bdf8277893a6fb29"
    assert KEY.board_id == "c6488eec9771ada272eeb934f69455ee"


def test_every_field_of_a_key_is_hashed() -> None:
    """Jobs that differ in anything have ids of their own."""
    keys = [KEY, *_changed(KEY), *(replace(KEY, budget=budget) for budget in _changed(KEY.budget))]

    assert len(keys) == 1 + 12 - 1 + 6
    assert len({key.id for key in keys}) == len(keys)


def test_a_board_holds_what_can_be_compared() -> None:
    """The same data, budget and rules; models, features, versions, seeds and devices stand side by side on it."""
    apart = {"dataset_sha256", "protocol"}
    for key in _changed(KEY):
        (name,) = (one.name for one in fields(key) if getattr(key, one.name) != getattr(KEY, one.name))
        assert (key.board_id != KEY.board_id) == (name in apart), name
    for budget in _changed(Budget()):
        assert replace(KEY, budget=budget).board_id != KEY.board_id


def test_a_later_field_keeps_old_ids_until_it_is_used() -> None:
    """A field that was added after the first release is hashed only where it is not at its default."""

    @dataclass(frozen=True)
    class First:
        seed: int = 0

    @dataclass(frozen=True)
    class Second(First):
        folds: int = field(default=1, metadata=LATER)

    assert identity(Second()) == identity(First()) == {"seed": 0}
    assert identity(Second(folds=2)) == {"seed": 0, "folds": 2}
    assert identity(Second(seed=1)) == identity(First(seed=1))


def test_a_later_field_without_a_plain_default_is_refused() -> None:
    """Nothing could tell whether it is at its default, and every id would change in silence."""

    @dataclass(frozen=True)
    class Second:
        tags: tuple[str, ...] = field(default_factory=tuple, metadata=LATER)

    with pytest.raises(TypeError, match=r"Second\.tags: .*plain default"):
        identity(Second())


def test_the_total_is_of_all_that_is_known() -> None:
    """Preparing, tuning, fitting and predicting are added up; what a job did not get to counts nothing."""
    assert Timings(prepare_seconds=1.0, tune_seconds=2.0, fit_seconds=4.0, predict_seconds=8.0).total == 15.0
    assert Timings(tune_seconds=2.0, predict_seconds=8.0).total == 10.0
    assert Timings().total == 0.0
