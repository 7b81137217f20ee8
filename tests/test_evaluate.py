"""From scores to a record: every value is scikit-learn's, and what a process got wrong is a status."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from helpers import random_dataset, random_split
from sklearn.metrics import average_precision_score, hamming_loss, label_ranking_loss

from mlbench.data.complete import CompleteDataset, complete
from mlbench.evaluation.evaluate import evaluate
from mlbench.metrics import inverse_propensities, psp_at_k
from mlbench.results.outcome import Outcome
from mlbench.results.schema import LOG, PER_LABEL, SCORES_TEST, SCORES_VALID, Budget, JobKey, Record
from mlbench.results.trial_log import TrialRecord


def _scores(dataset: CompleteDataset) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(Y + rng.normal(size=Y.shape) for Y in (dataset.valid.Y, dataset.test.Y))  # type: ignore[return-value]


def _evaluated(
    folder: Path, dataset: CompleteDataset, *, metric: str = "average_precision_micro", **outcome: object
) -> tuple[Record, tuple[str, ...]]:
    key = JobKey(
        dataset_sha256=dataset.sha256, features="raw", features_plugin="mlbench-suite", features_plugin_version="1",
        model="ridge", plugin="mlbench-ridge", plugin_version="1", budget=Budget(metric=metric),
    )  # fmt: skip
    trials = [
        TrialRecord(number=0, state="COMPLETE", value=0.4, params={"alpha": 1.0}, seconds=2.0, fit_seconds=1.5),
        TrialRecord(number=1, state="COMPLETE", value=0.6, params={"alpha": 2.0}, seconds=3.0, fit_seconds=2.5),
        TrialRecord(number=2, state="FAIL", status="timeout", params={"alpha": 3.0}, seconds=5.0),
        TrialRecord(number=3, state="FAIL", status="failed", params={"alpha": 4.0}),
    ]
    ended = Outcome(**{"status": "ok", "error": None, "wall_seconds": 20.0, "fit_seconds": 2.5, **outcome})  # type: ignore[arg-type]
    return evaluate(key, dataset, folder, trials, ended, default_params={"alpha": 1.0}, n_trials_asked=20)


def test_values_are_those_of_scikit_learn(tmp_path: Path) -> None:
    """On valid and test, with the threshold that was fitted on valid."""
    dataset = complete(random_dataset())
    valid, test = _scores(dataset)
    np.save(tmp_path / SCORES_VALID, valid)
    np.save(tmp_path / SCORES_TEST, test)

    found, names = _evaluated(tmp_path, dataset)

    for split, Y, scores in (("valid", dataset.valid.Y, valid), ("test", dataset.test.Y, test)):
        assert found.value(split, "average_precision_micro") == pytest.approx(
            average_precision_score(Y, scores, average="micro"), abs=1e-12
        )
        assert found.value(split, "label_ranking_loss") == pytest.approx(label_ranking_loss(Y, scores), abs=1e-12)
        assert found.value(split, "hamming_loss") == pytest.approx(hamming_loss(Y, scores >= found.threshold))
    assert (found.status, found.best_trial, found.best_params) == ("ok", 1, {"alpha": 2.0})
    assert (found.n_trials, found.n_trials_failed, found.n_trials_timed_out, found.n_trials_asked) == (4, 2, 1, 20)
    assert (found.default_value, found.default_params) == (0.4, {"alpha": 1.0})
    assert found.timings.tune_seconds == 2.0 + 3.0 + 5.0 - 2.5  # the best trial's fit is the final one
    assert set(names) == {SCORES_VALID, SCORES_TEST, "trials.csv", "per_label.csv", "curves.json", "replicates.npz"}
    assert all((tmp_path / name).is_file() for name in names)


def test_labels_are_counted_in_their_own_splits(tmp_path: Path) -> None:
    """Positives are those of train and of test; a label without one in test is not among those that are scored."""
    test = random_split(2, 20)
    test.Y[:, 1] = 0
    dataset = complete(random_dataset(test=test))
    for name, scores in zip((SCORES_VALID, SCORES_TEST), _scores(dataset), strict=True):
        np.save(tmp_path / name, scores)

    found, _ = _evaluated(tmp_path, dataset)

    with (tmp_path / PER_LABEL).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["n_positives_train"]) for row in rows] == dataset.train.Y.sum(axis=0).tolist()
    assert [int(row["n_positives_test"]) for row in rows] == test.Y.sum(axis=0).tolist()
    assert [row["average_precision"] == "" for row in rows] == [False, True, False]
    assert found.dataset.n_labels_scored == 2


def test_the_tuned_metric_has_its_replicates(tmp_path: Path) -> None:
    """Beside those of average precision, in as many replicates, for a board that is ranked by it."""
    dataset = complete(random_dataset())
    for name, scores in zip((SCORES_VALID, SCORES_TEST), _scores(dataset), strict=True):
        np.save(tmp_path / name, scores)

    found, _ = _evaluated(tmp_path, dataset, metric="label_ranking_loss")

    assert found.replicates.keys() == {"average_precision_micro", "average_precision_macro", "label_ranking_loss"}
    assert len({len(values) for values in found.replicates.values()}) == 1


@pytest.mark.parametrize("damage", ["nan", "shape", "missing", "text"])
def test_scores_that_cannot_be_used_are_a_status(tmp_path: Path, damage: str) -> None:
    """The row says what is wrong, keeps its trials and its log, and has no value."""
    dataset = complete(random_dataset())
    valid, test = _scores(dataset)
    test[3, 1] = np.nan if damage == "nan" else test[3, 1]
    np.save(tmp_path / SCORES_VALID, valid)
    if damage != "missing":
        np.save(tmp_path / SCORES_TEST, test[1:] if damage == "shape" else test)
    if damage == "text":
        (tmp_path / SCORES_TEST).write_text("no array")
    (tmp_path / LOG).write_text("printed")

    found, names = _evaluated(tmp_path, dataset)

    assert found.status == "invalid_scores"
    assert found.error
    assert found.metrics == {}
    assert set(names) == {"trials.csv", LOG}


def test_a_job_that_failed_is_not_scored(tmp_path: Path) -> None:
    """Scores may lie there from an earlier attempt; the whole time counts as tuning."""
    dataset = complete(random_dataset())
    for name, scores in zip((SCORES_VALID, SCORES_TEST), _scores(dataset), strict=True):
        np.save(tmp_path / name, scores)

    found, _ = _evaluated(tmp_path, dataset, status="killed", error="signal 9")

    assert (found.status, found.error, found.metrics) == ("killed", "signal 9", {})
    assert found.timings.tune_seconds == 20.0


def test_propensities_are_those_of_train(tmp_path: Path) -> None:
    """The frequencies of train weight the labels, whatever valid has."""
    dataset = complete(random_dataset())
    valid, test = _scores(dataset)
    np.save(tmp_path / SCORES_VALID, valid)
    np.save(tmp_path / SCORES_TEST, test)
    weights = inverse_propensities(dataset.train.Y.sum(axis=0), len(dataset.train))

    found, _ = _evaluated(tmp_path, dataset)

    assert found.value("test", "psp_at_1") == pytest.approx(psp_at_k(dataset.test.Y, test, weights, 1), rel=1e-12)
    assert not np.allclose(weights, inverse_propensities(dataset.valid.Y.sum(axis=0), len(dataset.valid)))
