"""NumPy files: one ``.npz`` archive of arrays, or a folder of ``.npy`` files."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.data.formats.array_names import Role, role_of
from mlbench.errors import MlbenchError, UsageError

rng = np.random.default_rng(0)
X = rng.normal(size=(6, 3)).astype(np.float32)
Y = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], dtype=np.uint8)
ROWS = {"train": slice(0, 3), "valid": slice(3, 4), "test": slice(4, 6)}


def _refusal(path: Path, **options: Any) -> str:
    with pytest.raises(MlbenchError) as caught:
        read_dataset(path, ReadOptions(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _archive(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


def _sizes(path: Path, **options: Any) -> dict[str, int]:
    return {part: len(split) for part, split in read_dataset(path, ReadOptions(**options)).parts()}


# ------------------------------------------------------------------------------------------- names
@pytest.mark.parametrize("name", ["X", "x", "features", "Features", "data"])
@pytest.mark.parametrize("labels", ["Y", "y", "labels", "targets", "Y_true"])
def test_names_of_features_and_labels(tmp_path: Path, name: str, labels: str) -> None:
    """The usual names, in any case; the file may stand alone in its folder."""
    _archive(tmp_path, **{name: X, labels: Y})

    for path in (tmp_path, tmp_path / "d.npz"):
        data = read_dataset(path)
        np.testing.assert_array_equal(data.train.X, X)
        np.testing.assert_array_equal(data.train.Y, Y)
        assert data.features == ("raw",)
        assert data.label_names == ("label-0", "label-1")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("X_train", Role("X", "train")), ("train_X", Role("X", "train")), ("X-tst", Role("X", "test")),
        ("x_val", Role("X", "valid")), ("Xtrain", Role("X", "train")), ("Y.trn", Role("Y", "train")),
        ("Y_mask_test", Role("mask", "test")), ("Y_test_mask", Role("mask", "test")), ("known", Role("mask", None)),
        ("groups-dev", Role("groups", "valid")), ("label_names", Role("label_names", None)), ("sample_key", None),
        ("train", None), ("X_later", None), ("label_names_train", None), ("Xf", None), ("X2", None),
    ],
)  # fmt: skip
def test_what_a_name_says(name: str, role: Role | None) -> None:
    """The key and the split may stand in any order, with any separator."""
    assert role_of(name) == role


@pytest.mark.parametrize("style", ["{key}_{word}", "{word}_{key}", "{key}-{word}", "{key}.{word}", "{key}{word}"])
@pytest.mark.parametrize("words", [("train", "valid", "test"), ("trn", "val", "tst"), ("training", "dev", "testing")])
@pytest.mark.parametrize("kind", ["npz", "npy"])
def test_splits_by_names(tmp_path: Path, style: str, words: tuple[str, ...], kind: str) -> None:
    """Arrays of an archive and files of a folder state their split in the same way."""
    arrays = {}
    for word, rows in zip(words, ROWS.values(), strict=True):
        arrays[style.format(key="X", word=word)] = X[rows]
        arrays[style.format(key="Y", word=word)] = Y[rows]
        arrays[style.format(key="groups", word=word)] = np.array(["a", "b", "b"])[: len(X[rows])]
    if kind == "npz":
        _archive(tmp_path, **arrays)
    else:
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}.npy", array)

    data = read_dataset(tmp_path)

    assert list(dict(data.parts())) == ["train", "valid", "test"]
    for part, split in data.parts():
        np.testing.assert_array_equal(split.X, X[ROWS[part]])
        np.testing.assert_array_equal(split.Y, Y[ROWS[part]])
        assert split.groups is not None
    assert data.train.groups is not None
    assert data.test is not None
    assert data.test.groups is not None
    assert data.train.groups[:2].tolist() == data.test.groups.tolist()
    assert data.notes == ()


def test_an_archive_for_each_split(tmp_path: Path) -> None:
    """``train.npz`` and ``test.npz``, with or without the split in the names of their arrays; or by option."""
    np.savez(tmp_path / "train.npz", X=X, Y=Y)
    np.savez(tmp_path / "test.npz", X_test=X[:2], Y_test=Y[:2])
    assert _sizes(tmp_path) == {"train": 6, "test": 2}
    assert _sizes(tmp_path / "train.npz", valid=str(tmp_path / "test.npz")) == {"train": 6, "valid": 2}

    np.savez(tmp_path / "test.npz", X_test=X[:2], Y_test=Y[:2], X_train=X, Y_train=Y)
    assert "test.npz: it has several splits" in _refusal(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X, "Z": Y}, "no labels (Y) beside X; found: X, Z"),
        ({"Y": Y, "Z": X}, "no features (X) beside Y; found: Y, Z"),
        ({"a": X, "b": Y}, "no features (X) and no labels (Y); found: a, b"),
        ({"X": X, "features": X, "Y": Y}, "X, features could both be X; found: X, features, Y"),
        ({"X": X, "y": Y, "Y_true": Y}, "y, Y_true could both be Y"),
        ({"X_test": X, "Y_test": Y}, "which rows are train?"),
        ({"X": X, "Y": Y, "X_test": X, "Y_test": Y}, "which rows are train?"),
        ({"X": X, "Y": Y, "X_train": X, "Y_train": Y}, "which rows are train?"),
        ({"X_train": X, "Y_train": Y, "X_test": X}, "no labels (Y) beside X_test"),
        ({"X_train": X, "Y_train": Y, "groups": Y[:, 0]}, "no features (X) beside groups"),
        ({"X_train": X, "Y_train": Y, "split": np.array(["train"] * 6)}, "splits by name and by the array split"),
        ({"X": X, "Y": Y, "mask": Y}, "does mask say which labels are known, or which are not? Name it known"),
    ],
)
def test_what_names_leave_open_is_an_error(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """The error lists the names that were found."""
    assert message in _refusal(_archive(tmp_path, **arrays))


def test_arrays_of_all_rows_beside_their_splits(tmp_path: Path) -> None:
    """A pair of train and test is preferred to all rows, as in every format, and a note says what is not used."""
    data = read_dataset(_archive(tmp_path, X=X, Y=Y, X_train=X[:4], Y_train=Y[:4], X_test=X[4:], Y_test=Y[4:], t=X))

    assert {part: len(split) for part, split in data.parts()} == {"train": 4, "test": 2}
    assert data.notes == ("arrays that are not used: X, Y, t",)


# ------------------------------------------------------------------------------------------ splits
@pytest.mark.parametrize("kind", ["U10", "S10"])
def test_an_array_of_splits(tmp_path: Path, kind: str) -> None:
    """Words mean what they mean in file names."""
    words = np.array(["train", "Training", "trn", "val", "TEST", "test"]).astype(kind)
    data = read_dataset(_archive(tmp_path, X=X, Y=Y, split=words, groups=np.arange(6)))

    assert {part: len(split) for part, split in data.parts()} == {"train": 3, "valid": 1, "test": 2}
    assert data.test is not None
    np.testing.assert_array_equal(data.test.X, X[4:])
    assert data.test.groups is not None
    assert data.test.groups.tolist() == [4, 5]


def test_folds_are_chosen(tmp_path: Path) -> None:
    """Numbers of folds need ``--fold``, which is refused where there are none."""
    path = _archive(tmp_path, X=X, Y=Y, split=np.array([0, 1, 2, 0, 1, 2]))
    assert "d.npz: split: folds 0, 1, 2: choose one with --fold" in _refusal(path)
    assert "no fold 3; available: 0, 1, 2" in _refusal(path, fold=3)
    assert _sizes(path, fold=1) == {"train": 4, "test": 2}

    assert "there are no folds" in _refusal(_archive(tmp_path, X=X, Y=Y), fold=1)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (["train"] * 5 + ["later"], "row 5 (from 0) holds 'later', expected train, valid or test"),
        (["test"] * 6, "no row is train"),
        (["train"] * 5, "shape (5,)"),
        ([0.5] * 6, "type float64"),
    ],
)
def test_bad_arrays_of_splits(tmp_path: Path, split: list[Any], message: str) -> None:
    """The error names the array and the row."""
    said = _refusal(_archive(tmp_path, X=X, Y=Y, split=np.array(split)))
    assert message in said
    assert said.startswith("d.npz: split")


# ------------------------------------------------------------------------------------------ labels
def test_openmic(tmp_path: Path) -> None:
    """Likelihoods with a mask: 0.5 is a label, what the mask leaves out is unknown, pickled keys are never read."""
    likelihood = np.array([[0.5, 0.49], [1, 0], [0.9, 0.5], [0, 0], [0.1, 0.8], [0.2, 1.0]])
    mask = np.ones((6, 2), dtype=bool)
    mask[2, 1] = mask[3, 0] = False
    keys = np.array(["k1", "k2", "k3", "k4", "k5", {"a": 1}], dtype=object)
    path = _archive(
        tmp_path, X=rng.normal(size=(6, 10, 8)), Y_true=likelihood, Y_mask=mask, sample_key=keys
    )  # fmt: skip

    data = read_dataset(path)

    assert data.train.X.shape == (6, 80)
    assert data.train.Y.tolist() == [[1, 0], [1, 0], [1, 0], [0, 0], [0, 1], [0, 1]]
    assert data.train.known is not None
    np.testing.assert_array_equal(data.train.known, mask)
    assert data.notes == (
        "features of shape 10 × 8 are flattened to 80 columns",
        "arrays that are not used: sample_key",
        "labels are likelihoods: 0.5 or more is 1, less is 0; those that the mask leaves out are unknown",
    )


@pytest.mark.parametrize("key", ["X", "Y", "groups", "label_names", "split"])
def test_a_pickled_array_that_is_needed_is_refused(tmp_path: Path, key: str) -> None:
    """Python objects are never loaded, however harmless."""

    class Dangerous:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("unpickled",))

    array = np.empty(6, dtype=object)
    array[0] = Dangerous()
    said = _refusal(_archive(tmp_path, **{"X": X, "Y": Y, key: array}))
    assert said.startswith(f"d.npz: {key}: holds pickled Python objects, which are never loaded")


def test_minus_one(tmp_path: Path) -> None:
    """With 1 alone it is a 0, and noted; beside 0 it is asked for, over all splits together."""
    signs = 2 * Y.astype(np.int8) - 1
    data = read_dataset(_archive(tmp_path, X=X, Y=signs))
    np.testing.assert_array_equal(data.train.Y, Y)
    assert data.train.known is None
    assert data.notes == ("labels are -1 and 1: -1 is read as 0",)

    path = _archive(tmp_path, X_train=X, Y_train=signs, X_test=X, Y_test=Y)
    with pytest.raises(UsageError, match="give --unknown -1"):
        read_dataset(path)
    data = read_dataset(path, ReadOptions(unknown=("-1",)))
    assert data.train.known is not None
    np.testing.assert_array_equal(data.train.known, Y == 1)
    assert data.train.Y.max() == 1
    assert data.test is not None
    assert data.test.known is None
    with pytest.raises(UsageError, match="--unknown never: the labels are an array of numbers"):
        read_dataset(path, ReadOptions(unknown=("never",)))


def test_missing_values(tmp_path: Path) -> None:
    """NaN is a missing value among features and an unknown label among labels, with a mask as without."""
    features, labels = X.copy(), Y.astype(np.float32)
    features[1, 2] = labels[0, 1] = np.nan
    mask = np.ones_like(Y)
    mask[5, 0] = 0

    data = read_dataset(_archive(tmp_path, X=features, Y=labels, known=mask))

    assert np.argwhere(np.isnan(data.train.X)).tolist() == [[1, 2]]
    assert data.train.known is not None
    assert np.argwhere(~data.train.known).tolist() == [[0, 1], [5, 0]]


@pytest.mark.parametrize("shape", [(6,), (6, 1)])
@pytest.mark.parametrize("kind", [np.int64, np.float64, np.uint8])
def test_a_vector_of_labels(tmp_path: Path, shape: tuple[int, ...], kind: Any) -> None:
    """0 and 1 are one label; classes are asked for, and are one label each with ``--one-hot``."""
    assert read_dataset(_archive(tmp_path, X=X, y=Y[:, 0].reshape(shape))).train.Y.tolist() == Y[:, :1].tolist()

    path = _archive(tmp_path, X=X, y=np.array([2, 0, 1, 1, 2, 0], dtype=kind).reshape(shape))
    with pytest.raises(UsageError, match=r"one column with the values 0, 1, 2: give --one-hot"):
        read_dataset(path)
    data = read_dataset(path, ReadOptions(one_hot=True))
    assert data.label_names == ("label-0", "label-1", "label-2")
    assert data.train.Y.argmax(1).tolist() == [2, 0, 1, 1, 2, 0]
    assert data.train.Y.sum(1).tolist() == [1] * 6


def test_classes_over_all_splits(tmp_path: Path) -> None:
    """A class of test alone is a label too; names stand for the numbers 0, 1, …; unknown classes have no label."""
    arrays = {"X_train": X, "y_train": [4, 0, 4, 0, -1, 0], "X_test": X[:2], "y_test": [7, 0]}
    data = read_dataset(_archive(tmp_path, **arrays), ReadOptions(one_hot=True, unknown=("-1",)))
    assert data.label_names == ("label-0", "label-4", "label-7")
    assert data.train.known is not None
    assert np.flatnonzero(~data.train.known.all(1)).tolist() == [4]
    assert data.train.Y[4].tolist() == [0, 0, 0]

    arrays = {"X": X, "y": [2, 0, 0, 2, 0, 2], "label_names": ["rock", "jazz", "folk"]}
    data = read_dataset(_archive(tmp_path, **arrays), ReadOptions(one_hot=True))
    assert data.label_names == ("rock", "jazz", "folk")
    assert data.train.Y.sum(0).tolist() == [3, 0, 3]
    said = _refusal(_archive(tmp_path, **{**arrays, "y": [2, 0, 0, 3, 0, 2]}), one_hot=True)
    assert "class '3' is not among the 3 label names" in said


@pytest.mark.parametrize("kind", ["U8", "S8"])
def test_classes_of_words(tmp_path: Path, kind: str) -> None:
    """Texts are classes with ``--one-hot``, and nothing else."""
    path = _archive(tmp_path, X=X, y=np.array(["rock", "jazz", "rock", "", "jazz", "rock"]).astype(kind))
    assert "labels are texts, expected 0 and 1: give --one-hot" in _refusal(path)

    data = read_dataset(path, ReadOptions(one_hot=True, unknown=("",)))
    assert data.label_names == ("jazz", "rock")
    assert data.train.known is not None
    assert data.train.Y.tolist() == [[0, 1], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (Y * 2, {}, "Y: labels must be 0 or 1: row 0, column 0 holds 2; give --unknown 2 if that means unknown"),
        (Y * 0.7, {}, "row 0, column 0 holds 0.7; likelihoods need an array Y_mask"),
        (np.where(Y, np.inf, 0), {}, "labels must be 0 or 1: row 0, column 0 holds inf"),
        (Y, {"one_hot": True}, "--one-hot needs one class a row, but labels have shape (6, 2)"),
        (np.arange(6), {"one_hot": True}, "each row has another value"),
        (np.arange(6) / 2, {"one_hot": True}, "classes must be whole numbers or texts"),
        (np.stack([Y, Y]), {}, "features have shape (6, 3), but labels have shape (2, 6, 2)"),
        (np.stack([Y, Y], axis=1), {}, "labels have shape (6, 2, 2)"),
        (np.float32(1), {}, "labels have shape ()"),
        (Y * 1j, {}, "type complex128"),
        (Y.astype("U1"), {}, "labels are texts, expected 0 and 1"),
        (Y.astype("M8[s]"), {}, "type datetime64[s]"),
        (Y[:5], {}, "features have shape (6, 3), but labels have shape (5, 2)"),
        (Y[:, :0], {}, "0 label"),
    ],
)  # fmt: skip
def test_bad_labels(tmp_path: Path, labels: Any, options: dict[str, Any], message: str) -> None:
    """The error names the file, and the row and the column or the option."""
    said = _refusal(_archive(tmp_path, X=X, Y=labels), **options)
    assert message in said
    assert said.startswith("d")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"Y_mask": Y[:5]}, "the mask has shape (5, 2)"),
        ({"Y_mask": Y * 2}, "which labels are known must be true or false"),
        ({"Y_mask": np.zeros((6, 2), [("a", "f4")])}, "which labels are known must be true or false"),
        ({"Y_mask": Y.astype("M8[s]")}, "which labels are known must be true or false"),
        ({"Y_mask": Y.astype("U1")}, "which labels are known must be true or false"),
        ({"groups": Y}, "d.npz: groups: groups have shape (6, 2)"),
        ({"groups": X[:, 0]}, "groups have shape (6,) and type float32"),
        ({"groups": np.arange(5)}, "groups have shape (5,)"),
        ({"label_names": np.array(["a"])}, "2 labels, but 1 label names"),
        ({"label_names": np.array(["a", "a"])}, "two labels are named 'a'"),
        ({"label_names": np.arange(2)}, "label_names: expected a list of texts"),
        ({"feature_names": np.array(["a"])}, "3 features, but 1 feature names"),
        ({"X": X[:, 0]}, "features have shape (6,)"),
        ({"X": X.astype("U3")}, "expected numbers (rows, features)"),
        ({"X": np.full_like(X, np.inf)}, "row 0, column 0 is infinite"),
        ({"X": X[:, :0]}, "no feature columns"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """What does not fit features and labels is an error."""
    assert message in _refusal(_archive(tmp_path, **{"X": X, "Y": Y, **arrays}))


def test_names_of_labels_and_features(tmp_path: Path) -> None:
    """As arrays of an archive, on one line each, and as text files of a folder."""
    names = {"label_names": np.array(["a\nb", "é"]), "feature_names": np.array([b"p", b"q", b"r"])}
    data = read_dataset(_archive(tmp_path, X=X, Y=Y, **names))
    assert (data.label_names, data.feature_names) == (("a b", "é"), ("p", "q", "r"))

    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(folder / "X.npy", X)
    np.save(folder / "Y.npy", Y)
    (folder / "label_names.txt").write_text("one\ntwo\n")
    np.save(folder / "feature_names.npy", names["feature_names"])
    data = read_dataset(folder)
    assert (data.label_names, data.feature_names) == (("one", "two"), ("p", "q", "r"))


def test_options_of_tables_are_refused(tmp_path: Path) -> None:
    """Arrays have no columns to choose by name."""
    assert "npz files take no --labels" in _refusal(_archive(tmp_path, X=X, Y=Y), labels=("Y",))


# ----------------------------------------------------------------------------------------- folders
def test_a_folder_is_mapped_not_loaded(tmp_path: Path) -> None:
    """Features stay on the disk until they are used, if float32 in C order; else they are converted."""
    np.save(tmp_path / "X-train.npy", X)
    np.save(tmp_path / "Y-train.npy", Y)

    data = read_dataset(tmp_path)
    assert data.features == ("raw",)
    base = data.train.X
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)

    for other in (X.astype(">f8"), np.asfortranarray(X), X.astype(np.float16)):
        np.save(tmp_path / "X-train.npy", other)
        converted = read_dataset(tmp_path).train.X
        assert (converted.dtype, converted.flags.c_contiguous) == (np.float32, True)
        np.testing.assert_allclose(converted, X, rtol=1e-3, atol=1e-3)


def test_packed_arrays(tmp_path: Path) -> None:
    """A packed file reads like a plain one, in its own order of cells."""
    for name, array in {"X": np.asfortranarray(X), "Y": Y}.items():
        stream = io.BytesIO()
        np.save(stream, array)
        (tmp_path / f"{name}.npy.gz").write_bytes(gzip.compress(stream.getvalue()))

    np.testing.assert_array_equal(read_dataset(tmp_path).train.X, X)
    (tmp_path / "X.npy.gz").write_bytes(b"\x1f\x8b")
    assert "corrupt or incomplete .gz file" in _refusal(tmp_path)


def test_masks_and_groups_of_a_folder(tmp_path: Path) -> None:
    """Each split may have them."""
    for part, rows in ROWS.items():
        np.save(tmp_path / f"{part}_X.npy", X[rows])
        np.save(tmp_path / f"{part}_Y.npy", Y[rows])
    np.save(tmp_path / "known-test.npy", Y[4:] == 1)
    data = read_dataset(tmp_path)
    assert data.train.known is None
    assert data.test is not None
    assert data.test.known is not None
    np.testing.assert_array_equal(data.test.known, Y[4:] == 1)


def test_features_and_labels_are_no_mini_musicnet(tmp_path: Path) -> None:
    """A folder is mini-MusicNet by its audio; its labels have the names of other folders, too."""
    np.save(tmp_path / "features-train.npy", X)
    np.save(tmp_path / "labels-train.npy", Y)
    assert read_dataset(tmp_path).features == ("raw",)


def test_names_of_archives_are_free(tmp_path: Path) -> None:
    """An archive may be called like an array; what is no archive of features and labels stays out of the way."""
    for name in ("mask.npz", "data.npz", "Y.npz"):
        path = _archive(tmp_path, X=X, Y=Y).rename(tmp_path / name)
        assert len(read_dataset(path).train) == len(read_dataset(tmp_path).train) == 6
        path.unlink()

    np.save(tmp_path / "mask.npy", X)
    (tmp_path / "t.csv").write_text("x,y\n1,0\n2,1\n")
    assert read_dataset(tmp_path, ReadOptions(labels=("y",))).label_names == ("y",)


def test_half_a_folder(tmp_path: Path) -> None:
    """An array without its partner is refused by name, and so is one alone."""
    np.save(tmp_path / "X-train.npy", X)
    assert "no pair of files for features (X) and labels (Y), such as X.npy and Y.npy: X-train.npy" in _refusal(
        tmp_path
    )
    assert "X-train.npy: one array alone" in _refusal(tmp_path / "X-train.npy")
