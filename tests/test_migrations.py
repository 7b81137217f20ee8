"""Texts of earlier schemas become present records; damaged ones and those of later schemas are told apart."""

from __future__ import annotations

import json
from typing import Any

import pytest
from helpers import record

from mlbench.errors import LedgerError
from mlbench.results.migrations import _text, from_json, to_json
from mlbench.results.schema import RECORD_SCHEMA, Budget


def _schema_1(name: str = "toy", metric: str = "average_precision_micro", **more: Any) -> str:
    """A record as the first release wrote it."""
    body = json.loads(to_json(record(dataset=name, budget=Budget(metric=metric))))
    del body["sha256"], body["n_trials_asked"], body["n_trials_timed_out"], body["default_value"]
    for added in ("base_name", "limit", "drop_twins", "warnings", "notes"):
        del body["dataset"][added]
    body["figures"] = body.pop("metrics")
    return _text({**body, "schema_version": 1, **more})


def test_a_record_of_schema_1_keeps_its_values() -> None:
    """What it had is there under its present name, and what it did not know is not made up."""
    old = from_json(_schema_1())

    assert old.metrics == record().metrics
    assert old.n_trials_asked == old.budget.n_trials
    assert old.n_trials_timed_out is None
    assert old.dataset.notes == old.dataset.warnings == ()
    assert old.schema_version == 1


@pytest.mark.parametrize(
    ("name", "base", "limit", "twins"),
    [
        ("yeast", "yeast", None, False),
        ("yeast-limit-40", "yeast", 40, False),
        ("gtzan-no-twins", "gtzan", None, True),
        ("gtzan-no-twins-limit-40", "gtzan", 40, True),
        ("off-limit-ish", "off-limit-ish", None, False),
    ],
)
def test_what_schema_1_said_by_the_name_alone(name: str, base: str, limit: int | None, twins: bool) -> None:
    """Only here is the name of a data set taken apart."""
    info = from_json(_schema_1(name)).dataset

    assert (info.name, info.base_name, info.limit, info.drop_twins) == (name, base, limit, twins)


@pytest.mark.parametrize(("metric", "value"), [("average_precision_micro", 0.5), ("hamming_loss", None)])
def test_the_tuned_metric_of_the_defaults_is_known_of_micro_ap_alone(metric: str, value: float | None) -> None:
    """Schema 1 kept micro average precision of trial 0, whatever was tuned."""
    assert from_json(_schema_1(metric=metric)).default_value == value


def test_a_model_without_parameters_was_asked_for_one_trial() -> None:
    """The budget's number of trials was not asked of a model that has nothing to tune."""
    assert from_json(_schema_1(best_params={}, default_params={})).n_trials_asked == 1


@pytest.mark.parametrize("version", [0, RECORD_SCHEMA + 1, "2", None])
def test_another_schema_is_not_damage(version: object) -> None:
    """A job of a newer mlbench must not be put aside as damaged: the error says to upgrade."""
    body = {**json.loads(to_json(record())), "schema_version": version}
    del body["sha256"]

    with pytest.raises(LedgerError, match="newer version of mlbench: upgrade"):
        from_json(_text(body))


def test_an_unknown_field_says_to_upgrade_and_a_missing_one_is_damage() -> None:
    """Somebody newer wrote the first; nobody writes the second."""
    body = json.loads(to_json(record()))
    del body["sha256"]

    with pytest.raises(LedgerError, match="colour, which this mlbench does not know: upgrade"):
        from_json(_text({**body, "colour": 1}))
    del body["status"]
    with pytest.raises(ValueError, match=r"a field is missing: .*status"):
        from_json(_text(body))
