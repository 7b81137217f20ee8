"""Broken NumPy files: one line that says what is wrong and where, quickly, without huge memory and without a pickle."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlbench.data.formats import read_dataset
from mlbench.errors import DataError, MlbenchError

X = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
Y = np.array([[1, 0], [0, 1], [1, 1], [0, 0], [1, 0], [0, 1]], dtype=np.uint8)


def _refusal(path: Path) -> str:
    with pytest.raises(MlbenchError) as caught:
        read_dataset(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _zip(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _npy(array: Any, **how: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **how)
    return stream.getvalue()


def _lying(shape: tuple[int, ...], descr: Any = "<f4") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(64)


GOOD = {"X.npy": _npy(X), "Y.npy": _npy(Y)}
BAD_FILES = {
    "empty": (b"", "not a .npz file"),
    "junk": (bytes(range(256)) * 9, "not a .npz file"),
    "a pickle": (pickle.dumps([X, Y]), "not a .npz file"),
    "a .npy file": (_npy(X), "not a .npz file"),
    "cut short": (_zip(GOOD)[:-30], "not a .npz file"),
    "no arrays": (_zip({"a.txt": b"x"}), "holds no NumPy arrays"),
    "empty archive": (_zip({}), "holds no NumPy arrays"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "a Git LFS pointer"),
    "text for an array": (_zip({**GOOD, "X.npy": b"words"}), "X: not a .npy file"),
    "an array cut short": (_zip({**GOOD, "X.npy": GOOD["X.npy"][:-5]}), "X: truncated: its header states 72 bytes"),
    "a header alone": (_zip({**GOOD, "X.npy": GOOD["X.npy"][:20]}), "X: not a .npy file"),
    "a huge array": (_zip({**GOOD, "X.npy": _lying((2**40, 2**20))}), "X: truncated"),
    "a huge packed array": (_zip({**GOOD, "X.npy": _lying((2**30, 8))}, zipfile.ZIP_DEFLATED), "X: truncated"),
    "a huge text": (_zip({**GOOD, "X.npy": _lying((6, 3), "<U99999999")}), "X: truncated"),
    "huge and empty": (_zip({**GOOD, "X.npy": _lying((0, 2**62))}), "which cannot be read"),
    "without bytes": (_zip({**GOOD, "X.npy": _lying((2**50, 2**10), "<U0")}), "which cannot be read"),
    "negative shape": (_zip({**GOOD, "X.npy": _lying((-6, 3))}), "X: truncated"),
    "many dimensions": (_zip({**GOOD, "X.npy": _lying((1,) * 70)}), "which cannot be read"),
    "objects": (_zip({**GOOD, "X.npy": _npy(np.array([{}] * 6), allow_pickle=True)}), "X: holds pickled"),
    "objects in records": (_zip({**GOOD, "X.npy": _lying((6,), [("a", "<f4"), ("b", "|O")])}), "X: holds pickled"),
    "records": (_zip({**GOOD, "X.npy": _lying((6, 1), [("a", "<f4"), ("b", "<f4")])}), "expected numbers"),
    "packed by bzip2": (_zip(GOOD, zipfile.ZIP_BZIP2), "packed by a method that NumPy does not use"),
    "wrong checksum": (_zip(GOOD).replace(X.tobytes(), X[::-1].tobytes()), "X is broken"),
    "text that is no Unicode": (
        _zip({**GOOD, "label_names.npy": _npy(np.array(["a", "b"])).replace(b"b\0\0\0", b"\xff" * 4)}),
        "label_names: holds text that is not valid Unicode",
    ),
    "half a character": (_zip({**GOOD, "groups.npy": _npy(np.array(["\ud800"] * 6))}), "not valid Unicode"),
}


WHOLE_ARCHIVES = {
    "empty", "junk", "a pickle", "a .npy file", "cut short", "no arrays", "empty archive", "Git LFS", "packed by bzip2",
    "wrong checksum",
}  # fmt: skip
"""The cases that are wrong as archives, not in one of their arrays."""


@pytest.mark.timeout(20)
@pytest.mark.parametrize("case", BAD_FILES)
def test_broken_archives(tmp_path: Path, case: str) -> None:
    """One line that names the file and the array; no huge memory, and no code of the file."""
    content, message = BAD_FILES[case]
    (tmp_path / "d.npz").write_bytes(content)

    said = _refusal(tmp_path)

    assert message in said
    assert said.startswith("d.npz")


@pytest.mark.parametrize("case", sorted(BAD_FILES.keys() - WHOLE_ARCHIVES))
def test_broken_arrays_of_folders(tmp_path: Path, case: str) -> None:
    """The same arrays as files are refused as well."""
    with zipfile.ZipFile(io.BytesIO(BAD_FILES[case][0])) as archive:
        archive.extractall(tmp_path)
    assert ".npy" in _refusal(tmp_path)


def test_two_arrays_of_one_name(tmp_path: Path) -> None:
    """Which one is meant is not guessed."""
    (tmp_path / "d.npz").write_bytes(_zip({**GOOD, "Z.npy": GOOD["X.npy"]}).replace(b"Z.npy", b"X.npy"))
    assert "two arrays have the same name" in _refusal(tmp_path)


def test_arrays_written_by_python_2(tmp_path: Path) -> None:
    """Their headers have long integers, which are read without a warning."""
    for name in GOOD:
        content = GOOD[name].replace(b"(6, 3), }  ", b"(6L, 3L), }").replace(b"(6, 2), }  ", b"(6L, 2L), }")
        assert b"6L" in content
        (tmp_path / name).write_bytes(content)
    np.testing.assert_array_equal(read_dataset(tmp_path).train.X, X)


PIECES = [b"\0", b"\xff" * 4, b"9", b"-", b"(", b"'", b"|O", b"<U9", b"<M8", b">f8", b"<U0", b"99999999999", b"nan"]


def _changed(content: bytes, dice: random.Random) -> bytes:
    """Change one to three places of a file."""
    changed = bytearray(content)
    for _ in range(dice.choice([1, 1, 2, 3])):
        place, piece = dice.randrange(len(changed) + 1), dice.choice([*PIECES, bytes([dice.randrange(256)])])
        length = dice.choice([0, len(piece), len(piece), dice.randrange(40)])
        changed[place : place + length] = piece
    return bytes(changed)


SEEDS = {
    "X.npy": {"X.npy": _npy(X), "Y.npy": _npy(Y), "groups.npy": _npy(np.array(list("aabbcc")))},
    "d.npz": {
        "d.npz": _zip({
            **GOOD, "Y_mask.npy": _npy(Y == 0), "groups.npy": _npy(np.arange(6)), "split.npy": _npy(["train"] * 6),
            "label_names.npy": _npy(["a", "b"]),
        })
    },
    "X.trn.npz": {
        name: _zip({
            "data.npy": _npy(np.ones(6)), "row.npy": _npy(np.arange(6)), "col.npy": _npy(np.arange(6) % 2),
            "indices.npy": _npy(np.arange(6) % 2), "indptr.npy": _npy(np.arange(7)), "format.npy": _npy(b"csr"),
            "shape.npy": _npy([6, 2]),
        })
        for name in ("X.trn.npz", "Y.trn.npz")
    },
    "trn_X_Xf.txt": {
        "trn_X_Xf.txt": b"3 4\n0:1.5 3:2\n1:1 2:3\n\n", "trn_X_Y.txt": b"3 2\n0:1 1:1\n\n1:1\n", "Y.txt": b"a\nb\n",
    },
    "d.svm": {"d.svm": b"1,2 qid:1 1:1.5 8:2\n qid:1 1:1\n2 qid:3 3:-1e-3\n"},
}  # fmt: skip


@pytest.mark.parametrize("first", SEEDS)
def test_changed_files_raise_nothing_else(tmp_path: Path, first: str) -> None:
    """A file with changed bytes is read, or refused in one line; checksums of archives are made right half the time."""
    dice = random.Random(first)
    outcomes = set()
    for _ in range(800):
        for name, content in SEEDS[first].items():
            (tmp_path / name).unlink(missing_ok=True)  # a mapped file must not shrink
            (tmp_path / name).write_bytes(content)
        name = dice.choice(list(SEEDS[first]))
        content = SEEDS[first][name]
        if name.endswith(".npz") and dice.random() < 0.8:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                members = {member: archive.read(member) for member in archive.namelist()}
            member = dice.choice(list(members))
            content = _zip({**members, member: _changed(members[member], dice)}, dice.choice([0, 8]))
        else:
            content = _changed(content, dice)
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(content)
        try:
            read_dataset(tmp_path).fingerprint()
            said = ""
        except MlbenchError as error:
            said = str(error)
        assert "\n" not in said
        outcomes.add("refused" if said else "read")
    assert outcomes == {"read", "refused"}


def test_too_little_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An array that the machine cannot hold is an expected error."""

    def no_memory(*_: object) -> None:
        raise MemoryError

    path = tmp_path / "d.npz"
    path.write_bytes(_zip(GOOD))
    monkeypatch.setattr("mlbench.data.formats.npy._filled", no_memory)
    with pytest.raises(DataError, match="too large for the memory of this machine"):
        read_dataset(path)
