"""mlbench from Python: ``run``, ``load_leaderboard`` and ``compare`` give pandas objects that show themselves."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from mlbench import __version__
from mlbench.data.dataset import Dataset
from mlbench.errors import DataError, UnknownName, UsageError, one_line
from mlbench.execution.executors import InlineExecutor, process_pool
from mlbench.execution.job import Budget
from mlbench.execution.plan import DatasetRequest, Request, check_budget, plan
from mlbench.execution.process import usable_cpus
from mlbench.execution.scheduler import drive
from mlbench.plugins.catalog import CORE, Catalog, PluginEntry, PluginSource, discover
from mlbench.plugins.specs import DatasetSpec
from mlbench.reporting.compare import PAIRED, Comparison, compare_entries, contender, entries_of, pair_up
from mlbench.reporting.leaderboard import COLUMNS, Row, board_key, boards, leaderboard, read_csv
from mlbench.reporting.views import to_html
from mlbench.results.ledger import Ledger

TEXT = frozenset(
    {"model", "features", "status", "best_params", "device", "plugin", "plugin_version", "mlbench_version", "error"}
    | {"dataset", "dataset_sha256"}
)
OPTIONS = ("models", "features", "seeds", "jobs", "device", "runs")
"""Of ``run``, beside those of the budget."""
BOARDS = "mlbench_boards"
"""Attribute of a frame of several boards: the number of each row's, by its label in the index."""


class Leaderboard(pd.DataFrame):  # type: ignore[misc]
    """The rows of one or several boards, by the columns of the CSV; as HTML, the boards as people read them."""

    @property
    def _constructor(self) -> type[Leaderboard]:
        return Leaderboard

    def rows(self) -> list[Row]:
        """The rows as the CSV has them, by column, as text."""
        return [_as_row(values) for values in self.to_dict("records")]

    def _repr_html_(self) -> str | None:
        if tuple(self.columns) != COLUMNS:  # some columns of it: as pandas shows any table
            shown: str | None = pd.DataFrame(self)._repr_html_()
            return shown
        # Of one data set there may be several boards, one a budget, which is no column.
        numbers = self.attrs.get(BOARDS, {})
        keys = [(sha256, numbers.get(label)) for label, sha256 in zip(self.index, self["dataset_sha256"], strict=True)]
        parts = [Leaderboard(self[[one == key for one in keys]]) for key in dict.fromkeys(keys)]
        return "\n".join(to_html(part.rows()) for part in parts)


def run(
    *datasets: str | os.PathLike[str] | Dataset,
    models: str | Sequence[str] = (),
    features: str | Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    jobs: int = 1,
    device: str = "auto",
    runs: str | os.PathLike[str] = "runs",
    **budget: Any,
) -> Leaderboard:
    """Tune every model on every data set, score each once on test; what is in ``runs`` is not run again.

    Args:
        datasets: Names, paths, or ``Dataset`` objects; none is the built-in demo.
        models: A name, names, or empty: all that are installed.
        features: The same of feature sets, or empty: each data set's own.
        seeds: One job each.
        jobs: Models side by side.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        runs: Where finished jobs are kept.
        budget: ``n_trials``, ``timeout``, ``trial_timeout`` (seconds), ``memory_limit`` (bytes), ``metric``, ``refit``.

    Raises:
        MlbenchError: What the command would print as one line.
    """
    for option in budget:
        if option not in Budget.__dataclass_fields__:
            raise UnknownName("option of mlbench.run", option, (*OPTIONS, *Budget.__dataclass_fields__))
    limits = _budget(budget)
    if jobs < 1:
        raise UsageError(f"jobs is {jobs}: at least 1 is needed")
    catalog = _with_datasets(discover(), [one for one in datasets if isinstance(one, Dataset)])
    asked = [one.name if isinstance(one, Dataset) else os.fspath(one) for one in datasets] or ["demo"]
    chosen = _names("features", features)
    request = Request(
        datasets=tuple(DatasetRequest(name=name, features=chosen) for name in asked),
        models=_names("models", models),
        seeds=_seeds(seeds),
        budget=limits,
        device=device,
    )
    todo = plan(request, catalog)
    ledger = Ledger(Path(runs))
    with InlineExecutor() if jobs == 1 else process_pool(jobs) as executor:
        drive(todo, executor, ledger, threads=max(1, usable_cpus() // jobs))
    wanted = dict.fromkeys(board_key(job.identity) for job in todo)
    ids = {job.id for job in todo}
    records = list(ledger.records())
    return _frame(
        leaderboard([record for record in records if board_key(record.job) == key], preferred=ids) for key in wanted
    )


def load_leaderboard(path: str | os.PathLike[str]) -> Leaderboard:
    """The board of a CSV, or all boards of a runs folder.

    Raises:
        MlbenchError: It is neither, or there is nothing in it.
    """
    where = Path(path)
    if where.is_file():
        try:
            return _frame([read_csv(where)])
        except ValueError as error:
            raise DataError(f"{where}: a cell is not what it must be: {one_line(error)}") from error
    found = boards(Ledger(where).records())
    if not found:
        raise UsageError(f"{where}: no board, and no runs folder with finished jobs")
    return _frame(leaderboard(records) for records in found.values())


def compare(first: str, second: str, *, runs: str | os.PathLike[str] = "runs") -> pd.DataFrame:
    """Paired differences, the second less the first: a line for each data set that both have.

    Args:
        first: ``MODEL`` or ``MODEL:FEATURES`` of ``runs``, or another runs folder.
        second: The same.
        runs: Where finished jobs are kept.

    Raises:
        MlbenchError: No such model or folder, or nothing in common.
    """
    if all((Path(one) / "jobs").is_dir() for one in (first, second)):
        pairs = pair_up(*(entries_of(Ledger(Path(one))) for one in (first, second)))
    else:
        entries = entries_of(Ledger(Path(runs)))
        one, other = contender(first, entries), contender(second, entries)
        shared = sorted(one.entries.keys() & other.entries.keys())
        if not shared:
            raise UsageError(f"{first} and {second} have no data set in common")
        pairs = [(one.entries[name], other.entries[name]) for name in shared]
    return pd.DataFrame([_comparison(compare_entries(*pair)) for pair in pairs])


def _comparison(found: Comparison) -> dict[str, Any]:
    line: dict[str, Any] = {"dataset": found.dataset, "first": found.first, "second": found.second}
    for name in PAIRED:
        line[f"{name}_first"], line[f"{name}_second"] = found.figures[name]
        gap = found.differences.get(name)
        for part in ("value", "low", "high", "superiority"):
            line[f"{name}_difference_{part}"] = getattr(gap, part) if gap else None
    for kind in ("wins", "losses", "ties"):
        line[f"labels_{kind}"] = sum(getattr(found.labels, kind).values()) if found.labels else None
    return line


def _names(what: str, given: str | Iterable[str]) -> tuple[str, ...]:
    """The names; a text is one, not its letters."""
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(name, str) for name in names):
        raise UsageError(f"{what} is {given!r}: it must be a name or a list of names")
    return names


def _seeds(given: Iterable[int]) -> tuple[int, ...]:
    """The seeds, as the command takes them."""
    try:
        seeds = tuple(operator.index(seed) for seed in given)
    except TypeError:
        seeds = ()
    if not seeds or min(seeds) < 0:
        raise UsageError(f"seeds is {given!r}: it must be a list of whole numbers from 0 on, such as [0, 1]")
    return seeds


def _budget(given: Mapping[str, Any]) -> Budget:
    """The budget of these options. A job's id knows 600 from 600.0, so that each number is made of its kind."""
    budget = Budget(**given)
    numbers: dict[str, Any] = {}
    for name, kind in (("n_trials", int), ("timeout", float), ("trial_timeout", float), ("memory_limit", int)):
        value = getattr(budget, name)
        try:
            numbers[name] = kind(value)
        except (TypeError, ValueError, OverflowError):
            numbers[name] = None
        if numbers[name] is None or numbers[name] != value or math.isinf(numbers[name]):
            raise UsageError(f"{name} is {value!r}: it must be a {'whole ' * (kind is int)}number")
    return check_budget(replace(budget, **numbers))


def _with_datasets(catalog: Catalog, datasets: Sequence[Dataset]) -> Catalog:
    """The catalog, in which these data sets are known by their names."""
    origin = PluginSource(plugin=CORE, version=__version__, entry_point="builtins")
    given = {
        dataset.name: PluginEntry(
            spec=DatasetSpec(name=dataset.name, summary="Given from Python", load=partial(_same, dataset)),
            origin=origin,
        )
        for dataset in datasets
    }
    return replace(catalog, datasets={**catalog.datasets, **given})


def _same(dataset: Dataset) -> Dataset:
    return dataset


def _frame(boards: Iterable[Sequence[Row]]) -> Leaderboard:
    numbered = [(number, row) for number, rows in enumerate(boards) for row in rows]
    frame = Leaderboard([row for _, row in numbered], columns=list(COLUMNS))
    if numbered and numbered[-1][0]:
        frame.attrs[BOARDS] = {label: number for label, (number, _) in enumerate(numbered)}
    for name in COLUMNS:
        if name not in TEXT:
            frame[name] = pd.to_numeric(frame[name].replace("", None))
    return frame


def _as_row(values: dict[Any, Any]) -> Row:
    row = {}
    for name, value in values.items():
        whole = isinstance(value, float) and name.startswith(("n_", "rank")) and value == value
        row[name] = "" if value is None or value != value else str(int(value)) if whole else str(value)
    return row
