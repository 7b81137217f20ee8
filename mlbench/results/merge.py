"""Merges the finished jobs of several runs folders into one ledger.

A job is copied in the same way as it was first written: to another place, synced and renamed. A merge that was killed
can simply be run again. If two folders have the same job, the results of the first one are kept. They may differ in
what depends on the machine and the day: timings, peak memory, environment, ``log.txt``, ``seconds`` and ``error`` in
``trials.csv``, the wording of an error, the name of the data set, and the train curve, which is omitted if it would
take too long. A difference in anything else (status, metrics, threshold, parameters, scores, curves, per-label
metrics, trials) is a conflict and is reported.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlbench.errors import LedgerError, UsageError, one_line
from mlbench.results.ledger import Ledger, damages, read_record
from mlbench.results.schema import CURVES, LOG, RECORD, TRIALS, Record

MAY_DIFFER = {"timings", "environment", "peak_memory_mb", "error", "files", "schema_version"}
"""Fields of a record that may differ between two machines for the same job."""
OF_THE_READER = {"name", "base_name", "warnings", "notes", "limit", "drop_twins"}
"""What a record says of its data set beside its content, which the fingerprint stands for."""
ADDED_LATER = {"replicates", "default_value", "n_trials_timed_out", "metric_versions", "tuning"}
"""What a record of an earlier schema may lack, or have less of."""
MAY_DIFFER_IN_TRIALS = {"seconds", "error"}


@dataclass(kw_only=True)
class Merged:
    """The result of a merge.

    Attributes:
        merged: The number of jobs that were copied.
        there: The number of jobs that were already there with the same results.
        conflicts: One line per job that was already there with different results.
        damaged: One line per damaged job.
    """

    merged: int = 0
    there: int = 0
    conflicts: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


def merge(sources: Sequence[Path], target: Path) -> Merged:
    """Copy the finished jobs of ``sources`` into the ledger ``target``; the sources are not changed.

    Args:
        sources: Runs folders. If several have the same job, the results of the first one are used.
        target: A runs folder, which may exist and may be one of the sources; its jobs take precedence.

    Raises:
        UsageError: A source is not a runs folder.
        LedgerError: The target cannot be written, or a source cannot be read.
    """
    for source in sources:
        if not (source / "jobs").is_dir():
            raise UsageError(f"{source}: not a runs folder: it has no jobs folder")
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
    """Yield the files in which the results of two folders of the same job differ; for the record, with the fields.

    Both must be undamaged. A file or a metric that only one of them has does not count, as older versions wrote
    fewer of them.
    """
    a, b = _results(first), _results(second)
    a["metrics"], b["metrics"] = _of_both(a["metrics"], b["metrics"]), _of_both(b["metrics"], a["metrics"])
    lacking = ADDED_LATER if first.schema_version != second.schema_version else frozenset()
    if fields := [name for name in a if a[name] != b[name] and name not in lacking]:
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
    values = {name: value for name, value in record.as_dict().items() if name not in MAY_DIFFER}
    values["dataset"] = {name: value for name, value in values["dataset"].items() if name not in OF_THE_READER}
    return values


def _of_both(metrics: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics of each split that the other record has, too."""
    return {
        split: {name: value for name, value in values.items() if name in others.get(split, {})}
        for split, values in metrics.items()
    }


def _trials(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: text for name, text in row.items() if name not in MAY_DIFFER_IN_TRIALS} for row in rows]


def _curves(path: Path) -> Mapping[str, Any]:
    curves: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return curves


def _same_curves(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether curves are equal, ignoring a train curve that only one of them has."""
    either = one.keys() | other.keys()
    return either - {"train"} <= one.keys() & other.keys() and all(
        one[part] == other[part] for part in one.keys() & other.keys()
    )


def _whole(folder: Path, result: Merged) -> Record | None:
    """Return the record of an undamaged job; else add a line to ``result.damaged`` and return None."""
    try:
        record = read_record(folder)
        problem = next((f"{folder / name}: {what}" for name, what in damages(folder, record)), None)
    except (FileNotFoundError, ValueError, LedgerError) as error:
        record, problem = None, f"{folder / RECORD}: {_reason(error)}"
    if problem is None:
        return record
    title = f"{_title(record)}: " if record is not None else ""
    line = f"{title}{problem}: skipped"
    if line not in result.damaged:
        result.damaged.append(line)
    return None


def _reason(error: Exception) -> str:
    return "missing" if isinstance(error, FileNotFoundError) else one_line(error)


def _title(record: Record) -> str:
    return one_line(f"{record.job.model} on {record.dataset.name}, {record.id}")


def _copy(folder: Path, record: Record, into: Ledger) -> None:
    """Commit a copy of a job."""
    work = into.claim(record.id)
    try:
        for name in record.files:
            # Not written in place, because a dead process may have left a link there.
            making = work.path / f".{name}.merging"
            making.unlink(missing_ok=True)
            shutil.copyfile(folder / name, making)
            making.replace(work.path / name)
        wrong = next((name for name, _ in damages(work.path, record)), None)
        if wrong is not None:
            raise LedgerError(f"{folder / wrong} changed while it was copied: run again")
        into.commit(work, record, tuple(record.files), text=(folder / RECORD).read_text(encoding="utf-8"))
    finally:
        work.release()
