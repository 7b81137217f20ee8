"""Unknown labels count in no metric, interval, curve or threshold, and models see them as unknown or as 0."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import sklearn.metrics as theirs
from helpers import call, random_dataset

from mlbench.data.cache import read_job_data, write_data
from mlbench.data.complete import complete
from mlbench.data.dataset import Dataset, Split
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.evaluation.bootstrap import drawn_units
from mlbench.evaluation.curves import curve
from mlbench.evaluation.metric_replicates import metric_replicates
from mlbench.metrics import METRICS, Fitted, Scored, average_precision, roc_auc
from mlbench.metrics.predictions import f1, hamming_loss, jaccard, zero_one_loss


def masked(seed: int, n: int = 80, k: int = 6, groups: bool = True) -> tuple[Split, np.ndarray]:
    """Rows with ties, a label that is never positive where known, a label and a row of which nothing is known."""
    rng = np.random.default_rng(seed)
    Y = (rng.random((n, k)) < 0.3).astype(np.uint8)
    known = rng.random((n, k)) < 0.7
    known[:, 4] &= Y[:, 4] == 0
    known[:, 5] = False
    known[3] = False
    scores = np.round(rng.random((n, k)) + 0.3 * Y, 1)
    unit = rng.integers(0, 14, n) if groups else None
    return Split(X=np.zeros((n, 1)), Y=Y * known, known=known, groups=unit), scores


def fitted(split: Split, scores: np.ndarray) -> Fitted:
    return Fitted(Y=split.labels, scores=scores - 0.05, n_positives=split.Y.sum(axis=0), n_train=100)


@pytest.mark.parametrize("seed", range(5))
def test_values_are_those_of_scikit_learn_on_the_known_cells(seed: int) -> None:
    """Label by label, and micro over all known entries."""
    split, scores = masked(seed)
    known, Y = split.known, split.labels
    assert known is not None

    for name, ours, one in [
        ("AP", average_precision(Y, scores, None), theirs.average_precision_score),
        ("AUC", roc_auc(Y, scores, None), theirs.roc_auc_score),
    ]:
        for label in range(4):
            rows = known[:, label]
            assert ours[label] == pytest.approx(one(Y[rows, label], scores[rows, label]), abs=1e-12), (name, label)
        assert np.isnan(ours[4:]).all()
    assert average_precision(Y, scores, "micro") == pytest.approx(
        theirs.average_precision_score(Y[known], scores[known]), abs=1e-12
    )
    assert roc_auc(Y, scores, "micro") == pytest.approx(theirs.roc_auc_score(Y[known], scores[known]), abs=1e-12)
    assert average_precision(Y, scores, "macro") == pytest.approx(np.nanmean(average_precision(Y, scores, None)))


def _row_by_row(name: str, Y: np.ndarray, known: np.ndarray, scores: np.ndarray) -> float:
    """A metric of rows, restated: scikit-learn's on the known labels of each row, averaged over rows that have some."""
    values = []
    for y, here, s in zip(Y, known, scores, strict=True):
        if not here.any():
            continue
        y, s = y[here], s[here]
        k = int(name.rpartition("_")[2]) if "_at_" in name else 0
        order = np.argsort(-s, kind="stable")
        if name == "label_ranking_average_precision":
            values.append(theirs.label_ranking_average_precision_score([y], [s]))
        elif name == "coverage_error":
            values.append((s >= s[y == 1].min()).sum() if y.any() else 0)
        elif name == "label_ranking_loss":
            values.append(theirs.label_ranking_loss([y], [s]) if 0 < y.sum() < len(y) else 0.0)
        elif name.startswith("precision"):
            values.append(y[order[:k]].sum() / k)
        elif name.startswith("recall"):
            values.append(y[order[:k]].sum() / y.sum() if y.any() else 0.0)
        else:
            gains = (y[order[:k]] / np.log2(np.arange(len(order[:k])) + 2)).sum()
            ideal = (1 / np.log2(np.arange(min(k, y.sum())) + 2)).sum()
            values.append(gains / ideal if y.any() else 0.0)
    return float(np.mean(values))


@pytest.mark.parametrize(
    "name",
    ["label_ranking_average_precision", "coverage_error", "label_ranking_loss", "precision_at_1", "precision_at_3",
     "recall_at_3", "recall_at_10", "ndcg_at_3", "ndcg_at_10"],
)  # fmt: skip
def test_metrics_of_rows_rank_the_known_labels_of_a_row(name: str) -> None:
    """And a row of which nothing is known counts for nothing."""
    split, scores = masked(1)
    scores = scores + np.random.default_rng(9).random(scores.shape) / 100  # no ties, which the restatement lacks
    assert split.known is not None

    found = METRICS[name].value(Scored.of(split.labels, scores, fitted(split, scores)))

    assert found == pytest.approx(_row_by_row(name, split.Y, split.known, scores), abs=1e-12)


def test_metrics_of_predictions_look_at_known_cells() -> None:
    """The functions and the table agree with counts over known cells."""
    split, scores = masked(2)
    known, Y = split.known, split.Y
    assert known is not None
    scored = Scored.of(split.labels, scores, fitted(split, scores))
    predicted = scores >= scored.fitted.threshold
    wrong = (Y == 1) != predicted

    rows = [(y[here], p[here]) for y, p, here in zip(Y, predicted, known, strict=True) if here.any()]
    columns = [(Y[here, j], predicted[here, j]) for j, here in enumerate(known.T) if Y[here, j].any()]
    expected = {
        "hamming_loss": wrong[known].mean(),
        "zero_one_loss": (wrong & known).any(axis=1)[known.any(axis=1)].mean(),
        "f1_micro": theirs.f1_score(Y[known], predicted[known]),
        "f1_macro": np.mean([theirs.f1_score(y, p) for y, p in columns]),
        "f1_samples": np.mean([theirs.f1_score(y, p, zero_division=0) for y, p in rows]),
        "jaccard_samples": np.mean([theirs.jaccard_score(y, p, zero_division=0) for y, p in rows]),
    }
    for name, value in expected.items():
        assert METRICS[name].value(scored) == pytest.approx(value, abs=1e-12), name
    functions = {
        "hamming_loss": hamming_loss, "zero_one_loss": zero_one_loss, "jaccard_samples": jaccard,
        "f1_micro": lambda Y, p: f1(Y, p, "micro"), "f1_samples": lambda Y, p: f1(Y, p, "samples"),
        "f1_macro": lambda Y, p: f1(Y, p, "macro"),
    }  # fmt: skip
    for name, function in functions.items():
        assert function(split.labels, predicted) == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.parametrize("name", sorted(METRICS))
def test_what_is_unknown_may_have_any_score_and_label(name: str) -> None:
    """No metric looks at a cell that is unknown, in test or where thresholds are fitted."""
    split, scores = masked(3)
    assert split.known is not None
    other = np.where(split.known, scores, np.random.default_rng(0).normal(0, 9, scores.shape))

    values = [METRICS[name].value(Scored.of(split.labels, s, fitted(split, s))) for s in (scores, other)]

    assert values[0] == pytest.approx(values[1], abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("name", sorted(METRICS))
@pytest.mark.parametrize("groups", [True, False])
def test_a_replicate_is_the_metric_of_the_drawn_rows(name: str, groups: bool) -> None:
    """With unknown cells, as without."""
    test, scores = masked(4, groups=groups)
    unit, weight = drawn_units(test, "ab" * 32) or pytest.fail("too few units")
    model = fitted(test, scores)

    found = metric_replicates([name], test, scores, model, "ab" * 32)[name]

    for replicate in range(0, weight.shape[1], 97):
        rows = np.repeat(np.arange(len(test)), weight[unit, replicate])
        expected = METRICS[name].value(Scored(Y=test.labels[rows], scores=scores[rows], fitted=model))
        assert found[replicate] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_curves_are_of_known_cells() -> None:
    """Every point is one of scikit-learn's on the known entries."""
    split, scores = masked(5)
    known = split.known
    precision, recall, _ = theirs.precision_recall_curve(split.Y[known], scores[known])
    points = {(round(r, 9), round(p, 9)) for r, p in zip(recall, precision, strict=True)}

    found = curve(split.labels, scores)

    assert {(round(r, 9), round(p, 9)) for r, p in zip(found["recall"], found["precision"], strict=True)} <= points


def test_a_split_takes_a_mask_or_nan_and_hides_what_is_unknown() -> None:
    """Both ways give the same split; junk in unknown cells is gone; a mask of all is none."""
    Y = np.array([[1.0, np.nan], [0, 1], [np.nan, 0]])
    by_nan = Split(X=np.ones((3, 1)), Y=Y)
    by_mask = Split(X=np.ones((3, 1)), Y=np.where(np.isnan(Y), 7, Y), known=~np.isnan(Y))

    for split in (by_nan, by_mask):
        assert split.Y.tolist() == [[1, 0], [0, 1], [0, 0]]
        assert split.labels.tolist() == [[1, -1], [0, 1], [-1, 0]]
    assert Split(X=np.ones((1, 1)), Y=[[1]], known=[[True]]).known is None
    assert by_nan.take(np.array([1])).known is None


def test_the_fingerprint_tells_unknown_from_0() -> None:
    """Data sets that differ in what is known are different ones."""
    whole = random_dataset()
    some = np.ones(whole.train.Y.shape, dtype=bool)
    some[0, np.flatnonzero(whole.train.Y[5] == 0)[:1]] = False
    train = Split(X=whole.train.X, Y=np.where(some, whole.train.Y, 0), known=some)
    hidden = Split(X=whole.train.X, Y=np.where(some, whole.train.Y, 0))

    named = {"valid": whole.valid, "test": whole.test, "label_names": whole.label_names, "name": "toy"}

    assert Dataset(train=train, **named).fingerprint() != Dataset(train=hidden, **named).fingerprint()


def test_a_job_reads_what_is_known_of_train_and_valid(tmp_path: Path) -> None:
    """The mask goes with the labels into the cache, and back."""
    train, _ = masked(6)
    valid, _ = masked(7)
    dataset = complete(Dataset(name="t", train=train, valid=valid, test=valid, label_names=tuple("abcdef")))
    write_data(dataset, tmp_path / "data")

    data = read_job_data(tmp_path / "data")

    assert np.array_equal(data.train.labels, train.labels)
    assert np.array_equal(data.valid.labels, valid.labels)
    assert np.array_equal(data.both.labels, np.concatenate([train.labels, valid.labels]))


TOXIC = ["NR-AR", "SR-p53", "NR-ER"]


def _table(path: Path, empty: float) -> None:
    """Write a table like Tox21: labels 0.0, 1.0 or an empty cell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    Y = (X[:, :3] + 0.5 * rng.normal(size=(300, 3)) > 0.4).astype(float)
    Y[rng.random(Y.shape) < empty] = np.nan
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{j}" for j in range(5)), *TOXIC])
        writer.writerows([[*x, *("" if np.isnan(y) else y for y in ys)] for x, ys in zip(X.round(3), Y, strict=True)])


def test_empty_cells_run_to_a_board_of_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's values are scikit-learn's on the known cells, and it says how much is unknown."""
    monkeypatch.chdir(tmp_path)
    _table(tmp_path / "tox.csv", 0.3)

    code, _, err = call("run", "tox.csv", "--labels", "NR*,SR*", "-m", "ridge", "-m", "mlp", "--n-trials", "2")

    assert code == 0, err
    assert re.search(
        r"unknown labels: (2[5-9]|3[0-5])\.\d% in train", Path("leaderboards/tox.md").read_text(encoding="utf-8")
    )
    dataset = complete(read_dataset(tmp_path / "tox.csv", ReadOptions(labels=("NR*,SR*",))))
    known = dataset.test.known
    assert known is not None
    for path in Path("runs/jobs").glob("*/record.json"):
        record = json.loads(path.read_text())
        scores = np.load(path.with_name("scores-test.npy"))
        value = theirs.average_precision_score(dataset.test.Y[known], scores[known])
        assert record["metrics"]["test"]["average_precision_micro"] == pytest.approx(value, abs=1e-12)
    assert call("verify", "runs", "--data", "tox.csv", "--labels", "NR*,SR*")[0] == 0


@pytest.mark.parametrize(("cells", "options"), [
    ((("1", "?"), ("0", "1"), ("?", "0")), {}),
    ((("1", ""), ("0", "1"), ("", "0")), {}),
    ((("1", "-1"), ("0", "1"), ("-1", "0")), {"unknown": ("-1",)}),
    ((("1.0", "NaN"), ("0.0", "1.0"), ("nan", "0.0")), {}),
    ((("yes", "?"), ("no", "yes"), ("", "no")), {}),
    ((("yes", "unclear"), ("no", "yes"), ("unclear", "no")), {"unknown": ("unclear",)}),
])  # fmt: skip
def test_what_says_unknown_in_a_table(tmp_path: Path, cells: tuple, options: dict) -> None:
    """Empty, ?, NaN, or what the user says; the same labels each time."""
    rows = "".join(f"{i}.5,{a},{b}\n" for i, (a, b) in enumerate(cells))
    (tmp_path / "t.csv").write_text("x,A,B\n" + rows)

    found = read_dataset(tmp_path / "t.csv", ReadOptions(labels=("A", "B"), **options))

    assert found.train.labels.tolist() == [[1, -1], [0, 1], [-1, 0]]
