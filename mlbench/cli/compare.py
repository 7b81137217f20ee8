"""``mlbench compare``."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from mlbench.cli.open_ledger import ReadLedger
from mlbench.cli.options import EXIT_DIFFERENCE, runs_option
from mlbench.cli.tables import show_table
from mlbench.errors import UnknownName, UsageError
from mlbench.evaluation.intervals import LEVEL
from mlbench.metrics import METRICS, MICRO
from mlbench.reporting.compare import BANDS, PAIRED, Comparison, Contender, compare_entries, unlike
from mlbench.reporting.comparison_inputs import comparison_inputs, worse
from mlbench.reporting.multiple_datasets import rank_over_datasets
from mlbench.reporting.plots import check_file, plot_ranks


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="A B [MORE]...")
@runs_option
@click.option(
    "--fail-if-worse",
    "limit",
    metavar="METRIC[:MARGIN]",
    help="Exit with code 3 if B is worse than A on test by more than MARGIN (default: 0).",
)
@click.option("--metric", metavar="NAME", help="Metric to compare. [default: average_precision_micro]")
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a critical difference diagram (.png or .svg).",
)
def compare(what: tuple[str, ...], runs: Path, limit: str | None, metric: str | None, plot: Path | None) -> None:
    """Compare models, jobs, runs folders or leaderboards pairwise.

    A and B are models in --runs (MODEL or MODEL:FEATURES), folders of single jobs (runs/jobs/ID), two runs
    folders, or two leaderboards (CSV). Of two folders or leaderboards, each row of B is compared with the same
    row of A. Differences are B - A, with paired bootstrap intervals. For several data sets, average ranks are
    shown as well.
    """
    if plot is not None:
        check_file(plot)
    limited, margin = _limit(limit)
    shown = known_metric(metric or limited or MICRO)
    names = tuple(dict.fromkeys([*PAIRED, shown, *([limited] if limited else [])]))
    inputs = comparison_inputs(what, runs, ReadLedger)
    if plot is not None and not inputs.contenders:
        raise UsageError("--plot draws models of one runs folder: name them, with --runs")
    found = [compare_entries(first, second, names) for first, second in inputs.pairs]
    _show(found, shown)
    for line in dict.fromkeys(line for pair in inputs.pairs for line in unlike(*pair)):
        click.echo(line, err=True)
    if inputs.contenders:
        _show_ranks(inputs.contenders, plot)
    lines = [f"worse: {entry.label} on {entry.dataset} has no values in {what[1]}" for entry in inputs.lost]
    lines += [line for one in found for line in worse(one, limited, margin)]
    for line in lines:
        click.echo(line, err=True)
    sys.exit(EXIT_DIFFERENCE if lines and limited else 0)


def _limit(text: str | None) -> tuple[str | None, float]:
    if text is None:
        return None, 0.0
    metric, _, margin = text.partition(":")
    known_metric(metric)
    try:
        least = float(margin or 0)
    except ValueError:
        least = math.nan
    if not least >= 0:
        raise UsageError(f"--fail-if-worse {text}: the margin {margin!r} must be a number, 0 or more")
    return metric, least


def known_metric(name: str) -> str:
    """Return the name if it is one of a metric, else raise ``UnknownName``."""
    if name not in METRICS:
        raise UnknownName("metric", name, METRICS)
    return name


def _show(found: Sequence[Comparison], metric: str) -> None:
    header = (
        "Data set",
        "A",
        "B",
        f"{'micro AP' if metric == MICRO else metric} A",
        "B",
        "B - A",
        f"{LEVEL:.0%} interval",
        "P(B > A)",
        "macro B - A",
        "Labels",
    )
    rows = []
    for one in found:
        a, b = one.values[metric]
        paired = one.differences.get(metric)
        macro = one.differences.get(PAIRED[1])
        macro_gap = one.values[PAIRED[1]][1] - one.values[PAIRED[1]][0]
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
    click.echo(f"Labels: wins/losses/ties of B over all labels, and by label frequency ({', '.join(BANDS)}).")


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
            raise UsageError("--plot needs at least two data sets that all models have")
        return
    click.echo(f"\nAverage ranks by micro AP over {len(ranking.datasets)} data sets: {', '.join(ranking.datasets)}")
    for name, rank in sorted(ranking.ranks.items(), key=lambda item: item[1]):
        click.echo(f"  {rank:.2f}  {name}")
    if len(contenders) > 2:
        click.echo(
            f"Friedman p {ranking.friedman_p:.3g}; Nemenyi critical difference {ranking.critical_difference:.2f}"
        )
    for (first, second), p in ranking.pairs.items():
        click.echo(f"  {first} vs {second}: Wilcoxon p {p:.3g} (Holm-corrected)")
    if plot is not None:
        plot_ranks(ranking.ranks, ranking.critical_difference, plot)
        click.echo(f"written: {plot}", err=True)
