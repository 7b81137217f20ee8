"""Which records make a row of a board, and the values of that row over its seeds."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from packaging.version import InvalidVersion, Version

from mlbench.evaluation.intervals import fold_seeds
from mlbench.metrics import METRICS
from mlbench.results.schema import PROTOCOL, Record

Variant = tuple[object, ...]
Floats = NDArray[np.float64]


def records_of_rows(records: Iterable[Record], preferred: Collection[str] = ()) -> list[list[Record]]:
    """Return the records, one a seed, that each row of a board is made from; rows are not ranked.

    Args:
        records: Records of one board.
        preferred: Ids of jobs to take where a model was run in several versions or on several devices; the
            newest version is taken otherwise.
    """
    variants: dict[tuple[str, str], dict[Variant, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        job = record.job
        if job.protocol != PROTOCOL:
            continue
        versions = version_key(job.plugin_version), version_key(job.features_plugin_version)
        variants[job.model, job.features][*versions, job.device, job.plugin, job.features_plugin].append(record)
    chosen = []
    for candidates in variants.values():
        wanted = [variant for variant, group in candidates.items() if any(one.id in preferred for one in group)]
        newest = max(wanted or candidates)
        chosen.append(sorted(candidates[newest], key=lambda record: record.job.seed))
    return chosen


def shown_record(seeds: Sequence[Record]) -> Record:
    """Return the record that stands for its row: the first that is not ok, else the best on the validation split."""
    bad = next((record for record in seeds if record.status != "ok"), None)
    if bad is not None:
        return bad
    metric = seeds[0].budget.metric
    sign = sign_of(metric)

    def value(record: Record) -> float:
        found = record.value("valid", metric)
        return -np.inf if found is None else sign * found

    return max(seeds, key=value)


def sign_of(metric: str) -> int:
    """Return 1 where more of a metric is better, -1 where less is."""
    return METRICS[metric].sign


def mean_over_seeds(values: Iterable[float | None]) -> float | None:
    """Return the mean; None when one is missing, so that no value is of fewer seeds than the row says."""
    known = list(values)
    numbers = [value for value in known if value is not None]
    return sum(numbers[1:], start=numbers[0]) / len(numbers) if numbers and len(numbers) == len(known) else None


def replicates_of(seeds: Sequence[Record], name: str) -> NDArray[np.float64] | None:
    """Return the replicates, shape (R,), of a test metric of a row, its seeds folded in; None where one has none."""
    if any(name not in record.replicates for record in seeds):
        return None
    values = [[np.nan if value is None else value for value in record.replicates[name]] for record in seeds]
    return folded(seeds[0], values)


def folded(record: Record, replicates: Sequence[Sequence[float]] | Sequence[Floats]) -> Floats:
    """Return the replicates of the mean over seeds, for the row of that record."""
    return fold_seeds(replicates, f"{record.job.model}\n{record.job.features}")


def version_key(version: str) -> tuple[bool, Version, tuple[tuple[int, str], ...]]:
    """Return what orders versions as PEP 440 does; others come before them, 9 before 10."""
    try:
        return True, Version(version), ()
    except InvalidVersion:
        words = re.findall(r"\d+|\D+", version)
        return False, Version("0"), tuple((int(word), "") if word.isdigit() else (-1, word) for word in words)
