"""The audit of a split: each planted fault is found, and only it; published statistics; bounded memory."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import patient, random_labels
from hypothesis import given
from hypothesis import strategies as st

from mlbench.cli.audit import findings
from mlbench.data import near_duplicates as near
from mlbench.data.audit import Audit, Repeats, SharedGroups, audit, identical_labels, label_statistics
from mlbench.data.dataset import Dataset, Split, make_split
from mlbench.data.duplicates import count_shared_rows
from mlbench.data.formats import read_dataset

Arrays = dict[str, Any]
SIZES = {"train": 60, "valid": 30, "test": 40}
D, K = 20, 5


def clean(seed: int = 0) -> Arrays:
    """X, Y and groups by part, without any fault."""
    rng = np.random.default_rng(seed)
    arrays: Arrays = {}
    for number, (part, n) in enumerate(SIZES.items()):
        arrays[part] = {
            # Small integers times a power of two: sums do not depend on their order.
            "X": rng.integers(-40, 40, size=(n, D)).astype(np.float32) / 4,
            "Y": random_labels(seed + number, n, K),
            "groups": np.arange(n) // 5 + 100 * number,
        }
    return arrays


def dataset(arrays: Arrays, *, sparse: bool = False, **more: Any) -> Dataset:
    splits = {
        part: make_split(sp.csr_matrix(a["X"]) if sparse else a["X"], a["Y"], a["groups"], where=part)
        for part, a in arrays.items()
    }
    k = arrays["train"]["Y"].shape[1]
    return Dataset(name="toy", label_names=tuple(f"label-{i}" for i in range(k)), **{**splits, **more})


def faults(found: Audit) -> dict[str, Any]:
    """What was found, by field, where it is more than nothing."""
    values = {field.name: getattr(found, field.name) for field in fields(found) if field.name != "statistics"}
    values["near"] = {entry.part: entry.rows for entry in found.near if entry.rows}
    return {name: value for name, value in values.items() if value}


def moved(row: np.ndarray) -> np.ndarray:
    """A row that is nearly the same."""
    return row + np.float32(0.01) * np.linspace(-1, 1, len(row), dtype=np.float32)


# ----------------------------------------------------------------------------------- planted faults
def no_fault(arrays: Arrays) -> None:
    pass


def copy_into_test(arrays: Arrays) -> None:
    arrays["test"]["X"][3] = arrays["train"]["X"][7]
    arrays["test"]["Y"][3] = arrays["train"]["Y"][7]
    arrays["test"]["X"][4] = arrays["train"]["X"][8]
    arrays["test"]["Y"][4] = 1 - arrays["train"]["Y"][8]


def copy_into_valid(arrays: Arrays) -> None:
    arrays["valid"]["X"][0] = arrays["train"]["X"][0]
    arrays["valid"]["Y"][0] = arrays["train"]["Y"][0]


def copy_valid_into_test(arrays: Arrays) -> None:
    arrays["test"]["X"][:2] = arrays["valid"]["X"][5]
    arrays["test"]["Y"][:2] = arrays["valid"]["Y"][5]


def copy_within_train(arrays: Arrays) -> None:
    X, Y = arrays["train"]["X"], arrays["train"]["Y"]
    X[10] = X[11] = X[12]
    X[20], Y[20] = X[21], Y[21]
    Y[10], Y[11], Y[12] = [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]


def nearly_copy(arrays: Arrays) -> None:
    arrays["test"]["X"][6] = moved(arrays["train"]["X"][9])
    arrays["test"]["X"][7] = moved(arrays["valid"]["X"][9])
    arrays["valid"]["X"][8] = moved(arrays["train"]["X"][19])


def share_groups(arrays: Arrays) -> None:
    arrays["test"]["groups"][:3] = arrays["train"]["groups"][0]
    arrays["test"]["groups"][3] = arrays["train"]["groups"][-1]


def no_positive(arrays: Arrays) -> None:
    for part in ("valid", "test"):
        arrays[part]["Y"][:, 2] = 0


def dead_labels(arrays: Arrays) -> None:
    for part in SIZES:
        arrays[part]["Y"][:, [1, 3]] = 0


def all_positive(arrays: Arrays) -> None:
    arrays["train"]["Y"][:, 4] = 1


def twice_the_label(arrays: Arrays) -> None:
    for part in SIZES:
        arrays[part]["Y"][:, 3] = arrays[part]["Y"][:, 1]


def one_label_five_times(arrays: Arrays) -> None:
    for part in SIZES:
        arrays[part]["Y"][:] = arrays[part]["Y"][:, :1]


def constant_feature(arrays: Arrays) -> None:
    for part in SIZES:
        arrays[part]["X"][:, [5, 6]] = 0, 3


def constant_but_in_test(arrays: Arrays) -> None:
    constant_feature(arrays)
    arrays["test"]["X"][-1, 6] = 0
    arrays["valid"]["X"][0, 5] = 1


def constant_elsewhere(arrays: Arrays) -> None:
    for part, value in (("train", 0), ("valid", 0), ("test", 2)):
        arrays[part]["X"][:, 0] = value


FOUND: list[tuple[Callable[[Arrays], None], dict[str, Any]]] = [
    (no_fault, {}),
    (copy_into_test, {"repeats": (Repeats(part="test", earlier="train", rows=2, other_labels=1),)}),
    (copy_into_valid, {"repeats": (Repeats(part="valid", earlier="train", rows=1, other_labels=0),)}),
    (copy_valid_into_test, {"repeats": (Repeats(part="test", earlier="valid", rows=2, other_labels=0),)}),
    (copy_within_train, {"repeats": (Repeats(part="train", earlier="train", rows=5, other_labels=3),)}),
    (nearly_copy, {"near": {"valid": 1, "test": 2}}),
    (share_groups, {"shared_groups": (SharedGroups(part="test", earlier="train", groups=2, rows=4),)}),
    (no_positive, {"never": {"valid": (2,), "test": (2,)}}),
    (dead_labels, {"never": dict.fromkeys(SIZES, (1, 3))}),
    (all_positive, {"always": {"train": (4,)}}),
    (twice_the_label, {"identical_labels": 1, "first_identical": ((1, 3),)}),
    (one_label_five_times, {"identical_labels": 10, "first_identical": ((0, 1), (0, 2), (0, 3))}),
    (constant_feature, {"constant": (5, 6)}),
    (constant_but_in_test, {"constant": (5, 6), "constant_but_in_test": (6,)}),
    (constant_elsewhere, {"constant": (0,), "constant_but_in_test": (0,)}),
]
each_fault = pytest.mark.parametrize(("plant", "expected"), FOUND, ids=[plant.__name__ for plant, _ in FOUND])


@each_fault
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("stays_sparse", [False, True])
def test_a_planted_fault_and_only_it_is_found(
    plant: Callable[[Arrays], None],
    expected: dict[str, Any],
    sparse: bool,
    stays_sparse: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On dense and CSR features, whichever way CSR rows are compared, and over the bounds of blocks."""
    monkeypatch.setattr(near, "DENSE_FROM", 1.1 if stays_sparse else 0.0)
    monkeypatch.setattr(near, "CELLS_PER_BLOCK", 7 * D)
    monkeypatch.setattr(near, "ROWS_PER_PRODUCT", 7)
    arrays = clean()
    plant(arrays)
    data = dataset(arrays, sparse=sparse)

    assert faults(audit(data)) == expected
    assert any(not finding.startswith("none") for _, finding in findings(data, audit(data))) == bool(expected)


@each_fault
def test_the_order_of_rows_and_columns_does_not_matter(
    plant: Callable[[Arrays], None], expected: dict[str, Any]
) -> None:
    """Column numbers move with the columns; counts and statistics stay."""
    arrays = clean()
    plant(arrays)
    before = audit(dataset(arrays))
    rng = np.random.default_rng(1)
    features, labels = rng.permutation(D), rng.permutation(K)
    for part, n in SIZES.items():
        rows = rng.permutation(n)
        a = arrays[part]
        arrays[part] = {"X": a["X"][rows][:, features], "Y": a["Y"][rows][:, labels], "groups": a["groups"][rows]}
    after = audit(dataset(arrays))

    for name in ("repeats", "near", "shared_groups", "identical_labels"):
        assert getattr(after, name) == getattr(before, name)
    for name in ("constant", "constant_but_in_test"):
        assert sorted(int(features[i]) for i in getattr(after, name)) == list(getattr(before, name))
    for name in ("never", "always"):
        old = {part: sorted(int(labels[i]) for i in columns) for part, columns in getattr(after, name).items()}
        assert old == {part: list(columns) for part, columns in getattr(before, name).items()}
    for part, statistics in before.statistics.items():
        values = vars(statistics)
        assert vars(after.statistics[part]) == {name: pytest.approx(value) for name, value in values.items()}


def test_twins_are_counted() -> None:
    """They are known from the data set itself."""
    assert faults(audit(dataset(clean(), twins=frozenset({200, 201})))) == {"twins": 2}


def test_parts_may_be_missing() -> None:
    """With train alone there is nothing to compare with."""
    data = dataset({"train": clean()["train"]})
    assert faults(audit(data)) == {}
    assert audit(data).near == ()
    assert [check for check, _ in findings(data, audit(data))][:2] == [
        "duplicate rows within train",
        "groups in two splits",
    ]


@pytest.mark.parametrize("sparse", [False, True])
def test_features_that_never_vary(sparse: bool) -> None:
    """No scale, no near repeats; no warning of a division either."""
    arrays = clean()
    for part in SIZES:
        arrays[part]["X"][:] = 0.1
    found = faults(audit(dataset(arrays, sparse=sparse)))
    assert found.pop("constant") == tuple(range(D))
    assert {(entry.part, entry.earlier) for entry in found.pop("repeats")} == {
        ("train", "train"), ("valid", "train"), ("test", "train"), ("test", "valid"),
    }  # fmt: skip
    assert found == {}


def test_a_zero_is_a_zero() -> None:
    """Neither its sign nor whether CSR stores it makes another row."""
    arrays = clean()
    arrays["train"]["X"][0, 0], arrays["test"]["X"][0] = 0, arrays["train"]["X"][0]
    arrays["test"]["X"][0, 0] = -0.0
    arrays["train"]["X"][0, 0] = 0.0
    arrays["test"]["Y"][0] = arrays["train"]["Y"][0]
    data = dataset(arrays)
    stored = sp.csr_matrix(data.train.X)
    stored.data[0] = 0
    arrays["train"]["X"] = stored.toarray()
    assert count_shared_rows(data) == {("test", "train"): 1}
    assert faults(audit(data))["repeats"] == (Repeats(part="test", earlier="train", rows=1, other_labels=0),)
    as_stored = dataset(arrays, sparse=True)
    assert audit(replace(as_stored, train=replace(as_stored.train, X=stored))) == audit(as_stored)


def test_a_feature_of_stored_zeros_never_varies() -> None:
    """A zero that CSR stores is no other value than one that it leaves out."""
    arrays = clean()
    for part in SIZES:
        arrays[part]["X"][:, 0] = 0
    data = dataset(arrays, sparse=True)
    stored = sp.csr_matrix(np.where(np.arange(D) == 0, 1, data.train.X.toarray()))
    stored.data[stored.indices == 0] = 0

    assert audit(data).constant == (0,)
    assert audit(replace(data, train=replace(data.train, X=stored))).constant == (0,)


# ------------------------------------------------------------------------------------- near repeats
def naive_near(earlier: np.ndarray, later: np.ndarray, train: np.ndarray) -> int:
    """The definition, pair by pair, in float64."""
    varying = train.min(axis=0) < train.max(axis=0)
    mean, deviation = train.mean(axis=0, dtype=float)[varying], train.std(axis=0, dtype=float)[varying]
    a, b = (later[:, varying] - mean) / deviation, (earlier[:, varying] - mean) / deviation
    count = 0
    for x in a:
        close = any(2 * x @ y >= near.NEAR * (x @ x + y @ y) > 0 for y in b)
        count += close and not (later[np.flatnonzero((a == x).all(1))[0]] == earlier).all(axis=1).any()
    return count


@patient
@given(st.integers(0, 10**6), st.integers(1, 4), st.booleans())
def test_near_repeats_follow_their_definition(seed: int, d: int, sparse: bool) -> None:
    """In few dimensions many rows are near; CSR and dense agree with the pairs taken one by one."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(60, d)) * rng.choice([0, 1, 1, 1], size=(60, d)), 2).astype(np.float32)
    train, test = X[:40], X[40:]

    def split(X: np.ndarray) -> Split:
        return make_split(sp.csr_matrix(X) if sparse else X, random_labels(0, len(X), 2), where="x")

    data = Dataset(name="toy", train=split(train), test=split(test), label_names=("a", "b"))
    assert audit(data).near[0].rows == naive_near(train, test, train)


def test_scales_and_shifts_of_features_do_not_matter() -> None:
    """A column in metres or in millimetres tells the same."""
    arrays = clean()
    nearly_copy(arrays)
    rng = np.random.default_rng(2)
    scale, shift = 10 ** rng.uniform(-3, 3, D), rng.normal(size=D)
    for part in SIZES:
        arrays[part]["X"] = (arrays[part]["X"] * scale + shift).astype(np.float32)
    assert faults(audit(dataset(arrays))) == {"near": {"valid": 1, "test": 2}}


def test_huge_values_in_test_do_no_harm() -> None:
    """A value far out of train's range, whose square float32 cannot hold."""
    arrays = clean()
    arrays["test"]["X"][0, 0] = 1e30
    for sparse in (False, True):
        assert faults(audit(dataset(arrays, sparse=sparse))) == {}


def test_large_parts_are_sampled_and_the_output_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evenly spaced rows, over all earlier parts together."""
    monkeypatch.setattr(near, "MOST_LATER", 4)
    monkeypatch.setattr(near, "MOST_EARLIER", 10)
    arrays = clean()
    arrays["test"]["X"][[0, -1]] = moved(arrays["train"]["X"][0]), moved(arrays["valid"]["X"][-1])
    arrays["test"]["X"][1] = moved(arrays["train"]["X"][1])  # in neither sample
    data = dataset(arrays)
    found = audit(data)
    assert [(e.part, e.rows, e.looked_at, e.of, e.against, e.of_earlier) for e in found.near] == [
        ("valid", 0, 4, 30, 10, 60),
        ("test", 2, 4, 40, 10, 90),
    ]
    finding = dict(findings(data, found))["near-duplicates in test"]
    assert (
        finding
        == "2 (similarity of standardised rows at least 0.999; sampled: 4 of 40 rows against 10 of 90 earlier rows)"
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_memory_is_bounded(sparse: bool) -> None:
    """All similarities at once would be 320 MB, all of X in float64 100 MB more."""
    rng = np.random.default_rng(0)
    X: Any = rng.normal(size=(25_000, 500)).astype(np.float32)
    if sparse:
        X = sp.csr_matrix(np.where(X > 2, X, 0))
    Y = rng.integers(0, 2, size=(25_000, 10), dtype=np.uint8)
    parts = {"train": slice(0, 20_000), "test": slice(20_000, 25_000)}
    splits = {part: Split(X=X[rows], Y=Y[rows]) for part, rows in parts.items()}
    data = Dataset(name="toy", label_names=tuple("abcdefghij"), **splits)
    tracemalloc.start()
    try:
        found = audit(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (found.near[0].looked_at, found.near[0].against) == (2_000, 20_000)
    assert peak < 130e6


# --------------------------------------------------------------------------------------- statistics
@pytest.mark.parametrize(
    ("name", "published"),
    [
        # https://rdrr.io/cran/mldr.datasets/man/flags.html and medical.html, what R printed there
        ("flags", (3.391753, 0.4845361, 54, 2.254709, 0.06058576)),
        ("medical", (1.245399, 0.02767553, 94, 89.50136, 0.04705599)),
        # Cardinality, density and label sets from Mulan's table, the others as mldr computes them
        ("emotions", (1.868, 0.311, 27, 1.478, 0.011)),
        ("yeast", (4.237, 0.303, 198, 7.197, 0.104)),
    ],
)
def test_published_statistics(shared_data: Path, name: str, published: tuple[float, ...]) -> None:
    """All parts together are the whole data set, as others count it."""
    data = read_dataset(shared_data / "mulan" / name)
    found = audit(data).statistics["all"]
    tolerance = 5e-7 if name in ("flags", "medical") else 5.1e-4
    values = (found.cardinality, found.density, found.label_sets, found.mean_imbalance_ratio, found.scumble)
    assert values == pytest.approx(published, rel=tolerance if tolerance < 1e-6 else 0, abs=tolerance)
    assert found.without_positive == 0


def test_statistics_by_hand() -> None:
    """Three labels, one of them never; counts 4 and 1, so that the ratios are 1 and 4."""
    Y = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]], dtype=np.uint8)
    found = label_statistics([Y])
    assert (found.rows, found.cardinality, found.label_sets, found.without_positive) == (5, 1.0, 3, 1)
    assert found.density == pytest.approx(1 / 3)
    assert found.mean_imbalance_ratio == 2.5
    # One row of five has both labels: geometric mean 2, arithmetic mean 2.5.
    assert found.scumble == pytest.approx((1 - 2 / 2.5) / 5)
    assert label_statistics([Y[:2], Y[2:]]) == found


def test_statistics_without_any_positive() -> None:
    """No ratio, no warning."""
    found = label_statistics([np.zeros((3, 2), dtype=np.uint8)])
    assert (found.mean_imbalance_ratio, found.scumble, found.without_positive, found.label_sets) == (None, 0.0, 2, 1)


@patient
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_identical_labels_are_all_pairs(seed: int, k: int) -> None:
    """As found pair by pair."""
    Y = np.random.default_rng(seed).integers(0, 2, size=(4, k), dtype=np.uint8)
    mixed = (Y.min(axis=0) == 0) & (Y.max(axis=0) == 1)
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k) if mixed[a] and mixed[b] and (Y[:, a] == Y[:, b]).all()]
    assert identical_labels([Y[:1], Y[1:]]) == (len(pairs), tuple(pairs[:3]))


# -------------------------------------------------------------------------------------- the command
def command(*words: str, where: Path) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-m", "mlbench", "data", "audit", *words]
    return subprocess.run(call, cwd=where, capture_output=True, text=True, timeout=120)


def test_the_command_shows_what_it_finds(tmp_path: Path) -> None:
    """Exit 0 with findings, on stdout, plain; table options as for `data inspect`."""
    arrays = clean()
    copy_into_test(arrays)
    share_groups(arrays)
    constant_but_in_test(arrays)
    no_positive(arrays)
    head = ",".join([*(f"f{i}" for i in range(D)), *(f"y{i}" for i in range(K)), "who", "part"])
    lines = [
        ",".join([*map(str, x), *map(str, y), str(group), part])
        for part, a in arrays.items()
        for x, y, group in zip(a["X"], a["Y"], a["groups"], strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join([head, *lines]) + "\n")
    done = command("t.csv", "--labels", "y*", "--groups", "who", "--split", "part", where=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout.splitlines()
    assert shown[0] == "t"
    assert "\x1b" not in done.stdout
    checks = dict(line.strip().split(": ", 1) for line in shown[1 : shown.index("")])
    assert {check: finding for check, finding in checks.items() if not finding.startswith("none")} == {
        "rows of test that also occur in train": "2, 1 with different labels",
        "groups in two splits": "2 of train in test (4 rows)",
        "labels without a positive": "valid 1 (y2); test 1 (y2)",
        "features constant in train": "2 (f5, f6)",
        "features constant in train, but not in test": "1 (f6)",
        "note": "a column of 0 and 1 is a feature: f5: if a label is among them, name it with --labels",
    }
    table = [line.split() for line in shown[shown.index("") + 2 :]]
    assert [row[:2] for row in table] == [["train", "60"], ["valid", "30"], ["test", "40"], ["all", "130"]]


@pytest.mark.parametrize(
    ("words", "says"),
    [([], "name a data set"), (["dmeo"], "did you mean 'demo'?"), (["bad.csv", "--labels", "y"], "must be 0 or 1")],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, words: list[str], says: str) -> None:
    """Exit 2, as everywhere."""
    (tmp_path / "bad.csv").write_text("x,y\n1,0\n2,7\n3,1\n")
    ended = command(*words, where=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert ended.stderr.count("\n") == 1
