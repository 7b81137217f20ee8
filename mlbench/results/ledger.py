"""The ledger of finished jobs: one immutable, checksummed folder per job, committed by a rename.

``runs/jobs/<id>/`` is either complete or absent: it is written elsewhere, synced and renamed. The first writer wins,
and nothing is ever appended. ``runs/work/<id>.<random>`` is a running job. Its process holds a file lock, which the
system releases when the process dies, so that the next process can resume the job.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from mlbench.data.files import file_sha256, sync
from mlbench.errors import LedgerError
from mlbench.results.migrations import from_json, to_json
from mlbench.results.schema import RECORD, Record
from mlbench.results.trial_log import TrialLog

STUDY = "study.jsonl"
LOCK = "lock"


class WorkFolder:
    """The folder of a running job, held by this process until ``release`` or its death."""

    def __init__(self, path: Path, lock: TextIO) -> None:
        self.path = path
        self._lock = lock

    @property
    def study(self) -> TrialLog:
        """The log of the finished trials."""
        return TrialLog(self.path / STUDY)

    def release(self) -> None:
        """Release the folder, so that another process can resume the job."""
        self._lock.close()


def remedy(error: OSError) -> str:
    """Return what to do about a file that cannot be written."""
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "choose another folder with --runs"
    return "free some disk space and run again"


class Ledger:
    """A runs folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs = root / "jobs"
        self.work = root / "work"
        self.cache = root / "cache"

    def load(self, job_id: str) -> Record | None:
        """Return the record of a finished job, or None if it is missing or damaged.

        Raises:
            LedgerError: The record is from a newer version of mlbench, or cannot be read.
        """
        path = self.jobs / job_id / RECORD
        try:
            record = read_record(self.jobs / job_id)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            raise LedgerError(f"{path}: cannot be read: {error.strerror or error}") from error
        return record

    def file(self, record: Record, name: str) -> Path:
        """Return the path of a file of a job, after checking its hash.

        Raises:
            LedgerError: The file does not match the record.
        """
        path = self.jobs / record.id / name
        try:
            if file_sha256(path) == record.files.get(name):
                return path
            reason = "wrong checksum"
        except OSError as error:
            reason = error.strerror or str(error)
        raise LedgerError(f"{path}: {reason}: delete {path.parent} and run again")

    def rows(self, record: Record, name: str) -> list[dict[str, str]]:
        """Read the rows of a CSV file of a job; empty if the record does not list it."""
        if name not in record.files:
            return []
        with self.file(record, name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def tidy(self, job_id: str) -> Record | None:
        """Load a job that is about to run, and rename its folder to ``<id>.corrupt-…`` if it is damaged."""
        record = self.load(job_id)
        folder = self.jobs / job_id
        if record is None:
            self.put_aside(folder)
        else:
            _clear(folder, (*record.files, RECORD))  # a kill during ``commit`` leaves other files
        return record

    def folders(self) -> list[Path]:
        """List the folders of all finished jobs, ordered by id, including damaged ones."""
        return [path for path in sorted(self.jobs.glob("*")) if "." not in path.name and path.is_dir()]

    def put_aside(self, folder: Path) -> None:
        """Rename a damaged job, if it exists, so that it is not taken for a finished one."""
        if folder.exists():
            with contextlib.suppress(OSError):
                folder.rename(tempfile.mkdtemp(prefix=f"{folder.name}.corrupt-", dir=self.jobs))

    def records(self) -> Iterator[Record]:
        """Yield the records of all finished jobs, ordered by id."""
        for folder in sorted(self.jobs.glob("*")):
            if "." not in folder.name and (record := self.load(folder.name)) is not None:
                yield record

    def claim(self, job_id: str) -> WorkFolder:
        """Claim a work folder for a job: one that a dead process left, with its trials, or a new one."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.work.glob(f"{job_id}.*")):
                if (folder := _lock(path)) is not None:
                    return folder
            while (folder := _lock(Path(tempfile.mkdtemp(prefix=f"{job_id}.", dir=self.work)))) is None:
                pass  # another process claimed it as an orphan
        except OSError as error:
            raise LedgerError(f"cannot write to {self.root}: {error.strerror or error}") from error
        return folder

    def trials_under_way(self, job_id: str) -> list[TrialLog]:
        """Return the logs of the running studies of a job, to show progress."""
        return [TrialLog(path / STUDY) for path in self.work.glob(f"{job_id}.*")]

    def commit(self, work: WorkFolder, record: Record, names: tuple[str, ...], *, text: str | None = None) -> Record:
        """Commit ``record`` and the named files of the work folder, unless the job is in the ledger already.

        Returns:
            The record in the ledger, which is that of the first writer.
        """
        target = self.jobs / record.id
        try:
            self.jobs.mkdir(parents=True, exist_ok=True)
            files = {name: file_sha256(work.path / name) for name in sorted(names)}
            record = replace(record, files=files)
            (work.path / RECORD).write_text(text or to_json(record), encoding="utf-8")
            for name in (*names, RECORD):
                sync(work.path / name)
            sync(work.path)
            try:
                work.path.rename(target)
            except OSError:
                first = self.load(record.id)
                if first is not None:
                    shutil.rmtree(work.path, ignore_errors=True)
                    return first
                self.put_aside(target)  # a folder without a valid record
                work.path.rename(target)
            # Only after the rename: until then, a killed commit resumes from the study, and without the lock another
            # process would claim the folder as an orphan.
            _clear(target, (*names, RECORD))
            sync(self.jobs)
        except OSError as error:
            raise LedgerError(f"cannot write {target}: {error.strerror or error}: {remedy(error)}") from error
        finally:
            work.release()
        return record


def read_record(folder: Path) -> Record:
    """Read the record in the folder of a finished job.

    Raises:
        ValueError: The record is damaged, or that of another job.
        LedgerError: An incompatible version of mlbench wrote it.
        OSError: The file cannot be read.
    """
    record = from_json((folder / RECORD).read_text(encoding="utf-8"))
    if record.id != folder.name:
        raise ValueError(f"this is the record of another job, {record.id}")
    return record


def damages(folder: Path, record: Record) -> Iterator[tuple[str, str]]:
    """Yield (file, what is wrong) for each file of a job that does not match its record."""
    for name, sha256 in sorted(record.files.items()):
        path = folder / name
        if Path(name).name != name or name == RECORD:
            yield RECORD, f"lists {name!r}, which is not a plain file name"
        elif path.is_symlink() or not path.is_file():
            yield name, "missing"
        elif file_sha256(path) != sha256:
            yield name, "its SHA-256 does not match the record"


def _clear(folder: Path, kept: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _lock(path: Path) -> WorkFolder | None:
    """Lock a work folder; None if a living process holds it."""
    try:
        file = (path / LOCK).open("a")
    except FileNotFoundError:  # its owner is just committing it
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    if not (path / LOCK).exists():
        file.close()
        return None
    return WorkFolder(path, file)
