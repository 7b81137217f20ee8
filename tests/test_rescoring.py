"""Any metric on finished runs, from the scores that are kept."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import call
from helpers import record as finished_record
from sklearn import metrics

from mlbench.data.dataset import Dataset
from mlbench.errors import UnknownName, UsageError
from mlbench.evaluation.dataset_finder import DatasetFinder
from mlbench.evaluation.rescoring import Scored, find_metric, rescore
from mlbench.metrics import METRICS
from mlbench.plugins.catalog import discover
from mlbench.plugins.demo import load_demo
from mlbench.results.ledger import Ledger
from mlbench.results.schema import Record


@pytest.fixture(scope="module")
def demo() -> Dataset:
    """The data that the runs are of."""
    return load_demo().limited(60)


@pytest.fixture(scope="module")
def finder() -> DatasetFinder:
    """Finds the demo by its name."""
    return DatasetFinder(discover(), [], lambda *progress: None)


def _scored(finished: Path, finder: DatasetFinder, name: str) -> dict[tuple[str, int], Scored]:
    ledger = Ledger(finished / "runs")
    rows = rescore(find_metric(name), list(ledger.records()), ledger, finder, lambda line: None)
    return {(row.model, row.seed): row for row in rows}


def _ok(finished: Path) -> list[Record]:
    return [record for record in Ledger(finished / "runs").records() if record.status == "ok"]


@pytest.mark.parametrize(
    ("name", "function", "on_scores"),
    [
        ("ndcg_score", metrics.ndcg_score, True),
        ("sklearn.metrics:coverage_error", metrics.coverage_error, True),
        ("label_ranking_average_precision_score", metrics.label_ranking_average_precision_score, True),
        ("accuracy_score", metrics.accuracy_score, False),
        ("sklearn.metrics:hamming_loss", metrics.hamming_loss, False),
    ],
)
def test_a_metric_of_scikit_learn(
    finished: Path, demo: Dataset, finder: DatasetFinder, name: str, function: object, on_scores: bool
) -> None:
    """It is called with the scores, or with the decisions at the record's threshold, on valid and test."""
    rows = _scored(finished, finder, name)

    assert len(rows) == 4
    for record in _ok(finished):
        row = rows[record.job.model, record.job.seed]
        for part, split, value in (("valid", demo.valid, row.valid), ("test", demo.test, row.test)):
            path = finished / "runs" / "jobs" / record.id / f"scores-{part}.npy"
            scores = np.load(path, allow_pickle=False)
            assert split is not None
            given = scores if on_scores else (scores >= record.threshold).astype(int)
            assert value == pytest.approx(function(split.Y, given), abs=1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("name", METRICS)
def test_our_own_figures(finished: Path, finder: DatasetFinder, name: str) -> None:
    """They are those of the record, and those that its scores give."""
    metric = find_metric(name)
    ledger = Ledger(finished / "runs")
    fresh = [replace(record, metrics={"valid": {}, "test": {}}) for record in _ok(finished)]
    computed = {(r.model, r.seed): r for r in rescore(metric, fresh, ledger, finder, lambda line: None)}

    rows = _scored(finished, finder, name)

    assert rows == computed
    for record in _ok(finished):
        row = rows[record.job.model, record.job.seed]
        assert (row.valid, row.test) == (record.metrics["valid"][name], record.metrics["test"][name])


@pytest.mark.parametrize(("name", "sign"), [("f1_macro", -1), ("hamming_loss", 1), ("zero_one_loss", 1)])
def test_best_first(finished: Path, finder: DatasetFinder, name: str, sign: int) -> None:
    """What is to be minimised is sorted the other way round."""
    values = [row.test for row in _scored(finished, finder, name).values()]

    assert values == sorted(values, key=lambda value: sign * (value or 0.0))


def test_the_command(finished: Path) -> None:
    """A table on stdout, with the direction; what is left out on stderr, once; exit 0."""
    code, out, err = call("score", "--metric", "label_ranking_loss", "--runs", finished / "runs", "demo-limit-60")

    assert code == 0
    assert err == "breaks · rfft on demo-limit-60: skipped: failed\n"
    title, header, *rows = out.splitlines()
    assert title.strip() == "demo-limit-60 (--n-trials 3)"
    assert header.split("  ")[0] == "Model"
    assert "test label_ranking_loss ↓" in header
    assert [row.split()[0] for row in rows] == ["ridge", "ridge", "prior", "prior"]
    assert all(len(row.split()) == 5 for row in rows)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("hamming_los", "did you mean 'hamming_loss'?"),
        ("sklearn.metrics:ndcg", "did you mean 'ndcg_score'?"),
        ("f1_marco", "did you mean 'f1_macro'?"),
        ("log_loss", "no metric 'log_loss'"),
        ("sklearn.metrics:f1_micro", "no metric 'f1_micro'"),
        ("os", "no metric 'os'"),
        ("__builtins__", "no metric"),
    ],
)
def test_unknown_names(name: str, words: str) -> None:
    """An unknown name, or one that wants probabilities, gets a did-you-mean; nothing else can be called."""
    with pytest.raises(UnknownName) as caught:
        find_metric(name)

    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["log_loss", "d2_log_loss_score"])
def test_probabilities_by_another_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """What scikit-learn before 1.8 calls ``y_pred`` there are probabilities; decisions are none."""
    monkeypatch.setattr(metrics, name, lambda y_true, y_pred: 0.0)
    with pytest.raises(UnknownName, match=f"no metric '{name}'"):
        find_metric(name)


@pytest.mark.parametrize("name", ["f1_score", "confusion_matrix", "classification_report", "roc_curve"])
def test_a_metric_that_does_not_fit(finished: Path, finder: DatasetFinder, name: str) -> None:
    """What gives no single number of multi-label data is one line."""
    with pytest.raises(UsageError, match=f"--metric {name} cannot be computed on demo"):
        _scored(finished, finder, name)


def test_a_data_set_without_jobs(finished: Path, tmp_path: Path) -> None:
    """An unknown data set and an empty folder are one line each, exit 2."""
    code, _, err = call("score", "--metric", "f1_macro", "--runs", finished / "runs", "demo-limit-6")
    assert code == 2
    assert "did you mean 'demo-limit-60'?" in err
    assert call("score", "--metric", "f1_macro", "--runs", tmp_path)[0] == 2


@pytest.mark.parametrize("metric", ["ndcg_score", "f1_macro"])
def test_damaged_scores_are_not_scored(finished: Path, tmp_path: Path, metric: str) -> None:
    """Scores that are not those of the record end in one line that names the file."""
    shutil.copytree(finished / "runs" / "jobs", tmp_path / "runs" / "jobs")
    for path in tmp_path.glob("runs/jobs/*/scores-test.npy"):
        path.write_bytes(path.read_bytes()[:-1] + b"x")

    code, _, err = call("score", "--metric", metric, "--runs", tmp_path / "runs")

    assert code == 2
    assert "scores-test.npy: wrong checksum" in err


def test_undefined_values_come_last(tmp_path: Path, finder: DatasetFinder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose value is undefined is no better than the best, also where 0 would be."""
    records = [finished_record(value, model=model) for model, value in (("a", None), ("b", 0.3), ("c", 0.1))]

    monkeypatch.setattr(Ledger, "file", lambda ledger, record, name: tmp_path / name)  # nothing is damaged
    rows = rescore(find_metric("hamming_loss"), records, Ledger(tmp_path), finder, lambda line: None)

    assert [(row.model, row.test) for row in rows] == [("c", 0.1), ("b", 0.3), ("a", None)]
