"""Finished jobs of several runs folders, joined into one ledger.

A job is copied the way it was first written: beside, made durable, renamed. So a merge that was killed is
just run again. Where two folders hold one job, the first one's results stay. They may differ in what depends
on the machine and its day: timings, peak memory, environment, ``log.txt``, the ``seconds`` and ``error`` of
``trials.csv``, the words of an error, the name that the data set goes by, and the train curve, which is left
out where it would take long. A difference in anything else (status, figures, threshold, parameters, scores,
curves, figures of labels, trials) is a conflict and is reported.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlbench.errors import LedgerError, UsageError, one_line
from mlbench.evaluation.curves import CURVES
from mlbench.execution.scheduler import TRIALS
from mlbench.execution.supervisor import LOG
from mlbench.results.ledger import RECORD, Ledger, Record, damages, read_record

MAY_DIFFER = {"timings", "environment", "peak_memory_mb", "error", "files"}
"""Fields of a record that two machines may give differently for one job."""
MAY_DIFFER_IN_TRIALS = {"seconds", "error"}


@dataclass(kw_only=True)
class Merged:
    """What a merge did.

    Attributes:
        merged: Jobs that were copied.
        there: Jobs met again, with the same results.
        conflicts: One line for each job that is there with other results.
        damaged: One line for each job that is not whole.
    """

    merged: int = 0
    there: int = 0
    conflicts: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(sources: Sequence[Path], target: Path) -> Merged:
    """Copy the finished jobs of ``sources`` into the ledger ``target``; the sources stay as they are.

    Args:
        sources: Runs folders; the first that holds a job gives its results.
        target: May be there, hold jobs, and be one of the sources: what it holds comes first of all.

    Raises:
        UsageError: A source is no runs folder.
        LedgerError: The target cannot be written, or a source cannot be read.
    """
    for source in sources:
        if not (source / "jobs").is_dir():
            raise UsageError(f"{source}: no finished jobs: a runs folder has a folder jobs in it")
    into, result = Ledger(target), Merged()
    given_by: dict[str, Path] = {}
    for source in {path.resolve(): path for path in sources}.values():
        same = source.resolve() == target.resolve()
        for folder in Ledger(source).folders():
            try:
                record = _whole(folder, result)
                if record is None:
                    continue
                if same:
                    result.there += 1
                    continue
                kept = into.jobs / folder.name
                first = _whole(kept, result) if kept.is_dir() else None
                if first is None:
                    into.put_aside(kept)
                    _copy(folder, record, into)
                    given_by[record.id] = folder
                    result.merged += 1
                elif differing := list(differences(kept, first, folder, record)):
                    origin = given_by.get(record.id, kept)
                    result.conflicts.append(
                        f"{_title(record)}: {origin} and {folder} differ in {', '.join(differing)}: kept {origin}"
                    )
                else:
                    into.tidy(record.id)
                    result.there += 1
            except OSError as error:
                raise LedgerError(f"{error.filename or folder}: {error.strerror or error}") from error
    return result


def differences(one: Path, first: Record, other: Path, second: Record) -> Iterator[str]:
    """The files in which two folders of one job hold other results; of the record, with the fields.

    Both must be whole. A file that only one of them has is no difference: an older mlbench wrote fewer.
    """
    a, b = _results(first), _results(second)
    if fields := [name for name in a if a[name] != b[name]]:
        yield f"{RECORD} ({', '.join(fields)})"
    for name in sorted(first.files.keys() & second.files.keys()):
        if first.files[name] == second.files[name] or name == LOG:
            continue
        if name == TRIALS and _trials(one / name) == _trials(other / name):
            continue
        if name == CURVES and _same_curves(_curves(one / name), _curves(other / name)):
            continue
        yield name


def _results(record: Record) -> dict[str, Any]:
    values = {name: value for name, value in asdict(record).items() if name not in MAY_DIFFER}
    values["dataset"] = {name: value for name, value in values["dataset"].items() if name != "name"}
    return values


def _trials(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: text for name, text in row.items() if name not in MAY_DIFFER_IN_TRIALS} for row in rows]


def _curves(path: Path) -> Mapping[str, Any]:
    curves: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return curves


def _same_curves(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether they agree, but for a train curve that only one has."""
    either = one.keys() | other.keys()
    return either - {"train"} <= one.keys() & other.keys() and all(
        one[part] == other[part] for part in one.keys() & other.keys()
    )


def _whole(folder: Path, result: Merged) -> Record | None:
    """The record of a job that is as it was written; else None, and a line says what is damaged."""
    try:
        record = read_record(folder)
        problem = next((f"{folder / name}: {what}" for name, what in damages(folder, record)), None)
    except (FileNotFoundError, ValueError, LedgerError) as error:
        record, problem = None, f"{folder / RECORD}: {_reason(error)}"
    if problem is None:
        return record
    title = f"{_title(record)}: " if record is not None else ""
    line = f"{title}{problem}: not merged"
    if line not in result.damaged:
        result.damaged.append(line)
    return None


def _reason(error: Exception) -> str:
    return "it is missing" if isinstance(error, FileNotFoundError) else one_line(error)


def _title(record: Record) -> str:
    return one_line(f"{record.job.get('model')} on {record.dataset.get('name')}, {record.id}")


def _copy(folder: Path, record: Record, into: Ledger) -> None:
    """Commit a copy of a whole job."""
    work = into.claim(record.id)
    try:
        for name in record.files:
            # Never written in place: what a dead process left there may be a link.
            making = work.path / f".{name}.merging"
            making.unlink(missing_ok=True)
            shutil.copyfile(folder / name, making)
            making.replace(work.path / name)
        wrong = next((name for name, _ in damages(work.path, record)), None)
        if wrong is not None:
            raise LedgerError(f"{folder / wrong}: it changed while it was copied: run again")
        into.commit(work, record, tuple(record.files))
    finally:
        work.release()
