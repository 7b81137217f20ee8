"""Plots of a data set, of precision-recall curves and of average ranks, as PNG or SVG.

The same input gives the same bytes: plots use matplotlib's default style whatever the user's style is, contain no
dates, and avoid ``pyplot`` and its global state. Matplotlib is the optional dependency ``plot``.
"""

from __future__ import annotations

import importlib.util
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Split, is_sparse
from mlbench.errors import UsageError, one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METADATA: dict[str, dict[str, str | None]] = {".png": {"Software": None}, ".svg": {"Date": None}}
"""Metadata to omit, by suffix, so that files do not contain dates and versions."""
SIGNALS = {"rfft", "log-rfft"}
"""Features that indicate that rows are signals."""
MOST_BINS = 256
MOST_CURVES = 12
MANY = 300
"""The number of labels above which label frequencies are drawn on a logarithmic axis."""
MOST_NAMED = 24
"""The largest number of labels or features that are named on the axis."""
BLUE, ORANGE, GREEN, RED, GREY = "#8fb4d9", "#d9730d", "#2a8a3e", "#b3261e", "#8c8c8c"
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")
STYLES = ("-", "--")
"""Six colours in two styles distinguish ``MOST_CURVES`` lines."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """A model on a representation, for ``plot_curves``.

    Attributes:
        name: What the legend says.
        curves: As in ``mlbench.evaluation.curves``, by part.
        baseline: Drawn thin and grey.
    """

    name: str
    curves: Mapping[str, Any]
    baseline: bool = False


def check_file(path: Path) -> None:
    """Check, before anything is computed, that a plot can be written to ``path``.

    Raises:
        UsageError: The suffix is neither ``.png`` nor ``.svg``, or matplotlib is not installed.
    """
    if path.suffix.lower() not in METADATA:
        raise UsageError(f"{path}: plots are .png or .svg files")
    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError('plots need matplotlib: pip install "mlbench-suite[plot]"')


def plot_dataset(dataset: Dataset, path: Path) -> None:
    """Plot one training row with its labels, and the frequency of each label.

    Args:
        dataset: A data set with all three splits.
        path: A ``.png`` or ``.svg`` file; its folder is created, and an existing file is replaced.
    """
    row = shown_row(dataset.train)
    _write(path, (10, 6.5), lambda figure: _draw_dataset(figure, dataset, row))


def plot_curves(title: str, lines: Sequence[Line], path: Path) -> None:
    """Draw precision over recall, train to the left, test to the right; the best on test first.

    Args:
        title: Over both.
        lines: Each with a test curve; those with the best ``MOST_CURVES`` on test are drawn, and the baseline.
        path: ``.png`` or ``.svg``; its folder is made, a file there is replaced.
    """
    ranked = sorted(lines, key=lambda line: (-_test_ap(line), line.name))
    drawn = [line for line in ranked if not line.baseline][:MOST_CURVES]
    drawn += [line for line in ranked if line.baseline]
    if len(drawn) < len(ranked):
        title = f"{title}, the best {MOST_CURVES} of {sum(not line.baseline for line in ranked)}"
    _write(path, (11, 4.6 + 0.25 * len(drawn)), lambda figure: _draw_curves(figure, title, drawn))


def shown_row(split: Split) -> int:
    """Choose the first row that has the (lower) median number of labels among the rows that have any."""
    counts = split.Y.sum(axis=1, dtype=int)
    some = np.sort(counts[counts > 0])
    return int(np.argmax(counts == some[(len(some) - 1) // 2])) if len(some) else 0


# ---------------------------------------------------------------------------------------- a data set
def _draw_dataset(figure: Figure, dataset: Dataset, row: int) -> None:
    sizes = " + ".join(f"{len(split):,} {part}" for part, split in dataset.parts())
    n_rows = sum(len(split) for _, split in dataset.parts())
    cardinality = sum(int(split.Y.sum(dtype=int)) for _, split in dataset.parts()) / n_rows
    d, k = dataset.train.X.shape[1], dataset.train.Y.shape[1]
    figure.suptitle(
        f"{dataset.name}\n{sizes} rows · {d:,} features · {k:,} labels · {cardinality:.2f} labels per row",
        fontsize="large",
        parse_math=False,
    )
    grid = figure.add_gridspec(2, 2, width_ratios=(3, 1))
    labels = np.flatnonzero(dataset.train.Y[row])
    title = f"train row {row:,}: {_listed([dataset.label_names[label] for label in labels])}"
    if not is_sparse(dataset.train.X) and SIGNALS & set(dataset.features):
        halves = grid[0, :].subgridspec(1, 2)
        wave, spectrum = figure.add_subplot(halves[0]), figure.add_subplot(halves[1])
        _draw_signal(wave, spectrum, np.asarray(dataset.train.X[row]))
        wave.set_title(title, loc="left", fontsize="medium", parse_math=False)
    else:
        axes = figure.add_subplot(grid[0, :])
        _draw_features(axes, dataset, row)
        axes.set_title(title, loc="left", fontsize="medium", parse_math=False)
    _draw_frequencies(figure.add_subplot(grid[1, 0]), dataset, labels)
    _draw_counts(figure.add_subplot(grid[1, 1]), dataset.train)


def _listed(names: Sequence[str], longest: int = 90) -> str:
    """Join as many names as fit on a line."""
    names = [one_line(name, 40) for name in names]
    count = max(1, sum(length <= longest for length in np.cumsum([len(name) + 2 for name in names])))
    return ", ".join(names[:count]) + (f" and {len(names) - count} more" if len(names) > count else "")


def _draw_signal(wave: Axes, spectrum: Axes, row: NDArray[np.float32]) -> None:
    wave.plot(row, color=COLOURS[0], linewidth=0.7)
    wave.set(xlabel="sample", ylabel="amplitude", xlim=(0, max(1, len(row) - 1)))
    magnitude = np.abs(np.fft.rfft(row))
    shown = min(len(magnitude), MOST_BINS)
    spectrum.plot(magnitude[:shown], color=COLOURS[0], linewidth=0.7)
    which = f"the first {shown} of {len(magnitude):,}" if shown < len(magnitude) else f"all {shown}"
    spectrum.set(xlabel=f"frequency bin ({which})", ylabel="|rFFT|", xlim=(0, max(1, shown - 1)))
    spectrum.set_ylim(0, 1.05 * float(magnitude[:shown].max()) or 1.0)


def _draw_features(axes: Axes, dataset: Dataset, row: int) -> None:
    X, d = dataset.train.X, dataset.train.X.shape[1]
    values = np.asarray(X[row].toarray()[0] if is_sparse(X) else X[row])
    there = np.flatnonzero(values)
    axes.vlines(there, 0, values[there], color=COLOURS[0], linewidth=np.clip(400 / d, 0.6, 8))
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set(xlim=(-0.5 - 0.005 * d, d - 0.5 + 0.005 * d), ylabel="value")
    axes.set_xlabel(f"feature index ({len(there):,} of {d:,} are non-zero)")
    _name_ticks(axes, dataset.feature_names)


def _draw_frequencies(axes: Axes, dataset: Dataset, labels: NDArray[np.intp]) -> None:
    k = dataset.train.Y.shape[1]
    index = np.arange(k)
    share = {part: split.Y.mean(axis=0, dtype=np.float64) for part, split in dataset.parts()}
    handles: list[Any] = []
    if k <= 3 * MOST_NAMED:
        handles.append(axes.bar(index, share["train"], width=0.8, color=BLUE))
    else:  # a single shape, because a thousand bars would make a large file
        handles.append(axes.stairs(share["train"], np.arange(k + 1) - 0.5, fill=True, color=BLUE, linewidth=0.4))
    used = np.any(list(share.values()), axis=0)
    look = {"s": np.clip(40_000 / k**2, 4, 60), "linewidths": 1 if k <= MANY else 0.5, "marker": "_", "zorder": 3}
    for part, colour in (("valid", GREEN), ("test", ORANGE)):
        if part in share:
            handles.append(axes.scatter(index[used], share[part][used], color=colour, **look))
    high, on_top = np.full(len(labels), 0.97), axes.get_xaxis_transform()
    handles.append(axes.scatter(labels, high, s=22, color=RED, marker="v", transform=on_top, zorder=4))
    names = [*share, "labels of the row above"]
    top = max(values.max() for values in share.values()) or 1.0
    axes.set(xlim=(-0.7 - 0.005 * k, k - 0.3 + 0.005 * k), ylim=(0, 1.12 * top))
    if k > MANY:  # most labels are rare and would all lie on a linear axis
        rarest = min(float(values[values > 0].min(initial=top)) for values in share.values())
        axes.set(yscale="log", ylim=(rarest / 2, 2 * top))
    axes.set_ylabel("fraction of rows")
    axes.set_xlabel("label index")
    legend = axes.legend(
        handles, names, fontsize="small", loc="lower right", bbox_to_anchor=(1, 1), ncols=4, frameon=False, borderpad=0
    )
    marks: list[Any] = legend.legend_handles[1 : len(share)]
    for mark in marks:
        mark.set(sizes=[60], linewidths=[1])  # the markers in the plot may be tiny
    _name_ticks(axes, dataset.label_names)


def _name_ticks(axes: Axes, names: Sequence[str]) -> None:
    if not 0 < len(names) <= MOST_NAMED:
        return
    shown = [one_line(name, 22) for name in names]
    upright = sum(map(len, shown)) > 60
    axes.set_xticks(range(len(shown)), shown, parse_math=False, fontsize="small")
    if upright:
        axes.tick_params(axis="x", labelrotation=90)
    axes.set_xlabel("")


def _draw_counts(axes: Axes, train: Split) -> None:
    counts = np.bincount(train.Y.sum(axis=1, dtype=int))
    axes.bar(np.arange(len(counts)), counts / len(train), width=0.9, color=BLUE)
    axes.set(xlabel="labels per row", ylabel="fraction of train rows")
    axes.locator_params(axis="x", integer=True)


# ------------------------------------------------------------------------------------------ curves
def _test_ap(line: Line) -> float:
    return float(line.curves["test"]["average_precision_micro"])


def _draw_curves(figure: Figure, title: str, lines: Sequence[Line]) -> None:
    figure.suptitle(title, fontsize="large", parse_math=False)
    both = figure.subplots(1, 2, sharex=True, sharey=True)
    for axes, part in zip(both, ("train", "test"), strict=True):
        handles, names = [], []
        position = 0
        for line in lines:
            if line.baseline:
                look: dict[str, Any] = {"color": GREY, "linewidth": 0.8}
            else:
                style, colour = divmod(position, len(COLOURS))
                look = {"color": COLOURS[colour], "linestyle": STYLES[style], "linewidth": 1.3}
                position += 1
            found = line.curves.get(part)
            if found is None:
                continue
            # Between two points, precision is that of the right one, as in average precision.
            handles += axes.plot(found["recall"], found["precision"], drawstyle="steps-pre", **look)
            names.append(f"{found['average_precision_micro']:.4f}  {one_line(line.name, 60)}")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), xlabel="recall")
        axes.set_title(f"{part} (micro: all labels together)")
        axes.grid(color="#e5e5e5", linewidth=0.6)
        axes.set_axisbelow(True)
        if handles:
            legend = axes.legend(
                handles, names, title="average precision", fontsize="small", title_fontsize="small",
                loc="upper center", bbox_to_anchor=(0.5, -0.14), frameon=False,
            )  # fmt: skip
            for text in legend.get_texts():
                text.set_parse_math(False)
        else:
            axes.text(0.5, 0.5, f"no {part} curves", ha="center", transform=axes.transAxes)
    both[0].set_ylabel("precision")


# ------------------------------------------------------------------------------------------- ranks
def plot_ranks(ranks: Mapping[str, float], critical: float, path: Path) -> None:
    """Plot a critical difference diagram: average ranks, with bars that join those closer than ``critical``."""
    _write(path, (8, 1.4 + 0.28 * len(ranks)), lambda figure: _draw_ranks(figure, ranks, critical))


def _draw_ranks(figure: Figure, ranks: Mapping[str, float], critical: float) -> None:
    axes = figure.subplots()
    ordered = sorted(ranks, key=lambda name: ranks[name])
    for place, name in enumerate(ordered):
        y = -1.0 - place
        axes.plot([ranks[name], ranks[name]], [0, y], color=GREY, linewidth=0.8)
        axes.plot(ranks[name], y, "o", color=COLOURS[0], markersize=4)
        left = ranks[name] < (1 + len(ranks)) / 2
        text = f"{one_line(name, 40)}  {ranks[name]:.2f}"
        axes.annotate(
            text, (ranks[name], y), xytext=(6 if left else -6, 0), textcoords="offset points",
            ha="left" if left else "right", va="center", fontsize="small", parse_math=False,
        )  # fmt: skip
    level = 0.35
    for start, name in enumerate(ordered):
        together = [other for other in ordered[start:] if ranks[other] - ranks[name] < critical]
        before = ordered[start - 1] if start else None
        if len(together) > 1 and (before is None or ranks[together[-1]] - ranks[before] >= critical):
            axes.plot([ranks[name] - 0.03, ranks[together[-1]] + 0.03], [level, level], color="black", linewidth=3)
            level += 0.35
    axes.set(xlim=(0.8, len(ranks) + 0.2), ylim=(-1.6 - len(ranks), level + 0.4))
    axes.set_title(
        f"average rank; bars join ranks that differ by less than {critical:.2f} (Nemenyi, 5 %)", fontsize="medium"
    )
    axes.xaxis.set_ticks(range(1, len(ranks) + 1))
    axes.xaxis.tick_top()
    axes.yaxis.set_visible(False)
    for side in ("left", "right", "bottom"):
        axes.spines[side].set_visible(False)


# ------------------------------------------------------------------------------------------- files
def _write(path: Path, size: tuple[float, float], draw: Callable[[Figure], None]) -> None:
    """Draw a figure of the given size in inches and write it.

    Raises:
        UsageError: The file cannot be written, or its suffix is not supported.
    """
    check_file(path)
    import matplotlib
    from matplotlib.figure import Figure

    # Do not use ``matplotlib.style``, which loads pyplot and a backend.
    style = {name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")}
    suffix = path.suffix.lower()
    data = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context():
        warnings.simplefilter("ignore", matplotlib.MatplotlibDeprecationWarning)  # of some defaults
        matplotlib.rcParams.update({**style, "svg.hashsalt": "mlbench"})
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # a box is drawn instead
        figure = Figure(figsize=size, layout="constrained", dpi=110)
        draw(figure)
        # The layout solver is not exact: without rounding, last digits and so bytes would vary.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        for axes in figure.axes:
            left, bottom, width, height = (round(edge, 5) for edge in axes.get_position().bounds)
            axes.set_position((left, bottom, width, height))
        figure.savefig(data, format=suffix[1:], metadata=METADATA[suffix])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.getvalue())
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
