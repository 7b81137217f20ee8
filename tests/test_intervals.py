"""Ranks with honesty: equals share a rank, a gap separates, seeds add their spread; boards show it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from helpers import record
from scipy.stats import t as student

from mlbench.evaluation.intervals import difference, fold_seeds, interval, label_intervals, rank_ranges
from mlbench.reporting.board import leaderboard
from mlbench.reporting.views import to_markdown


def noise(seed: int, scale: float = 0.02) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, 1_000)


def _coverage() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "coverage.py"
    found = importlib.util.spec_from_file_location("coverage_of_intervals", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


@pytest.mark.parametrize("world", ["rare labels", "few groups"])
def test_intervals_contain_the_truth_as_often_as_they_say(world: str) -> None:
    """In simulated worlds of rare labels: at least 85 % for macro average precision and 90 % for micro, of 95."""
    simulation = _coverage()

    found = simulation.coverage(simulation.WORLDS[world], 60, n_replicates=300)

    least = {"average_precision_macro": 0.85, "average_precision_micro": 0.9}
    assert {name: ours for name, (ours, _, _) in found.items() if ours < least.get(name, 0.85)} == {}
    assert {without for _, _, without in found.values()} == {0}
    assert found["average_precision_macro"][1] < 0.85  # percentiles, in the same worlds


@pytest.mark.parametrize("bias", [-0.05, 0.0, 0.02, 0.2])
@pytest.mark.parametrize("n_units", [10, 40, 2_000])
def test_the_interval_is_centred_on_the_value_less_the_bias(bias: float, n_units: int) -> None:
    """Restated: Student's t, the spread and the bias of the replicates, a factor for few units; the value is inside."""
    replicates = 0.5 + bias + noise(0)
    shift, spread = replicates.mean() - 0.5, replicates.std(ddof=1)
    half = student.ppf(0.975, n_units - 1) * np.sqrt(n_units / (n_units - 1) * (spread**2 + shift**2))

    low, high = interval(0.5, replicates, n_units)

    assert (low, high) == pytest.approx((0.5 - shift - half, 0.5 - shift + half), rel=1e-12)
    assert low <= 0.5 <= high
    assert interval(0.5, replicates, n_units, 0.49, 0.51).tolist() == pytest.approx([max(low, 0.49), min(high, 0.51)])


def test_a_replicate_that_is_undefined_says_nothing_of_the_interval() -> None:
    """Replicates without a positive are ignored, and a label that most of them lack has no interval."""
    values = np.tile(0.5 + noise(0), (3, 1))
    values[1, :500] = values[2, :501] = np.nan

    lows, highs = label_intervals(np.full(3, 0.5), values, 40)

    assert lows[1] == pytest.approx(interval(0.5, values[1, 500:], 40)[0])
    assert not np.isnan(highs[:2]).any()
    assert np.isnan(lows[2])
    assert np.isnan(highs[2])


def test_boards_before_schema_3_had_ranks_without_correction() -> None:
    """Their verification needs them: a bias counts for nothing there, and few units neither."""
    values = {"a": 0.6, "b": 0.5}
    drawn = {"a": 0.6 + noise(1, 0.04), "b": 0.62 + noise(2, 0.001)}

    assert rank_ranges(values, drawn, 10, corrected=False) == {"a": (1, 1), "b": (2, 2)}
    assert rank_ranges(values, drawn, 10) == {"a": (1, 2), "b": (1, 2)}


def test_few_units_tell_fewer_models_apart() -> None:
    """A gap of 2.1 standard errors is a difference among a thousand rows, and none among ten groups."""
    spread = student.ppf((np.arange(1_000) + 0.5) / 1_000, 10**6)
    values, drawn = {"a": 2.1, "b": 0.0}, {"a": 2.1 + spread, "b": np.zeros(1_000)}

    assert rank_ranges(values, drawn, 1_000) == {"a": (1, 1), "b": (2, 2)}
    assert rank_ranges(values, drawn, 10) == {"a": (1, 2), "b": (1, 2)}


def test_two_copies_of_a_model_share_a_rank() -> None:
    """However sure all else is, equal replicates cannot be told apart."""
    shared = noise(0)
    values = {"a": 0.8, "copy": 0.8, "b": 0.5, "c": 0.2}
    found = rank_ranges(values, {name: value + shared for name, value in values.items()}, 1_000)
    assert found == {"a": (1, 2), "copy": (1, 2), "b": (3, 3), "c": (4, 4)}


def test_a_planted_gap_separates_and_noise_does_not() -> None:
    """What varies together cancels; what does not, hides a small difference."""
    shared = noise(1, 0.05)
    values = {"a": 0.8, "b": 0.79, "c": 0.6}
    paired = {name: value + shared + noise(i + 2, 0.001) for i, (name, value) in enumerate(values.items())}
    assert rank_ranges(values, paired, 1_000) == {"a": (1, 1), "b": (2, 2), "c": (3, 3)}
    apart = {name: value + noise(i + 2, 0.05) for i, (name, value) in enumerate(values.items())}
    assert rank_ranges(values, apart, 1_000) == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}


def test_many_equal_models_are_rarely_told_apart() -> None:
    """Of 200 boards of 8 models that differ by chance alone, at most one in ten has a difference."""
    wrong = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = {str(i): value for i, value in enumerate(rng.normal(0.5, 0.02, 8))}
        found = rank_ranges(values, {name: value + rng.normal(0, 0.02, 1_000) for name, value in values.items()}, 40)
        wrong += any(ends != (1, 8) for ends in found.values())
    assert wrong <= 20


@pytest.mark.parametrize("n", [0, 1])
def test_few_models_have_ranks_too(n: int) -> None:
    """No pair, no comparison."""
    values = {str(i): 0.5 for i in range(n)}
    assert rank_ranges(values, {name: noise(0) for name in values}, 40) == dict.fromkeys(values, (1, 1))


def test_a_difference_has_an_interval_and_a_superiority() -> None:
    """In replicates that are paired; equal ones count half."""
    found = difference(0.1, 0.6 + noise(1), 0.5 + noise(1), 40)
    assert found.low == pytest.approx(0.1)
    assert found.high == pytest.approx(0.1)
    assert found.superiority == 1
    assert difference(0.0, noise(1), noise(1), 40).superiority == 0.5


@pytest.mark.filterwarnings("error")
def test_replicates_without_a_positive_say_nothing() -> None:
    """Where no positive was drawn there is no figure: that speaks neither for the first nor for the second."""
    one, other = 0.6 + noise(1), 0.5 + noise(1)
    one[:370] = other[:370] = np.nan
    assert difference(0.1, one, other, 40).superiority == 1
    other += noise(2, 0.001)
    assert rank_ranges({"a": 0.6, "b": 0.5}, {"a": one, "b": other}, 40) == {"a": (1, 1), "b": (2, 2)}


def test_seeds_widen_the_interval() -> None:
    """Seeds that differ make a mean less certain; one seed is its own replicates."""
    one = noise(3)
    assert np.array_equal(fold_seeds([one.tolist()], "m"), one)
    far = fold_seeds([(one - 0.1).tolist(), (one + 0.1).tolist()], "m")
    assert far.mean() == pytest.approx(one.mean(), abs=0.01)
    assert far.std() > 3 * one.std()
    assert not np.array_equal(far, fold_seeds([(one - 0.1).tolist(), (one + 0.1).tolist()], "other"))


def _with_replicates(micro: float, model: str, seed: int = 0, **more: object):
    values = (micro + noise(7)).tolist()
    replicates = {"average_precision_micro": values, "average_precision_macro": [None, *values[1:]]}
    return record(micro, model=model, seed=seed, replicates=replicates, **more)


def test_boards_show_intervals_and_shared_ranks() -> None:
    """CSV columns full, Markdown as 0.500 ± 0.039 and 1–2; a footnote says how."""
    board = leaderboard([_with_replicates(0.5, "a"), _with_replicates(0.5, "b"), _with_replicates(0.2, "c")])
    rows = board.rows
    assert [(row["rank"], row["rank_low"], row["rank_high"]) for row in rows] == [
        ("1", "1", "2"), ("1", "1", "2"), ("3", "3", "3"),
    ]  # fmt: skip
    assert float(rows[0]["average_precision_micro_low"]) < 0.5 < float(rows[0]["average_precision_micro_high"])
    assert rows[0]["average_precision_macro_low"] != ""
    text = to_markdown(board)
    assert "| 1–2 | a | raw | 0.500 ± 0.0" in text
    assert "| 3 | c |" in text
    assert "1,000 bootstrap replicates of the 20 rows of test" in text


def test_failed_rows_and_older_records_have_none() -> None:
    """A board with a record from before replicates has intervals where there are any, and no rank ranges."""
    board = leaderboard(
        [_with_replicates(0.5, "a"), record(0.4, model="old"), record(None, model="bad", status="failed")]
    )
    rows = board.rows
    assert [row["rank_low"] for row in rows] == ["", "", ""]
    assert [bool(row["average_precision_micro_low"]) for row in rows] == [True, False, False]
    board = leaderboard([_with_replicates(0.5, "a"), record(None, model="bad", status="failed")])
    rows = board.rows
    assert [row["rank_high"] for row in rows] == ["1", ""]
