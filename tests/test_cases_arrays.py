"""Field cases of svmlight and sparse files that once failed, each under the name of its case."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench.data.formats import read_dataset
from mlbench.errors import DataError


def test_npz_pair(tmp_path: Path) -> None:
    """PECOS saves X.trn.npz, Y.trn.npz, X.tst.npz and Y.tst.npz with SciPy: both splits are read."""
    rng = np.random.default_rng(0)
    cells = {part: (rng.normal(size=(n, 4)), rng.random((n, 3)) < 0.4) for part, n in (("trn", 40), ("tst", 20))}
    for part, (X, Y) in cells.items():
        sp.save_npz(tmp_path / f"X.{part}.npz", sp.csr_matrix(X, dtype=np.float32))
        sp.save_npz(tmp_path / f"Y.{part}.npz", sp.csr_matrix(Y, dtype=np.float32))

    data = read_dataset(tmp_path)

    assert [part for part, _ in data.parts()] == ["train", "test"]
    for (_, split), (X, Y) in zip(data.parts(), cells.values(), strict=True):
        np.testing.assert_array_equal(split.X, X.astype(np.float32))
        np.testing.assert_array_equal(split.Y, Y)


def test_svm_noheader_parts(tmp_path: Path) -> None:
    """Labels from 1 keep their numbers: label 1 of the file is label-1."""
    (tmp_path / "train.svm").write_text(" 1:-0.8 3:-1.6\n1,2 1:0.6 3:-0.4\n3 1:-0.8 3:1.4\n")
    (tmp_path / "test.svm").write_text("1,3 1:-0.008 2:-1.098 5:1\n")

    data = read_dataset(tmp_path)

    assert data.label_names == ("label-1", "label-2", "label-3")
    assert data.train.Y.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert data.test is not None
    assert data.test.Y.tolist() == [[1, 0, 1]]
    assert data.notes == ("no header line: features are assumed to be numbered from 1, labels from 1",)


def test_svm_qid(tmp_path: Path) -> None:
    """The queries of LETOR are groups, also of rows without labels."""
    (tmp_path / "d.svm").write_text(" qid:0 1:-0.803 2:0.243\n0,1 qid:0 1:0.656 2:1.143\n2 qid:1 1:-0.8 2:-2.0\n")

    data = read_dataset(tmp_path / "d.svm")

    assert data.train.groups is not None
    assert data.train.groups.tolist() == [0, 0, 1]
    assert data.train.Y.tolist() == [[0, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert data.train.X.shape == (3, 2)
    assert "qid: rows with the same number are one group" in data.notes


@pytest.mark.parametrize(("row", "line"), [("0, 1, 2 0:0.001 1:0.299", 1), ("0 ,1 0:0.5 1:1", 1), ("0 1 0:0.5 1:1", 1)])
def test_svm_space_after_comma(tmp_path: Path, row: str, line: int) -> None:
    """A space among labels is refused in a line that shows it."""
    (tmp_path / "d.svm").write_text(f"{row}\n0 0:-0.455 1:-0.992\n")

    with pytest.raises(DataError, match=rf"^d\.svm: line {line}: expected 'label,label index:value …', found '{row}'$"):
        read_dataset(tmp_path / "d.svm")


@pytest.mark.parametrize("row", ["0,1, 0:0.656 1:1.143", ",1 0:0.656 1:1.143", "0,,1 0:0.656", ", 0:1"])
def test_svm_trailing_label_comma(tmp_path: Path, row: str) -> None:
    """A comma without a label is refused in a line that shows it."""
    (tmp_path / "d.svm").write_text(f" 0:-0.803 1:0.243\n{row}\n")

    with pytest.raises(DataError, match=rf"^d\.svm: line 2: expected 'label,label index:value …', found '{row}'$"):
        read_dataset(tmp_path / "d.svm")
