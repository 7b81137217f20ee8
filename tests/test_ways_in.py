"""The same data give the same fingerprint, and the same board, whichever way they come in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import sklearn.metrics as theirs
from helpers import call

from mlbench.data.complete import complete
from mlbench.data.dataset import Dataset, Split
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError

Table = tuple[np.ndarray, np.ndarray, tuple[str, ...]]


@pytest.fixture(scope="module")
def yeast(shared_data: Path) -> Dataset:
    """The first 200 and 100 rows of yeast's own splits."""
    whole = read_dataset(shared_data / "mulan" / "yeast")
    assert whole.test is not None
    train, test = whole.train.take(np.arange(200)), whole.test.take(np.arange(100))
    return Dataset(name="yeast", train=train, test=test, label_names=whole.label_names)


def _frame(split: Split, names: tuple[str, ...]) -> pd.DataFrame:
    X = {f"x{j}": split.X[:, j] for j in range(split.X.shape[1])}
    return pd.DataFrame({**X, **{name: split.Y[:, k] for k, name in enumerate(names)}})


def _as_arff(data: Dataset, folder: Path) -> dict[str, object]:
    for part, split in data.parts():
        head = [f"@attribute x{j} numeric" for j in range(split.X.shape[1])]
        head += [f"@attribute {name} {{0,1}}" for name in data.label_names]
        rows = [",".join([*map(repr, x.tolist()), *map(str, y)]) for x, y in zip(split.X, split.Y, strict=True)]
        (folder / f"yeast-{part}.arff").write_text("\n".join(["@relation yeast", *head, "@data", *rows]))
    labels = "".join(f'<label name="{name}"/>' for name in data.label_names)
    (folder / "yeast.xml").write_text(f"<labels>{labels}</labels>")
    return {}


def _as_arff_without_xml(data: Dataset, folder: Path) -> dict[str, object]:
    _as_arff(data, folder)
    (folder / "yeast.xml").unlink()
    return {"labels": ("Class*",)}


def _as_csv(data: Dataset, folder: Path) -> dict[str, object]:
    for part, split in data.parts():
        _frame(split, data.label_names).to_csv(folder / f"{part}.csv", index=False)
    return {"labels": ("Class*",)}


def _as_tags(data: Dataset, folder: Path) -> dict[str, object]:
    for part, split in data.parts():
        frame = _frame(split, ())
        frame["tags"] = ["|".join(np.array(data.label_names)[y == 1]) for y in split.Y]
        frame.to_csv(folder / f"yeast_{part}.csv", index=False)
    return {"labels": ("tags",), "label_separator": "|"}


def _as_parquet(data: Dataset, folder: Path) -> dict[str, object]:
    frames = [_frame(split, data.label_names).assign(part=part) for part, split in data.parts()]
    pd.concat(frames).to_parquet(folder / "yeast.parquet")
    return {"labels": ("Class*",), "split": "part"}


def _as_npz(data: Dataset, folder: Path) -> dict[str, object]:
    arrays = {f"{kind}_{part}": getattr(split, kind) for part, split in data.parts() for kind in ("X", "Y")}
    np.savez(folder / "yeast.npz", label_names=np.array(data.label_names), **arrays)
    return {}


def _as_npy(data: Dataset, folder: Path) -> dict[str, object]:
    for part, split in data.parts():
        np.save(folder / f"X-{part}.npy", split.X)
        np.save(folder / f"Y-{part}.npy", split.Y.astype(np.float64))
    (folder / "label_names.txt").write_text("\n".join(data.label_names))
    return {}


WAYS: list[Callable[[Dataset, Path], dict[str, object]]] = [
    _as_arff, _as_arff_without_xml, _as_csv, _as_tags, _as_parquet, _as_npz, _as_npy,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_one_fingerprint_whichever_way(yeast: Dataset, tmp_path: Path, way: Callable[..., dict[str, object]]) -> None:
    """Names, splits and cells are the same, to the last bit."""
    folder = tmp_path / "yeast"
    folder.mkdir()
    options = way(yeast, folder)

    assert read_dataset(folder, ReadOptions(**options)).fingerprint() == yeast.fingerprint()  # type: ignore[arg-type]


def test_one_board_whichever_way(yeast: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of the ARFF files is the job of the CSV files: it is finished already."""
    monkeypatch.chdir(tmp_path)
    boards = []
    for way, more in ((_as_arff, ()), (_as_csv, ("--labels", "Class*")), (_as_npz, ())):
        folder = tmp_path / way.__name__ / "yeast"
        folder.mkdir(parents=True)
        way(yeast, folder)
        code, _, err = call("run", folder, *more, "-m", "ridge", "--n-trials", "2")
        assert code == 0, err
        assert ("2 of 2 jobs are finished already" in err) == bool(boards)
        boards.append((tmp_path / "leaderboards" / "yeast.csv").read_bytes())
    assert boards == [boards[0]] * 3


def test_a_split_takes_what_people_have() -> None:
    """Lists, data frames, float64, Boolean and sparse labels become the same split; all else is one line."""
    X, Y = np.arange(6.0).reshape(3, 2), np.array([[1, 0], [0, 1], [1, 1]])
    plain = Dataset(name="d", train=Split(X=X, Y=Y), label_names=("a", "b")).fingerprint()
    for features in (X.tolist(), pd.DataFrame(X), X.astype(np.float32), np.asfortranarray(X), X.astype(int)):
        for labels in (Y.tolist(), pd.DataFrame(Y), Y.astype(bool), sp.csr_matrix(Y), sp.coo_array(Y), Y.astype(float)):
            split = Split(X=features, Y=labels)  # type: ignore[arg-type]
            assert (split.X.dtype, split.Y.dtype) == (np.float32, np.uint8)
            assert Dataset(name="d", train=split, label_names=("a", "b")).fingerprint() == plain
    for bad_X, bad_Y in [(X, Y * 2), (X, Y[:2]), (X, Y[:, 0]), (X + np.inf, Y), (X.astype(str), Y), (X, Y.astype(str))]:
        with pytest.raises(DataError) as caught:
            Split(X=bad_X, Y=bad_Y)
        assert "\n" not in str(caught.value)


def test_openmic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An .npz like OpenMIC's, with probabilities, a mask and pickled keys, runs to a board of its known cells."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 10, 8)).astype(np.float32)
    truth = 1 / (1 + np.exp(-3 * X.mean(axis=1)[:, :5] * np.sqrt(10)))
    mask = rng.random(truth.shape) < 0.4
    keys = np.array([f"clip{i}" for i in range(240)], dtype=object)
    np.savez("openmic.npz", X=X, Y_true=truth, Y_mask=mask, sample_key=keys)

    code, _, err = call("run", "openmic.npz", "-m", "ridge", "-m", "logistic", "--n-trials", "2")

    assert code == 0, err
    data = complete(read_dataset(Path("openmic.npz")))
    assert data.train.X.shape[1] == 80
    known = data.test.known
    assert known is not None
    assert 0.5 < 1 - known.mean() < 0.7
    for scores in Path("runs/jobs").glob("*/scores-test.npy"):
        value = theirs.average_precision_score(data.test.Y[known], np.load(scores)[known])
        assert f'"average_precision_micro": {value!r}'[:40] in scores.with_name("record.json").read_text()
