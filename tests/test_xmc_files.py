"""XMC files: svmlight text, and the matrices of the Extreme Classification Repository and PECOS."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.data.dataset import Dataset
from mlbench.data.formats import ReadOptions, read_dataset
from mlbench.errors import DataError, MlbenchError, UsageError

X = np.array([[0, 1.5, 0, 0], [2, 0, 0, 0], [0, 0, 0, -1], [0, 3, 0, 0]], dtype=np.float32)
Y = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 1]], dtype=np.uint8)
TEXT = {
    "X": "4 4\n1:1.5\n0:2\n3:-1\n1:3\n",
    "Y": "4 3\n0:1\n1:1.0 2:1\n\n0:1 2:1.0\n",
}


def _cells(matrix: object) -> np.ndarray:
    return matrix.toarray() if sp.issparse(matrix) else np.asarray(matrix)  # type: ignore[attr-defined]


def _svm(path: Path, text: str) -> Dataset:
    path.write_text(text)
    return read_dataset(path)


def _refusal(path: Path, options: ReadOptions | None = None) -> str:
    with pytest.raises(MlbenchError) as caught:
        read_dataset(path, options or ReadOptions())
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ------------------------------------------------------------------------------------------ svmlight
@pytest.mark.parametrize(
    ("text", "n_features", "names", "ones"),
    [
        ("0,2 0:1 2:5\n1 1:2\n", 3, (0, 1, 2), [[1, 0, 1], [0, 1, 0]]),
        ("1,3 1:1 3:5\n2 2:2\n", 3, (1, 2, 3), [[1, 0, 1], [0, 1, 0]]),
        ("2 4 5\n0 0:1\n 1:2\n", 4, (0, 1, 2, 3, 4), [[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        ("3 4:5\n4 3:2\n", 4, (1, 2, 3, 4), [[0, 0, 1, 0], [0, 0, 0, 1]]),
        ("1 0:1 # 5:5\n0:3 1:2\n2 1:1\n", 2, (1, 2), [[1, 0], [0, 0], [0, 1]]),
    ],
)
def test_labels_keep_the_numbers_of_the_file(
    tmp_path: Path, text: str, n_features: int, names: tuple[int, ...], ones: list[list[int]]
) -> None:
    """Numbers start at 0 with a header or where a 0 occurs, else at 1, and a label is called by its number."""
    data = _svm(tmp_path / "x.txt", text)

    assert data.label_names == tuple(f"label-{number}" for number in names)
    assert data.train.Y.tolist() == ones
    assert data.train.X.shape[1] == n_features


@pytest.mark.parametrize(
    "text", ["3 2 2\n0 0:1\n", "1 2 2\n2 0:1\n", "1 2 2\n0 2:1\n", "0,0 0:1\n", "0 0:1 0:2\n", "a 0:1\n", "-1 0:1\n"]
)
def test_rows_that_contradict_themselves_are_refused(tmp_path: Path, text: str) -> None:
    """A wrong number of rows, numbers out of range and numbers given twice are errors."""
    with pytest.raises(DataError):
        _svm(tmp_path / "x.txt", text)


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)])
@pytest.mark.parametrize("words", [("train", "valid", "test"), ("training", "val", "testing"), ("trn", "dev", "tst")])
def test_packed_files_of_all_splits(tmp_path: Path, suffix: str, pack: object, words: tuple[str, ...]) -> None:
    """A packed file reads like a plain one, and splits have the words of all formats."""
    for number, word in enumerate(words):
        text = "0 1:1 2:1\n1 2:5\n" * (number + 1)
        (tmp_path / f"a_{word}.svm{suffix}").write_bytes(pack(text.encode()))  # type: ignore[operator]

    assert [(part, len(split)) for part, split in read_dataset(tmp_path).parts()] == [
        ("train", 2), ("valid", 4), ("test", 6),
    ]  # fmt: skip


def test_a_folder_with_one_file_of_all_rows(tmp_path: Path) -> None:
    """A file that is svmlight by its suffix needs no word for its split; a text file beside it is none of the data."""
    (tmp_path / "README.txt").write_text("read me\n")
    (tmp_path / "d.libsvm").write_text("0 1:1\n1 2:5\n")

    assert len(read_dataset(tmp_path).train) == 2


def test_missing_features_of_svmlight(tmp_path: Path) -> None:
    """NaN is a missing value, as in every format."""
    data = _svm(tmp_path / "x.svm", "0 0:nan 1:1\n1 0:2 1:3\n")

    assert np.isnan(data.train.X).tolist() == [[True, False], [False, False]]


def test_all_splits_have_queries_or_none(tmp_path: Path) -> None:
    """The same qid in two splits is one group; a split without is an error that names its file."""
    (tmp_path / "train.svm").write_text("0 qid:7 1:1\n1 qid:9 2:5\n qid:7 2:5\n")
    (tmp_path / "test.svm").write_text("0 qid:9 1:1\n")
    data = read_dataset(tmp_path)
    assert data.train.groups is not None
    assert data.test is not None
    assert data.test.groups is not None
    assert (data.train.groups.tolist(), data.test.groups.tolist()) == ([7, 9, 7], [9])
    assert data.train.Y.tolist() == [[1, 0], [0, 1], [0, 0]]
    assert any("qid" in note for note in data.notes)

    (tmp_path / "test.svm").write_text("0 1:1\n")
    assert "test.svm: 0 of 1 rows have a qid" in _refusal(tmp_path)


# --------------------------------------------------------------------------------- pairs of matrices
PAIRS = [
    {"trn_X_Xf.txt": "X", "trn_X_Y.txt": "Y"},
    {"train_X_Xf.txt": "X", "train_X_Y.txt": "Y"},
    {"trn_X_Xf.txt.gz": "X", "trn_X_Y.txt.xz": "Y"},
    {"X.trn.npz": "X", "Y.trn.npz": "Y"},
    {"X_train.npz": "X", "Y_train.npz": "Y"},
    {"train_X.npz": "X", "train_Y.npz": "Y"},
    {"X-train.npz": "X", "y-train.npz": "Y"},
    {"trn_X_Xf.npz": "X", "trn_X_Y.npz": "Y"},
    {"X.npz": "X", "Y.npz": "Y"},
    {"features.npz": "X", "labels.npz": "Y"},
]


def _write(file: Path, kind: str, how: str = "csr") -> None:
    if ".txt" in file.name:
        pack = {".gz": gzip.compress, ".xz": lzma.compress}.get(file.suffix, bytes)
        file.write_bytes(pack(TEXT[kind].encode()))
    else:
        sp.save_npz(file, sp.csr_matrix({"X": X, "Y": Y}[kind]).asformat(how))


@pytest.mark.parametrize("files", PAIRS, ids=lambda files: next(iter(files)))
def test_a_pair_of_matrices(tmp_path: Path, files: dict[str, str]) -> None:
    """Features and labels are told apart by the names of their files, in text and in SciPy's files."""
    for name, kind in files.items():
        _write(tmp_path / name, kind)

    for path in (tmp_path, tmp_path / next(iter(files))):  # the folder, or the file of the features
        data = read_dataset(path)
        np.testing.assert_array_equal(_cells(data.train.X), X)
        np.testing.assert_array_equal(data.train.Y, Y)
        assert sp.issparse(data.train.X)
        assert data.label_names == ("label-0", "label-1", "label-2")
        assert data.notes == ()


@pytest.mark.parametrize("how", ["csr", "csc", "coo"])
@pytest.mark.parametrize("kind", [np.float64, ">f4", np.float16, np.int64, np.uint8, np.bool_])
def test_sparse_files_of_any_kind(tmp_path: Path, how: str, kind: str) -> None:
    """Rows, columns or coordinates, in any numeric type and byte order."""
    cells = np.abs(X).astype(kind)
    np.savez(tmp_path / "X.trn.npz", **_parts_of(sp.csr_matrix(np.abs(X)).asformat(how), kind))
    _write(tmp_path / "Y.trn.npz", "Y", how)

    data = read_dataset(tmp_path)

    np.testing.assert_array_equal(_cells(data.train.X), cells.astype(np.float32))
    np.testing.assert_array_equal(data.train.Y, Y)


def _parts_of(matrix: sp.spmatrix, kind: str = "f4") -> dict[str, np.ndarray]:
    """The arrays with which SciPy saves a matrix."""
    fields = ("row", "col") if matrix.format == "coo" else ("indices", "indptr")
    arrays = {field: getattr(matrix, field) for field in fields}
    return {
        **arrays, "data": matrix.data.astype(kind), "format": np.array(matrix.format.encode()),
        "shape": np.array(matrix.shape),
    }  # fmt: skip


def test_names_beside_a_pair(tmp_path: Path) -> None:
    """``Y.txt`` and ``Xf.txt`` name labels and features if they have as many lines; else a note says so."""
    for name, kind in PAIRS[0].items():
        _write(tmp_path / name, kind)
    (tmp_path / "Y.txt").write_text("rock\njazz music\nfolk\n")
    (tmp_path / "Xf.txt").write_text("a\nb\n")

    data = read_dataset(tmp_path)

    assert data.label_names == ("rock", "jazz music", "folk")
    assert data.feature_names == ()
    assert data.notes == ("Xf.txt is not used for names: it has 2 lines for 4 columns",)

    (tmp_path / "Y.txt").write_text("rock\nrock\nfolk\n")
    (tmp_path / "Xf.txt").write_text("a\nb\nc\nd")
    data = read_dataset(tmp_path)
    assert data.label_names == ("label-0", "label-1", "label-2")
    assert data.feature_names == ("a", "b", "c", "d")
    assert data.notes == ("Y.txt is not used for names: a name stands there twice",)


def test_other_files_of_a_pair(tmp_path: Path) -> None:
    """Raw text and weights beside the matrices do not disturb, and arrays that are not used are named."""
    for name, kind in {**PAIRS[3], "X.tst.npz": "X", "Y.tst.npz": "Y", "Yi.npz": "Y"}.items():
        _write(tmp_path / name, kind)
    for name in ("X.trn.txt", "X.tst.txt", "README.txt"):
        (tmp_path / name).write_text("some words\n")

    data = read_dataset(tmp_path)

    assert [part for part, _ in data.parts()] == ["train", "test"]
    assert data.notes == ("arrays that are not used: Yi.npz",)


def test_dense_features_of_sparse_labels(tmp_path: Path) -> None:
    """PECOS takes dense features as ``.npy`` beside sparse labels; NaN is a missing value."""
    dense = np.where(X == 0, np.nan, X)
    np.save(tmp_path / "X.trn.npy", dense)
    _write(tmp_path / "Y.trn.npz", "Y")

    data = read_dataset(tmp_path)

    np.testing.assert_array_equal(data.train.X, dense)
    np.testing.assert_array_equal(data.train.Y, Y)


def test_a_pair_for_the_test_split_by_its_path(tmp_path: Path) -> None:
    """``--test`` takes the features of another pair."""
    (tmp_path / "other").mkdir()
    for name, kind in PAIRS[3].items():
        _write(tmp_path / name, kind)
        _write(tmp_path / "other" / name, kind)

    data = read_dataset(tmp_path / "X.trn.npz", ReadOptions(test=str(tmp_path / "other" / "X.trn.npz")))

    assert [part for part, _ in data.parts()] == ["train", "test"]


BAD_TEXT = {
    "no header": ("0:1\n", "trn_X_Xf.txt: line 1: expected 'rows columns', found '0:1'"),
    "header of three": ("4 4 3\n", "line 1: expected 'rows columns'"),
    "rows missing": ("5 4\n0:1\n0:1\n0:1\n0:1\n", "states 5 rows, but there are 4"),
    "rows too many": ("3 4\n0:1\n0:1\n0:1\n0:1\n", "states 3 rows, but there are 4"),
    "index too large": ("4 4\n4:1\n\n\n\n", "line 2: feature 4 is out of range: features are numbered 0 to 3"),
    "index negative": ("4 4\n\n-1:1\n\n\n", "line 3: feature -1 is out of range"),
    "index twice": ("4 4\n1:1 1:1\n\n\n\n", "line 2: the same feature occurs twice"),
    "no value": ("4 4\n1\n\n\n\n", "line 2: expected 'index:value index:value …', found '1'"),
    "infinite": ("4 4\n1:inf\n\n\n\n", "row 0, column 1 is infinite"),
    "huge": ("4 99999999999\n1:1\n\n\n\n", "99999999999 columns, which are too many"),
    "other rows": ("3 4\n0:1\n0:1\n0:1\n", "features have shape (3, 4), but labels have shape (4, 3)"),
    "empty": ("", "line 1: expected"),
}


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_text_matrices(tmp_path: Path, case: str) -> None:
    """The error names the file and the line."""
    text, message = BAD_TEXT[case]
    (tmp_path / "trn_X_Xf.txt").write_text(text)
    _write(tmp_path / "trn_X_Y.txt", "Y")

    assert message in _refusal(tmp_path)


def test_labels_of_text_matrices_are_checked(tmp_path: Path) -> None:
    """A label that is neither 0 nor 1, and a number of labels that no memory holds, are refused."""
    _write(tmp_path / "trn_X_Xf.txt", "X")
    (tmp_path / "trn_X_Y.txt").write_text("4 3\n0:2\n\n\n\n")
    assert "trn_X_Y.txt: labels must be 0 or 1: row 0, column 0 holds 2" in _refusal(tmp_path)

    (tmp_path / "trn_X_Y.txt").write_text("4 2000000000\n0:1\n\n\n\n")
    assert "2000000000 labels are too many for 4 rows" in _refusal(tmp_path)


GOOD = _parts_of(sp.csr_matrix(X))
BAD_SPARSE = {
    "index too large": ({"indices": [1, 0, 4, 1]}, "array 'indices' holds 4, expected 0 to 3"),
    "index negative": ({"indices": [1, 0, -1, 1]}, "array 'indices' holds -1"),
    "index infinite": ({"indices": [1, 0, np.inf, 1]}, "array 'indices' has shape (4,) and type float64"),
    "too few indices": ({"indices": [1]}, "array 'indices' has shape (1,)"),
    "indptr falls": ({"indptr": [0, 3, 2, 3, 4]}, "array 'indptr' must rise"),
    "indptr too far": ({"indptr": [0, 1, 2, 3, 9]}, "array 'indptr' must rise from 0 to at most 4"),
    "indptr of other rows": ({"indptr": [0, 4]}, "array 'indptr' has shape (2,)"),
    "indptr of no rows": ({"indptr": [], "shape": [0, 4]}, "array 'indptr'"),
    "huge shape": ({"shape": [2**40, 4]}, "out of range"),
    "many rows": ({"shape": [2**31 - 1, 4]}, "shape (2147483647, 4) with 4 entries"),
    "negative shape": ({"shape": [-4, 4]}, "out of range"),
    "unsigned shape": ({"shape": np.array([4, 2**64 - 1], dtype=np.uint64)}, "out of range"),
    "shape of three": ({"shape": [4, 4, 1]}, "a shape of two integers"),
    "complex": ({"data": [1j, 1, 1, 1]}, "entries have shape (4,) and type complex128"),
    "text": ({"data": ["a", "b", "c", "d"]}, "entries have shape (4,)"),
    "infinite": ({"data": [1, np.inf, 1, 1]}, "row 1, column 0 is infinite"),
    "another format": ({"format": "bsr"}, "in format 'bsr': save it in format csr"),
    "an attribute": ({"format": "__class__"}, "in format '__class__'"),
    "no format": ({"format": 3}, "in format '?'"),
    "objects": ({"data": np.array([{}, 1, 2, 3])}, "data: holds pickled Python objects, which are never loaded"),
    "indptr missing": ({"indptr": None}, "a sparse csr matrix without its array 'indptr'"),
    "an array for a matrix": ({"format": None}, "holds arrays indices, indptr, data, shape, expected one matrix"),
}


@pytest.mark.parametrize("case", BAD_SPARSE)
def test_bad_sparse_files(tmp_path: Path, case: str) -> None:
    """The error names the file and the array; SciPy never sees arrays that make no matrix."""
    changes, message = BAD_SPARSE[case]
    arrays = {name: array for name, array in {**GOOD, **changes}.items() if array is not None}
    np.savez(tmp_path / "X.trn.npz", **arrays)  # type: ignore[arg-type]
    _write(tmp_path / "Y.trn.npz", "Y")

    said = _refusal(tmp_path)

    assert message in said
    assert said.startswith("X.trn.npz")


@pytest.mark.parametrize("how", ["csr", "csc", "coo"])
def test_entries_that_stand_twice_are_added(tmp_path: Path, how: str) -> None:
    """As SciPy does; a label that stands so often is no 1, which is refused."""
    n = 257
    sizes = {"indptr": np.array([0, n, n, n, n] if how == "csr" else [0, n, n, n]), "row": np.zeros(n, int)}
    arrays = {
        "data": np.ones(n), "indices": np.zeros(n, int), "col": np.zeros(n, int), "format": np.array(how.encode()),
        "shape": np.array([4, 3]), **sizes,
    }  # fmt: skip
    np.savez(tmp_path / "X.npz", **arrays)
    np.savez(tmp_path / "Y.npz", **_parts_of(sp.coo_matrix(Y)))
    assert _cells(read_dataset(tmp_path).train.X)[0, 0] == n

    np.savez(tmp_path / "Y.npz", **arrays)
    assert f"row 0, column 0 holds {n}" in _refusal(tmp_path)


def test_a_sparse_file_alone(tmp_path: Path) -> None:
    """The error says which file is missing."""
    _write(tmp_path / "X.trn.npz", "X")

    assert "name the files of both alike, such as X.trn.npz and Y.trn.npz" in _refusal(tmp_path)


def test_unknown_labels_of_sparse_files(tmp_path: Path) -> None:
    """-1 beside the zeros that a sparse matrix leaves out is asked for, and is unknown if told so."""
    _write(tmp_path / "X.npz", "X")
    labels = Y.astype(np.float64)
    labels[2, 1] = -1
    sp.save_npz(tmp_path / "Y.npz", sp.csr_matrix(labels))

    with pytest.raises(UsageError, match="--unknown -1"):
        read_dataset(tmp_path)
    known = read_dataset(tmp_path, ReadOptions(unknown=("-1",))).train.known
    assert known is not None
    assert np.argwhere(~known).tolist() == [[2, 1]]
