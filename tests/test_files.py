"""Files are whole or not there, and on disk before they are named."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from mlbench.data.files import atomic_write


def test_a_durable_file_is_synced_before_its_rename_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes are on disk before the name points to them, and the name is on disk before the call returns."""
    path = tmp_path / "file"
    seen = []

    def fsync(descriptor: int) -> None:
        folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append(("folder" if folder else os.fstat(descriptor).st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)

    atomic_write(path, b"12345")
    assert seen == [(5, False), ("folder", True)]

    atomic_write(tmp_path / "other", b"1", durable=False)
    assert len(seen) == 2


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    """Whoever reads the file after a failed write sees the old content, and no temporary file stays."""
    path = tmp_path / "file"
    atomic_write(path, "old")

    def fails(file: Any) -> None:
        file.write(b"new")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        atomic_write(path, fails)

    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


def test_a_file_has_the_permissions_of_the_umask(tmp_path: Path) -> None:
    """A written file can be read by whom the umask lets, though temporary files are private, and the umask stays."""
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "file", "x")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
