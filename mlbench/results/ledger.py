"""Finished jobs: one immutable, checksummed folder each, committed by a rename.

``runs/jobs/<id>/`` is whole or not there: it is written elsewhere, made durable and renamed; the first
writer wins; nothing is ever appended. Beside it, ``work/<id>.<random>`` is a job under way; the process that
works on it holds a file lock on it, which the system drops when the process dies, so that the next one
can go on from there.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from mlbench import __version__
from mlbench.errors import LedgerError
from mlbench.results.trial_log import TrialLog

SCHEMA_VERSION = 1
RECORD = "record.json"
STUDY = "study.jsonl"
LOCK = "lock"
STATUSES = ("ok", "failed", "timeout", "out_of_memory", "killed", "invalid_scores", "import_error")


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is kept of a finished job; ``record.json`` is exactly this, with its own checksum.

    Attributes:
        id: The job's id.
        job: The job's identity, of which the id is the hash.
        status: One of ``STATUSES``.
        error: One line unless ``status`` is ``ok``.
        dataset: Name, sizes of parts, labels, groups.
        figures: ``{"test": {...}, "valid": {...}}``, each with every figure of ``mlbench.metrics``; a
            figure that is undefined is None.
        replicates: ``average_precision_micro`` and ``average_precision_macro`` of test in each bootstrap
            replicate (``mlbench.evaluation.bootstrap``); None where a replicate has no positive.
        tuning: ``expected_best`` of 1 to n trials on valid, and the winning parameters ``at_edge`` of their
            range (``mlbench.evaluation.tuning_report``).
        threshold: Decisions are ``scores >= threshold``; fitted on valid.
        default_average_precision_micro: Of trial 0, on valid.
        default_params: Of trial 0.
        best_params: Of the winning trial.
        best_trial: Its number.
        n_trials: Finished trials.
        n_trials_pruned: How many of them were pruned.
        n_trials_failed: How many of them failed.
        refit: ``"train"`` or ``"train+valid"``.
        timings: Seconds: ``prepare_seconds``, ``tune_seconds`` (without the final model's fit; of a job that
            failed, all that it took), ``fit_seconds``, ``predict_seconds``.
        peak_memory_mb: The largest of the job's processes, until the latest trial that ended.
        device: What it ran on.
        environment: Versions, processor, threads.
        files: SHA-256 of each file beside the record.
        schema_version: Of this list.
    """

    id: str
    job: Mapping[str, Any]
    status: str
    error: str | None
    dataset: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    replicates: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    tuning: Mapping[str, Any] = field(default_factory=dict)
    threshold: float | None = None
    default_average_precision_micro: float | None = None
    default_params: Mapping[str, Any] = field(default_factory=dict)
    best_params: Mapping[str, Any] | None = None
    best_trial: int | None = None
    n_trials: int = 0
    n_trials_pruned: int = 0
    n_trials_failed: int = 0
    refit: str | None = None
    timings: Mapping[str, float | None] = field(default_factory=dict)
    peak_memory_mb: float | None = None
    device: str = "cpu"
    environment: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """The text of ``record.json``."""
        body = asdict(self)
        for later in ("replicates", "tuning"):  # without them, as records were written before there were any
            if not body[later]:
                del body[later]
        return json.dumps({**body, "sha256": _body_hash(body)}, sort_keys=True, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """The record of that text; ``ValueError`` if a bit changed, ``LedgerError`` if another mlbench wrote it."""
        body = json.loads(text)
        if not isinstance(body, dict) or body.pop("sha256", None) != _body_hash(body):
            raise ValueError("the checksum does not fit")
        unknown = body.keys() - cls.__dataclass_fields__.keys()
        if body.get("schema_version") != SCHEMA_VERSION or unknown:
            raise LedgerError(f"job {body.get('id')} was recorded by another mlbench than {__version__}: upgrade")
        try:
            record = cls(**body)
        except TypeError as error:
            raise ValueError(f"a field is missing: {error}") from error
        if record.to_json() != text:  # a number can be written in several ways
            raise ValueError("it is not written as this mlbench writes")
        return record


def _body_hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()


class WorkFolder:
    """A job under way, held by this process until ``release`` or its death."""

    def __init__(self, path: Path, lock: TextIO) -> None:
        self.path = path
        self._lock = lock

    @property
    def study(self) -> TrialLog:
        """The finished trials so far."""
        return TrialLog(self.path / STUDY)

    def release(self) -> None:
        """Let others go on with it."""
        self._lock.close()


class Ledger:
    """The folder ``runs/``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.jobs = root / "jobs"
        self.work = root / "work"
        self.cache = root / "cache"

    def load(self, job_id: str) -> Record | None:
        """The record of a finished job, or None when there is none, or it is damaged.

        Raises:
            LedgerError: It is of a newer mlbench, or cannot be read.
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
        """A file beside a record.

        Raises:
            LedgerError: It is not the file that the record was made with.
        """
        path = self.jobs / record.id / name
        try:
            if file_sha256(path) == record.files.get(name):
                return path
            reason = "its checksum does not fit"
        except OSError as error:
            reason = error.strerror or str(error)
        raise LedgerError(f"{path}: {reason}: delete {path.parent} and run again")

    def rows(self, record: Record, name: str) -> list[dict[str, str]]:
        """The rows of a CSV beside a record; none where the record has no such file."""
        if name not in record.files:
            return []
        with self.file(record, name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def tidy(self, job_id: str) -> Record | None:
        """``load`` for who is about to run the job: what is no finished job is put aside as ``<id>.corrupt-…``."""
        record = self.load(job_id)
        folder = self.jobs / job_id
        if record is None:
            self.put_aside(folder)
        else:
            _clear(folder, (*record.files, RECORD))  # a kill in the middle of ``commit`` leaves more
        return record

    def folders(self) -> list[Path]:
        """The folders of all finished jobs, by id, whole or damaged; nothing is read, nothing put aside."""
        return [path for path in sorted(self.jobs.glob("*")) if "." not in path.name and path.is_dir()]

    def put_aside(self, folder: Path) -> None:
        """Rename what is no finished job, if it is there, so that nobody takes it for one."""
        if folder.exists():
            with contextlib.suppress(OSError):
                folder.rename(tempfile.mkdtemp(prefix=f"{folder.name}.corrupt-", dir=self.jobs))

    def records(self) -> Iterator[Record]:
        """All finished jobs, by id."""
        for folder in sorted(self.jobs.glob("*")):
            if "." not in folder.name and (record := self.load(folder.name)) is not None:
                yield record

    def claim(self, job_id: str) -> WorkFolder:
        """A folder to work on the job in: one that a dead process left, with its trials, or a new one."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.work.glob(f"{job_id}.*")):
                if (folder := _lock(path)) is not None:
                    return folder
            while (folder := _lock(Path(tempfile.mkdtemp(prefix=f"{job_id}.", dir=self.work)))) is None:
                pass  # another process took it for one left over
        except OSError as error:
            raise LedgerError(f"cannot write to {self.root}: {error.strerror or error}") from error
        return folder

    def trials_under_way(self, job_id: str) -> list[TrialLog]:
        """The logs of studies of that job that are not finished; for showing progress."""
        return [TrialLog(path / STUDY) for path in self.work.glob(f"{job_id}.*")]

    def commit(self, work: WorkFolder, record: Record, names: tuple[str, ...]) -> Record:
        """Make ``record`` and the named files of the work folder the job's result, unless there is one.

        Returns:
            What is in the ledger now: the first writer's record.
        """
        target = self.jobs / record.id
        try:
            self.jobs.mkdir(parents=True, exist_ok=True)
            files = {name: file_sha256(work.path / name) for name in sorted(names)}
            record = Record(**{**_fields(record), "files": files})
            (work.path / RECORD).write_text(record.to_json(), encoding="utf-8")
            for name in (*names, RECORD):
                _fsync(work.path / name)
            _fsync(work.path)
            try:
                work.path.rename(target)
            except OSError:
                first = self.load(record.id)
                if first is not None:
                    shutil.rmtree(work.path, ignore_errors=True)
                    return first
                self.put_aside(target)  # a folder that lost its record
                work.path.rename(target)
            # Only now: until the rename, the study is what a killed commit goes on from; and without its
            # lock, another process would take the folder for one left over.
            _clear(target, (*names, RECORD))
            _fsync(self.jobs)
        except OSError as error:
            raise LedgerError(
                f"cannot write {target}: {error.strerror or error}: free the disk and run again"
            ) from error
        finally:
            work.release()
        return record


def read_record(folder: Path) -> Record:
    """The record of a finished job's folder, which is left as it is.

    Raises:
        ValueError: It is damaged, or another job's.
        LedgerError: It is of another mlbench.
        OSError: It cannot be read.
    """
    record = Record.from_json((folder / RECORD).read_text(encoding="utf-8"))
    if record.id != folder.name:
        raise ValueError(f"it is the record of {record.id}")
    return record


def damages(folder: Path, record: Record) -> Iterator[tuple[str, str]]:
    """(file, what is wrong) for each file beside a record that is not the one the record was made with."""
    for name, sha256 in sorted(record.files.items()):
        path = folder / name
        if Path(name).name != name or name == RECORD:
            yield RECORD, f"it names {name!r}, which is no file beside it"
        elif path.is_symlink() or not path.is_file():
            yield name, "it is missing"
        elif file_sha256(path) != sha256:
            yield name, "its SHA-256 is not the one of the record"


def _clear(folder: Path, kept: tuple[str, ...]) -> None:
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def _lock(path: Path) -> WorkFolder | None:
    """The folder, if no living process holds it."""
    try:
        file = (path / LOCK).open("a")
    except FileNotFoundError:  # committed by its owner in this moment
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


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
