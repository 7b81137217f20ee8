"""Intervals, calibration and tuning reports in edge cases, and every check of the verification."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import record, restamp

from mlbench.data.dataset import Split
from mlbench.evaluation.bootstrap import FEW_UNITS, drawn_units
from mlbench.evaluation.dataset_finder import DatasetFinder
from mlbench.evaluation.intervals import difference, label_intervals, rank_ranges
from mlbench.evaluation.recomputation import Finished
from mlbench.evaluation.tuning_report import at_edge, ranges_of, tuning_report
from mlbench.evaluation.verification import check_trials, verify_runs
from mlbench.metrics import calibration
from mlbench.metrics.calibration import _logistic
from mlbench.plugins.catalog import discover
from mlbench.results.ledger import Ledger, read_record
from mlbench.results.schema import Record, TuningReport
from mlbench.results.trial_log import TrialRecord
from mlbench.results.trials_csv import write_trials


# ----------------------------------------------------------------------------------------- bootstrap
@pytest.mark.parametrize(("known", "there"), [(5, True), (4, False), (0, False), (10, True)])
def test_half_of_the_replicates_are_enough_for_an_interval(known: int, there: bool) -> None:
    """A label has an interval when at least half of the replicates, and exactly half is enough, have a value."""
    values = np.full((1, 10), np.nan)
    values[0, :known] = 0.5
    lows, highs = label_intervals(np.array([0.5]), values, 40)

    assert [np.isnan(end[0]) for end in (lows, highs)] == [not there] * 2


def test_many_rows_are_dealt_with_a_seed_of_their_own() -> None:
    """The dealing depends on the fingerprint plus one, so that it is the same for all models and unlike the weights."""
    Y = np.ones((2_001, 1), np.uint8)
    sha256 = "ab" * 32
    found = drawn_units(Split(X=np.zeros((2_001, 1), np.float32), Y=Y), sha256)
    wanted = np.random.default_rng(int(sha256, 16) + 1).permutation(2_001) % FEW_UNITS

    assert found is not None
    assert found[0].tolist() == wanted.tolist()
    assert found[1].shape == (FEW_UNITS, 1_000)


@pytest.mark.parametrize(("n_groups", "there"), [(9, False), (10, True)])
def test_ten_units_are_the_fewest(n_groups: int, there: bool) -> None:
    """With nine groups there are no intervals, with ten there are."""
    groups = np.arange(30) % n_groups
    split = Split(X=np.zeros((30, 1), np.float32), Y=np.ones((30, 1), np.uint8), groups=groups)

    assert (drawn_units(split, "0" * 64) is not None) is there


# ----------------------------------------------------------------------------------------- intervals
def test_equal_models_without_noise_share_their_ranks() -> None:
    """A gap of 0 is no difference, whatever its error; a gap without noise is one."""
    flat = np.full(20, 0.5)
    ranges = rank_ranges({"a": 0.5, "b": 0.5, "c": 0.4}, {"a": flat, "b": flat, "c": flat - 0.1}, 40)

    assert ranges == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_superiority_counts_ties_as_half_and_ignores_the_undefined() -> None:
    """One win, one tie and one loss in defined replicates make a half."""
    found = difference(0.0, np.array([1.0, 0.5, 0.0, np.nan]), np.array([0.5, 0.5, 0.5, 0.5]), 40)

    assert found.superiority == 0.5
    assert found.low < 0 < found.high


# --------------------------------------------------------------------------------------- calibration
def test_no_step_of_the_calibration_is_longer_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Newton's method changes no weight by more than the limit at a time, and converges all the same."""
    x = np.concatenate([np.linspace(-3, -1e-3, 300), np.linspace(1e-3, 3, 300)])
    truth = (x > 0).astype(np.uint8)
    whole = _logistic(x, truth)
    limit = calibration.LONGEST_STEP
    assert 0 < limit < np.inf
    for limit in (0.125, 0.25):
        monkeypatch.setattr(calibration, "LONGEST_STEP", limit)
        for steps in (1, 2, 3):
            monkeypatch.setattr(calibration, "STEPS", steps)
            assert _logistic(x, truth)[1] == pytest.approx(steps * limit, rel=1e-6)

    monkeypatch.undo()
    share = 1 / (1 + np.exp(-(whole[0] + whole[1] * x)))
    target = np.where(truth == 1, 301 / 302, 1 / 302)
    assert np.sum((target - share) * x) == pytest.approx(calibration.PENALTY * whole[1], abs=1e-6)


def test_a_reversed_ranking_has_slope_0() -> None:
    """Calibration never turns a ranking around."""
    x = np.linspace(-2, 2, 50)

    assert _logistic(x, (x < 0).astype(np.uint8))[1] == 0.0


# ------------------------------------------------------------------------------------- tuning report
def test_failed_trials_do_not_count() -> None:
    """A failed trial has no value, though it reported steps; a pruned one counts with its last step."""
    steps = ((0, 0.1), (1, 0.9))
    trials = [
        TrialRecord(number=0, state="COMPLETE", value=0.5),
        TrialRecord(number=1, state="FAIL", steps=steps),
        TrialRecord(number=2, state="PRUNED", steps=((0, 0.2), (1, 0.3))),
        TrialRecord(number=3, state="PRUNED"),
    ]

    assert tuning_report(trials, trials[0], "average_precision_micro").expected_best == pytest.approx((0.4, 0.5))
    assert tuning_report(trials, trials[0], "hamming_loss").expected_best == pytest.approx((0.4, 0.3))
    assert tuning_report(trials, None, "hamming_loss").at_edge == {}


@pytest.mark.parametrize(("value", "edge"), [(0.02, {"p": "low"}), (0.021, {}), (0.979, {}), (0.98, {"p": "high"})])
def test_the_edge_is_two_percent_of_the_range(value: float, edge: dict[str, str]) -> None:
    """Exactly at the edge counts as the edge."""
    text = json.dumps({"name": "F", "attributes": {"low": 0.0, "high": 1.0, "log": False, "step": None}})

    assert at_edge({"p": value}, ranges_of({"p": text})) == edge


# -------------------------------------------------------------------------------------- verification
@pytest.fixture(scope="module")
def finder() -> DatasetFinder:
    """A finder of the demo."""
    return DatasetFinder(discover(), [], lambda *progress: None)


def _copy(finished: Path, tmp_path: Path, model: str) -> Path:
    first = next(one for one in Ledger(finished / "runs").folders() if read_record(one).job.model == model)
    return Path(shutil.copytree(first, tmp_path / "runs" / "jobs" / first.name))


@pytest.fixture
def job(finished: Path, tmp_path: Path) -> Path:
    """The folder of one good job, alone in its runs folder."""
    return _copy(finished, tmp_path, "ridge")


@pytest.fixture
def failed(finished: Path, tmp_path: Path) -> Path:
    """The folder of a job that failed, alone in its runs folder."""
    return _copy(finished, tmp_path, "breaks")


def _found(folder: Path, finder: DatasetFinder) -> list[str]:
    return [line.removeprefix(f"{folder}/") for line in verify_runs(folder.parents[1], finder).differences]


def _test(record: Record, **values: Any) -> dict[str, Any]:
    return {**record.metrics, "test": {**record.metrics["test"], **values}}


def test_untouched_copies_have_no_differences(job: Path, failed: Path, finder: DatasetFinder) -> None:
    """A restamped record is a good one, so that what the other tests find is what they changed."""
    restamp(job)
    restamp(failed)

    assert _found(job, finder) == []


FORGERIES: dict[str, Callable[[Record], dict[str, Any]]] = {
    "status": lambda r: {"status": "failed"},
    "unknown status": lambda r: {"status": "fine"},
    "error": lambda r: {"error": "no"},
    "metrics lost": lambda r: {"metrics": {}},
    "device": lambda r: {"device": "cuda"},
    "fingerprint": lambda r: {"dataset": replace(r.dataset, sha256="0" * 64)},
    "n_trials": lambda r: {"n_trials": r.n_trials + 1},
    "n_trials_pruned": lambda r: {"n_trials_pruned": r.n_trials_pruned + 1},
    "n_trials_failed": lambda r: {"n_trials_failed": r.n_trials_failed + 1},
    "best_trial": lambda r: {"best_trial": (r.best_trial or 0) + 1},
    "no best_trial": lambda r: {"best_trial": None},
    "best_params": lambda r: {"best_params": {**(r.best_params or {}), "more": 1}},
    "default_value": lambda r: {"default_value": (r.default_value or 0) + 1e-9},
    "default_average_precision_micro": lambda r: {"default_average_precision_micro": None},
    "expected_best": lambda r: {"tuning": replace(r.tuning, expected_best=r.tuning.expected_best[:-1])},
    "at_edge": lambda r: {"tuning": replace(r.tuning, at_edge={} if r.tuning.at_edge else {"alpha": "low"})},
    "a version of a metric": lambda r: {"metric_versions": {**r.metric_versions, "f1_samples": 2}},
    "best average_precision_micro": lambda r: {
        "metrics": {**r.metrics, "valid": {**r.metrics["valid"], "average_precision_micro": 0.123}}
    },
    "threshold": lambda r: {"threshold": (r.threshold or 0) + 1e-6},
    "no threshold": lambda r: {"threshold": None},
    "test lost": lambda r: {"metrics": {"valid": r.metrics["valid"]}},
    "a metric of test lost": lambda r: {
        "metrics": {**r.metrics, "test": {n: v for n, v in r.metrics["test"].items() if n != "f1_samples"}}
    },
    "an unknown metric": lambda r: {"metrics": _test(r, my_metric=1.0)},
    "calibrated": lambda r: {"metrics": _test(r, average_precision_micro_calibrated=0.5)},
    "replicates lost": lambda r: {
        "replicates": {"average_precision_micro": r.replicates["average_precision_micro"]}
    },
    "more replicates": lambda r: {"replicates": {**r.replicates, "f1_micro": [0.5]}},
    "a replicate": lambda r: {
        "replicates": {**r.replicates, "average_precision_macro": [0.5, *r.replicates["average_precision_macro"][1:]]}
    },
    **{
        name: lambda r, name=name: {"dataset": replace(r.dataset, **{name: (getattr(r.dataset, name) or 0) + 1})}
        for name in ("n_train", "n_valid", "n_test", "n_features", "n_labels", "n_labels_scored", "n_groups")
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_field_of_a_record_is_found(job: Path, finder: DatasetFinder, kind: str) -> None:
    """Whatever field is changed, with all checksums made right again, is a difference that names the field."""
    before = read_record(job)
    restamp(job, **FORGERIES[kind](before))
    found = _found(job, finder)

    assert found
    if kind in {*read_record(job).as_dict(), "n_train", "n_valid", "n_test", "n_features", "n_labels"}:
        assert any(kind in line for line in found), found


@pytest.mark.parametrize(
    "change", [{"status": "ok"}, {"error": None}, {"n_trials_failed": 0}, {"n_trials": 0}, {"best_trial": 0}]
)
def test_a_forged_failure_is_found(failed: Path, finder: DatasetFinder, change: dict[str, Any]) -> None:
    """A failed job cannot pass for one that is ok, nor hide its error or its trials."""
    restamp(failed, **change)

    assert _found(failed, finder)


@pytest.mark.parametrize("split", ["valid", "test"])
def test_every_metric_is_recomputed(job: Path, finder: DatasetFinder, split: str) -> None:
    """Each metric that changes by a little is named, with its split."""
    record = read_record(job)
    # The tuned metric is checked against the trials first.
    skipped = {"average_precision_micro"} if split == "valid" else set()
    changed = {n: v if n in skipped or v is None else v + 1e-9 for n, v in record.metrics[split].items()}
    restamp(job, metrics={**record.metrics, split: changed})
    found = _found(job, finder)

    for name in changed.keys() - skipped:
        if changed[name] is not None:
            assert any(f"{split} {name} " in line for line in found), name


@pytest.mark.parametrize("part", ["valid", "test"])
@pytest.mark.parametrize("what", ["precision", "recall", "average_precision_micro", None])
def test_both_curves_are_recomputed(job: Path, finder: DatasetFinder, part: str, what: str | None) -> None:
    """A point of the valid or the test curve that moved, or a curve that is gone, is found."""
    curves = json.loads((job / "curves.json").read_text())
    if what is None:
        del curves[part]
    elif what == "average_precision_micro":
        curves[part][what] += 1e-6
    else:
        curves[part][what][2] += 1e-6
    (job / "curves.json").write_text(json.dumps(curves))
    restamp(job)

    [line] = _found(job, finder)
    assert line.startswith("curves.json: ")
    assert part in line


@pytest.mark.parametrize("what", ["curve", "scores"])
def test_the_train_curve_is_recomputed(job: Path, finder: DatasetFinder, what: str) -> None:
    """From the scores of train that are kept for it: neither can change without the other."""
    if what == "curve":
        curves = json.loads((job / "curves.json").read_text())
        curves["train"]["precision"][2] += 1e-6
        (job / "curves.json").write_text(json.dumps(curves))
    else:
        path = job / "scores-train.npy"
        np.save(path, np.load(path)[::-1].copy(), allow_pickle=False)
    restamp(job)

    assert _found(job, finder) == ["curves.json: the train curve does not match the scores"]


def test_replicates_for_comparisons_are_recomputed(job: Path, finder: DatasetFinder) -> None:
    """Each metric of ``replicates.npz`` that changes by a little, or is not there, is named."""
    path = job / "replicates.npz"
    with np.load(path) as found:
        kept = {name: found[name] for name in found.files}
    kept["f1_samples"] = kept["f1_samples"] + np.float32(1e-3)
    del kept["precision_at_3"]
    np.savez(path, **kept)
    restamp(job)

    lines = _found(job, finder)

    assert [line.split()[4] for line in lines] == ["f1_samples", "precision_at_3"]


def test_the_expected_best_is_recomputed_where_trials_were_pruned(tmp_path: Path, finder: DatasetFinder) -> None:
    """``trials.csv`` has what a pruned trial reported last."""
    trials = [
        TrialRecord(number=0, state="COMPLETE", value=0.5, average_precision_micro=0.5, params={"a": 1.0}),
        TrialRecord(number=1, state="PRUNED", steps=((1, 0.1), (2, 0.3)), params={"a": 2.0}),
    ]
    write_trials(tmp_path / "trials.csv", trials)
    known = record(
        n_trials=2, n_trials_pruned=1, n_trials_failed=0, best_trial=0, best_params={"a": 1.0}, status="failed",
        error="e", tuning=TuningReport(expected_best=(0.4, 0.5)),
    )  # fmt: skip

    def differences(found: Record) -> list[str]:
        return [what for _, what in check_trials(Finished(folder=tmp_path, record=found, dataset=None))]

    assert differences(known) == []
    (line,) = differences(replace(known, tuning=TuningReport(expected_best=(0.45, 0.5))))
    assert line.startswith("expected_best is [0.4, 0.5]")


@pytest.mark.parametrize("column", range(1, 7))
def test_every_cell_of_a_label_is_recomputed(job: Path, finder: DatasetFinder, column: int) -> None:
    """Counts, average precision, its interval and ROC AUC of a label cannot change unseen."""
    lines = [line.split(",") for line in (job / "per_label.csv").read_text().splitlines()]
    number = next(n for n, line in enumerate(lines) if n and all(line))
    lines[number][column] = "777" if column < 3 else "0.123"
    (job / "per_label.csv").write_text("".join(",".join(line) + "\n" for line in lines))
    restamp(job)

    [line] = _found(job, finder)
    assert line.startswith("per_label.csv: ")
    assert repr(lines[number][0]) in line


@pytest.mark.parametrize("part", ["valid", "test"])
def test_swapped_scores_are_found(job: Path, finder: DatasetFinder, part: str) -> None:
    """Scores in another order of rows give other values."""
    path = job / f"scores-{part}.npy"
    np.save(path, np.load(path)[::-1].copy(), allow_pickle=False)
    restamp(job)

    assert _found(job, finder)


def test_trials_must_be_numbered_from_0(job: Path, finder: DatasetFinder) -> None:
    """A trial that was cut out of the middle is missed even if the counts are made right."""
    record = read_record(job)
    lines = (job / "trials.csv").read_text().splitlines(keepends=True)
    cut = next(n for n in range(1, len(lines) - 1) if n - 1 not in (0, record.best_trial))
    del lines[cut]
    (job / "trials.csv").write_text("".join(lines))
    restamp(job, n_trials=record.n_trials - 1)

    assert any("trials.csv" in line and "0" in line for line in _found(job, finder))
