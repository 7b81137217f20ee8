"""``mlbench compare``."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import click

from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import runs_option
from mlbench.cli.tables import show_table
from mlbench.errors import LedgerError, UnknownName, UsageError
from mlbench.evaluation.bootstrap import LEVEL
from mlbench.execution.job import BASELINE
from mlbench.metrics import DIRECTIONS
from mlbench.reporting.compare import (
    BANDS,
    PAIRED,
    Comparison,
    Contender,
    Entry,
    compare_entries,
    contender,
    entries_named,
    entries_of,
    lost,
    pair_up,
    unlike,
)
from mlbench.reporting.leaderboard import Row, read_csv
from mlbench.reporting.multiple_datasets import rank_over_datasets
from mlbench.reporting.plots import check_file, plot_ranks
from mlbench.results.ledger import RECORD, Ledger, Record

EXIT_WORSE = 3
OF_JOB = ("model", "features", "plugin", "plugin_version", "device")
"""What a board says of a job, beside its data."""
MICRO = PAIRED[0]


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="A B [MORE]...")
@runs_option
@click.option(
    "--fail-if-worse",
    "limit",
    metavar="METRIC[:MARGIN]",
    help="Exit 3 if B's test figure is worse than A's by more than MARGIN (0 if not given).",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Critical differences: .png or .svg.",
)
def compare(what: tuple[str, ...], runs: Path, limit: str | None, plot: Path | None) -> None:
    """Compare runs folders, boards, single jobs, or models of one runs folder, pair by pair.

    A and B are two runs folders or two boards (each row of B against the same row of A), or folders of
    single jobs (runs/jobs/ID), or names MODEL or MODEL:FEATURES of --runs. Differences are B less A, with the
    interval of paired bootstrap replicates. Over several data sets, average ranks follow.
    """
    if len(what) < 2:
        raise UsageError("name two to compare")
    if plot is not None:
        check_file(plot)
    metric, margin = _limit(limit)
    names = tuple(dict.fromkeys([*PAIRED, *([metric] if metric else [])]))
    contenders: list[Contender] = []
    gone: list[str] = []
    if all(_is_runs(Path(one)) or Path(one).suffix == ".csv" for one in what):
        if len(what) > 2:
            raise UsageError("compare two folders or boards at a time")
        if plot is not None:
            raise UsageError("--plot is of models of one runs folder: name them, with --runs")
        first, second = (_entries(Path(one), runs) for one in what)
        gone = [f"worse: {entry.label} on {entry.dataset} has no figures in {what[1]}" for entry in lost(first, second)]
        pairs = pair_up(first, second)
    else:
        if twice := next((one for one in what if what.count(one) > 1), None):
            raise UsageError(f"{twice} is named twice: name different ones")
        contenders = _contenders(what, runs)
        pairs = _pairs(contenders)
    found = [compare_entries(first, second, names) for first, second in pairs]
    _show(found)
    for line in dict.fromkeys(line for pair in pairs for line in unlike(*pair)):
        click.echo(line, err=True)
    if contenders:
        _show_ranks(contenders, plot)
    worse = gone + [line for one in found for line in _worse(one, metric, margin)]
    for line in worse:
        click.echo(line, err=True)
    sys.exit(EXIT_WORSE if worse and metric else 0)


def _limit(text: str | None) -> tuple[str | None, float]:
    if text is None:
        return None, 0.0
    metric, _, margin = text.partition(":")
    if metric not in DIRECTIONS:
        raise UnknownName("metric", metric, DIRECTIONS)
    try:
        least = float(margin or 0)
    except ValueError:
        least = math.nan
    if not least >= 0:
        raise UsageError(f"--fail-if-worse {text}: the margin {margin!r} is no number from 0 on")
    return metric, least


def _is_runs(path: Path) -> bool:
    return (path / "jobs").is_dir()


def _entries(path: Path, runs: Path) -> list[Entry]:
    """Of a runs folder; of a board, the rows that are ok, from their jobs in ``--runs``."""
    if _is_runs(path):
        return entries_of(ReadLedger(path))
    rows = {
        tuple(row[name] for name in ("dataset_sha256", *OF_JOB)): row
        for row in read_csv(path)
        if row["status"] == "ok" and row["model"] != BASELINE
    }

    def key(record: Record) -> tuple[str, ...]:
        return (record.dataset["sha256"], *(str(record.job[name]) for name in OF_JOB))

    try:
        jobs = entries_of(ReadLedger(runs), lambda record: key(record) in rows)
    except UsageError as error:
        raise UsageError(f"{path}: no job of this board is in {runs}: name its runs folder with --runs") from error
    # The runs may have the same row of another budget or with other seeds, which is not what the board says.
    found = [entry for entry in jobs if _is_row(entry, rows[key(entry.seeds[0])])]
    if lacking := rows.keys() - {key(entry.seeds[0]) for entry in found}:
        row = rows[min(lacking)]
        raise UsageError(
            f"{path}: {row['model']} · {row['features']}: no job in {runs} gives the figures of this row: "
            "name its runs folder with --runs"
        )
    return found


def _is_row(entry: Entry, row: Row) -> bool:
    try:
        figure = float(row[MICRO] or "nan")
    except ValueError:
        return False
    there = entry.figure(MICRO)
    same = math.isclose(figure, there, rel_tol=1e-12) or (math.isnan(figure) and math.isnan(there))
    return same and row["n_trials"] == str(sum(record.n_trials for record in entry.seeds))


def _contenders(what: Sequence[str], runs: Path) -> list[Contender]:
    """Single jobs' folders, and models of ``--runs``; what is not there is said before what is ambiguous."""
    names = [one for one in what if not _is_job(Path(one))]
    entries: list[Entry] = []
    if names:
        try:
            entries = entries_of(ReadLedger(runs))
        except UsageError:
            for path in filter(Path.exists, map(Path, names)):
                raise UsageError(_misplaced(path)) from None
            raise
    models = {entry.seeds[0].job["model"] for entry in entries}
    for name in names:
        if name.partition(":")[0] not in models and Path(name).exists():
            raise UsageError(_misplaced(Path(name)))
        entries_named(name, entries)
    return [contender(one, entries) if one in names else _job(Path(one)) for one in what]


def _misplaced(path: Path) -> str:
    """Why a file or folder that is there cannot be compared with the others."""
    if _is_runs(path) or path.suffix == ".csv":
        kind = "a runs folder" if _is_runs(path) else "a board"
        return f"{path} is {kind}, compared with another or with a board: for models of a runs folder say --runs"
    return f"{path} is no runs folder (no folder jobs in it), no job (no {RECORD} in it) and no board (.csv)"


def _is_job(path: Path) -> bool:
    return (path / RECORD).is_file() or path.name == RECORD


def _job(path: Path) -> Contender:
    """The single job of that folder, or of the record in it."""
    folder = path if path.is_dir() else path.parent
    try:
        record = Record.from_json((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(f"{folder / RECORD}: {error}") from error
    if record.status != "ok":
        raise UsageError(f"{folder}: the job ended as {record.status}: there are no figures to compare")
    entry = Entry(seeds=[record], ledger=Ledger(folder.resolve().parents[1]))
    return Contender(name=f"{entry.label} ({record.id[:8]})", entries={entry.dataset: entry})


def _pairs(contenders: Sequence[Contender]) -> list[tuple[Entry, Entry]]:
    """All pairs on every data set that both have."""
    pairs = [
        (first.entries[name], second.entries[name])
        for first, second in combinations(contenders, 2)
        for name in sorted(first.entries.keys() & second.entries.keys())
    ]
    if not pairs:
        raise UsageError("they have no data set in common: there is nothing to compare")
    return pairs


def _show(found: Sequence[Comparison]) -> None:
    header = (
        "Data set",
        "A",
        "B",
        "micro AP A",
        "B",
        "B - A",
        f"{LEVEL:.0%} interval",
        "P(B > A)",
        "macro B - A",
        "Labels",
    )
    rows = []
    for one in found:
        a, b = one.figures[MICRO]
        paired = one.differences.get(MICRO)
        macro = one.differences.get(PAIRED[1])
        macro_gap = one.figures[PAIRED[1]][1] - one.figures[PAIRED[1]][0]
        rows.append(
            (
                *(one.dataset, one.first, one.second, f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}"),
                f"{paired.low:+.4f} to {paired.high:+.4f}" if paired else "no replicates",
                f"{paired.superiority:.3f}" if paired else "",
                f"{macro_gap:+.4f}" + (f" ({macro.low:+.3f} to {macro.high:+.3f})" if macro else ""),
                _wins(one),
            )
        )
    show_table(header, rows)
    click.echo(f"Labels: wins of B, losses, ties, in all; then by how frequent labels are ({', '.join(BANDS)}).")


def _wins(one: Comparison) -> str:
    if one.labels is None:
        return ""
    kinds = (one.labels.wins, one.labels.losses, one.labels.ties)
    whole = "/".join(str(sum(kind.values())) for kind in kinds)
    bands = " ".join("/".join(str(kind[band]) for kind in kinds) for band in BANDS)
    return f"{whole} ({bands})"


def _show_ranks(contenders: Sequence[Contender], plot: Path | None) -> None:
    ranking = rank_over_datasets(contenders, MICRO)
    if ranking is None:
        if plot is not None:
            raise UsageError("critical differences need at least two data sets that all have")
        return
    click.echo(f"\nAverage ranks by micro AP over {len(ranking.datasets)} data sets: {', '.join(ranking.datasets)}")
    for name, rank in sorted(ranking.ranks.items(), key=lambda item: item[1]):
        click.echo(f"  {rank:.2f}  {name}")
    if len(contenders) > 2:
        click.echo(
            f"Friedman p {ranking.friedman_p:.3g}; Nemenyi critical difference {ranking.critical_difference:.2f}"
        )
    for (first, second), p in ranking.pairs.items():
        click.echo(f"  {first} and {second}: Wilcoxon p {p:.3g}, after Holm's correction")
    if plot is not None:
        plot_ranks(ranking.ranks, ranking.critical_difference, plot)
        click.echo(f"written: {plot}", err=True)


def _worse(one: Comparison, metric: str | None, margin: float) -> list[str]:
    if metric is None:
        return []
    a, b = one.figures[metric]
    loss = a - b if DIRECTIONS[metric] == "maximize" else b - a
    if loss <= margin or math.isnan(a):  # a figure that became undefined is worse
        return []
    return [f"worse: {one.second} on {one.dataset}: {metric} {b:.4f}, was {a:.4f}, worse by {loss:.4f} > {margin:g}"]
