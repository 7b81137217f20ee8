"""A board is ranked by the metric that was tuned, in its own direction, with the intervals of that metric."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from helpers import patient, record
from hypothesis import given
from hypothesis import strategies as st

from mlbench.evaluation.intervals import interval
from mlbench.reporting.board import Row, leaderboard
from mlbench.results.schema import Budget, Record

LOSS = Budget(metric="label_ranking_loss")


def _rank(rows: Sequence[Row]) -> list[tuple[str, str]]:
    return [(row["rank"], row["model"]) for row in rows]


def _loss(value: float | None, *, micro: float = 0.5, valid: float = 0.75, **more: Any) -> Record:
    """A record that was tuned on a metric of which less is better."""
    done = record(micro, budget=LOSS, **more)
    test = {**done.metrics["test"], "label_ranking_loss": value}
    return replace(done, metrics={"test": test, "valid": {**done.metrics["valid"], "label_ranking_loss": valid}})


def test_a_board_is_ranked_by_what_was_tuned() -> None:
    """Where less of the tuned metric is better the least stands first, ties share a rank, micro AP breaks no tie."""
    board = leaderboard([
        _loss(0.3, micro=0.9, model="c"), _loss(0.1, micro=0.2, model="a"), _loss(0.2, micro=0.3, model="b"),
        _loss(0.2, micro=0.4, model="z"), record(None, model="bad", status="failed", error="e", budget=LOSS),
    ])  # fmt: skip

    assert board.metric == "label_ranking_loss"
    assert _rank(board.rows) == [("1", "a"), ("2", "z"), ("2", "b"), ("4", "c"), ("", "bad")]
    assert [row["metric_value"] for row in board.rows] == ["0.1", "0.2", "0.2", "0.3", ""]
    assert [row["average_precision_micro"] for row in board.rows] == ["0.2", "0.4", "0.3", "0.9", ""]
    assert {row["metric"] for row in board.rows} == {"label_ranking_loss"}


def test_the_values_of_the_tuned_metric() -> None:
    """On test, on valid and for the defaults: means over the seeds, none where a seed lacks one."""
    known = [_loss(0.25, seed=0, valid=0.5, default_value=0.5), _loss(0.75, seed=1, valid=0.25, default_value=1.0)]
    unknown = [_loss(0.5, seed=0, model="x"), _loss(0.5, seed=1, model="x", default_value=None)]

    first, second = leaderboard([*known, *unknown]).rows

    assert (first["metric_value"], first["valid_metric"], first["default_metric"]) == ("0.5", "0.375", "0.75")
    assert first["default_average_precision_micro"] == "0.5"
    assert (second["metric_value"], second["default_metric"]) == ("0.5", "")


def test_the_seed_that_is_shown_is_the_best_in_the_metrics_direction() -> None:
    """Where less is better, the parameters are those of the seed with the least on the validation split."""
    seeds = [
        _loss(0.1, seed=0, valid=0.4, best_params={"alpha": 1.0}),
        _loss(0.2, seed=1, valid=0.3, best_params={"alpha": 2.0}),
        _loss(0.3, seed=2, valid=0.5, best_params={"alpha": 3.0}),
    ]

    (row,) = leaderboard(seeds).rows

    assert row["best_params"] == '{"alpha": 2.0}'


def test_a_row_whose_tuned_metric_is_undefined_has_no_rank() -> None:
    """An undefined value is neither the best nor the worst: such a row stands after those that have one."""
    board = leaderboard([_loss(None, model="a", micro=0.9), _loss(0.9, model="b", micro=0.1)])

    assert _rank(board.rows) == [("1", "b"), ("", "a")]
    assert (board.rows[1]["status"], board.rows[1]["average_precision_micro"]) == ("ok", "0.9")


@patient
@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, None]), min_size=1, max_size=8), st.randoms())
def test_ranks_by_a_loss_are_one_plus_those_that_are_less(values: list[float | None], shuffle: random.Random) -> None:
    """Whatever the records and their order, a rank by a loss is one more than the number of lesser rows."""
    records = [_loss(value, model=f"m{i}") for i, value in enumerate(values)]
    rows = leaderboard(records).rows
    shuffle.shuffle(records)

    assert leaderboard(records).rows == rows
    known = sorted(value for value in values if value is not None)
    assert [row["rank"] for row in rows] == [
        *(str(1 + sum(other < value for other in known)) for value in known),
        *[""] * (len(values) - len(known)),
    ]


def _drawn(value: float, wide: float) -> list[float]:
    """Replicates around a value."""
    return [value + wide * (i / 500 - 1) for i in range(1001)]


def _resampled(value: float, *, wide: float = 0.01, **more: Any) -> Record:
    names = ("average_precision_micro", "average_precision_macro", "label_ranking_loss")
    return _loss(value, replicates={name: _drawn(value, wide) for name in names}, **more)


def test_the_interval_of_the_tuned_metric() -> None:
    """Where a record has replicates of the tuned metric, the row has their 95 % interval."""
    (row,) = leaderboard([_resampled(0.5, wide=0.1)]).rows

    low, high = interval(0.5, np.array(_drawn(0.5, 0.1)), 20)
    assert float(row["metric_low"]) == low
    assert float(row["metric_high"]) == high
    assert float(row["average_precision_micro_low"]) == low


def test_the_ranges_of_ranks_are_of_the_tuned_metric() -> None:
    """Rows that the tuned metric tells apart have their own rank, the least loss the first."""
    board = leaderboard([_resampled(0.9, model="worst"), _resampled(0.1, model="best"), _resampled(0.5, model="mid")])

    assert [(row["model"], row["rank"], row["rank_low"], row["rank_high"]) for row in board.rows] == [
        ("best", "1", "1", "1"),
        ("mid", "2", "2", "2"),
        ("worst", "3", "3", "3"),
    ]


def test_without_replicates_of_the_tuned_metric_there_are_no_ranges() -> None:
    """Records that have replicates of micro AP alone have its interval, and no range of ranks by a loss."""
    micro = {"average_precision_micro": _drawn(0.5, 0.1)}

    rows = leaderboard([_loss(0.1, model="a", replicates=micro), _loss(0.2, model="b", replicates=micro)]).rows

    assert [row["rank"] for row in rows] == ["1", "2"]
    for row in rows:
        assert row["average_precision_micro_low"] != ""
        assert row["metric_low"] == row["metric_high"] == row["rank_low"] == row["rank_high"] == ""


def test_the_interval_of_micro_ap_is_that_of_the_tuned_metric_too() -> None:
    """On a board tuned on micro AP both pairs of columns hold the same."""
    (row,) = leaderboard([record(0.5, replicates={"average_precision_micro": _drawn(0.5, 0.1)})]).rows

    assert (row["metric_low"], row["metric_high"]) == (
        row["average_precision_micro_low"],
        row["average_precision_micro_high"],
    )
    assert row["metric_low"] != ""


def test_a_board_can_be_ranked_by_micro_ap_whatever_was_tuned() -> None:
    """Boards of schema 1 were ranked so: asked for it, the order, the ranks and their ranges are by micro AP."""
    replicates = {"average_precision_micro": _drawn(0.2, 0.001), "label_ranking_loss": _drawn(0.1, 0.001)}
    others = {"average_precision_micro": _drawn(0.9, 0.001), "label_ranking_loss": _drawn(0.3, 0.001)}
    records = [
        _loss(0.1, micro=0.2, model="a", replicates=replicates),
        _loss(0.3, micro=0.9, model="b", replicates=others),
    ]

    rows = leaderboard(records, schema=1).rows

    assert [(row["model"], row["rank"], row["rank_low"]) for row in rows] == [("b", "1", "1"), ("a", "2", "2")]
    assert [row["model"] for row in leaderboard(records).rows] == ["a", "b"]
