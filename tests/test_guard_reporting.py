"""Orders and numbers of boards, comparisons and the report."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import record
from report_ledger import put

from mlbench.reporting.board import leaderboard
from mlbench.reporting.compare import Comparison, Entry, compare_entries, unlike
from mlbench.reporting.comparison_inputs import worse
from mlbench.reporting.report.collect import _seconds, _size, collect
from mlbench.reporting.report.label_map import label_map
from mlbench.reporting.report.page import page
from mlbench.reporting.row_records import mean_over_seeds, records_of_rows, replicates_of
from mlbench.results.ledger import Ledger
from mlbench.results.schema import Budget

MICRO = "average_precision_micro"


# -------------------------------------------------------------------------------------------- boards
def test_seeds_stand_in_their_order() -> None:
    """The records of a row are ordered by seed, whatever the order of the ledger."""
    [row] = records_of_rows([record(seed=seed, id=f"{9 - seed}") for seed in (10, 2, 0, 1)])

    assert [one.job.seed for one in row] == [0, 1, 2, 10]
    assert leaderboard(row[::-1]).rows[0]["job_ids"] == "9 8 7 -1"


def test_each_row_draws_its_seeds_by_itself() -> None:
    """Rows of one model on two features fold their seeds independently of each other."""
    values = {MICRO: [0.0] * 200}, {MICRO: [1.0] * 200}
    rows = [
        [record(seed=n, features=features, replicates=one) for n, one in enumerate(values)] for features in ("a", "b")
    ]
    rows.append([record(seed=n, features="a", model="other", replicates=one) for n, one in enumerate(values)])
    found = [replicates_of(seeds, MICRO) for seeds in rows]

    assert all(one is not None and set(one) == {0.0, 0.5, 1.0} for one in found)
    assert len({tuple(one) for one in found if one is not None}) == 3


def test_a_mean_is_of_all_seeds_or_of_none() -> None:
    """A value that one seed lacks has no mean."""
    assert mean_over_seeds([1.0, 2.0]) == 1.5
    assert mean_over_seeds([1.0, None]) is None
    assert mean_over_seeds([]) is None


# --------------------------------------------------------------------------------------- comparisons
def _entry(ledger: Ledger, **more: Any) -> Entry:
    return Entry(seeds=[record(**more)], ledger=ledger)


def test_a_seed_without_a_value_makes_the_mean_undefined(tmp_path: Path) -> None:
    """An undefined figure counts neither as 0 nor not at all."""
    entry = Entry(seeds=[record(0.5), record(None, seed=1)], ledger=Ledger(tmp_path))

    assert np.isnan(entry.value(MICRO))


def test_an_option_that_one_budget_lacks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options that only A or only B has are differences, as are other values and other seeds."""
    one, other = (_entry(Ledger(tmp_path), budget=Budget(n_trials=n)) for n in (5, 6))
    assert [("n_trials" in line) for line in unlike(one, other)] == [True]
    assert unlike(one, one) == []
    assert len(unlike(one, replace(other, seeds=[record(seed=1, budget=Budget(n_trials=5))]))) == 1

    budgets: list[dict[str, Any]] = [{"n_trials": 5, "mine": 1}, {"n_trials": 5}]
    for order in (budgets, budgets[::-1]):
        left = iter(order)
        monkeypatch.setattr("mlbench.reporting.compare.identity", lambda budget, left=left: next(left))
        assert ["mine" in line for line in unlike(one, one)] == [True]


@pytest.mark.parametrize(
    ("metric", "a", "b", "margin", "n"),
    [
        (MICRO, 0.5, float("nan"), 0.0, 1), (MICRO, float("nan"), 0.5, 0.0, 0), (MICRO, 0.5, 0.4, 0.05, 1),
        (MICRO, 0.5, 0.25, 0.25, 0), (MICRO, 0.5, 0.6, 0.0, 0), ("hamming_loss", 0.5, 0.6, 0.0, 1),
        ("hamming_loss", 0.5, float("nan"), 9.0, 1), ("hamming_loss", 0.5, 0.4, 0.0, 0), (None, 0.5, 0.1, 0.0, 0),
    ],
)  # fmt: skip
def test_what_is_worse(metric: str | None, a: float, b: float, margin: float, n: int) -> None:
    """A figure that fell by more than the margin, or became undefined, is worse."""
    one = Comparison(dataset="d", first="a", second="b", values={metric or MICRO: (a, b)})

    assert len(worse(one, metric, margin)) == n


def test_bands_are_thirds_of_the_labels_that_have_a_value(tmp_path: Path) -> None:
    """Labels without average precision take no place in the bands, and the most frequent labels are the head."""
    names = [f"l{n}" for n in range(9)]
    ledger = Ledger(tmp_path)
    entries = []
    for model, value in (("a", 0.25), ("b", 0.5)):
        labels = {name: value if n < 6 else None for n, name in enumerate(names)}
        if model == "b":
            labels["l0"], labels["l1"] = 0.25, 0.1
        put(ledger, record(model=model, id=model), labels=labels)
        found = ledger.load(model)
        assert found is not None
        entries.append(Entry(seeds=[found], ledger=ledger))
    labels_found = compare_entries(*entries).labels

    assert labels_found is not None
    assert dict(labels_found.wins) == {"head": 0, "middle": 2, "tail": 2}
    assert dict(labels_found.losses) == {"head": 1, "middle": 0, "tail": 0}
    assert dict(labels_found.ties) == {"head": 1, "middle": 0, "tail": 0}


# -------------------------------------------------------------------------------------------- report
def test_labels_are_ordered_by_test_then_train_then_name(tmp_path: Path) -> None:
    """The most frequent label in test comes first; train and then the name decide between equals."""
    ledger = Ledger(tmp_path)
    put(ledger, record(id="a"), labels={"x": 0.5})
    [board] = collect(ledger)
    label = board.labels[0]
    counts = {"d": (1, 5), "b": (9, 2), "c": (3, 2), "a": (3, 2), "e": (50, 0)}
    labels = [replace(label, name=name, n_train=train, n_test=test) for name, (train, test) in counts.items()]
    entries = [replace(board.entries[0], label_ap=[0.5] * 5)]
    html = "".join(label_map(replace(board, labels=labels, entries=entries), "b"))
    places = {name: html.index(f'<span class="long">{name}</span>') for name in counts}

    assert sorted(places, key=lambda name: places[name]) == ["d", "b", "a", "c", "e"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(1e6, "1000000s"), (1e-4, "0.0001s"), (1e20, f"{10**20}s"), (90.5, "90.5s"), (600, "600s")]
)
def test_commands_have_no_exponents(seconds: float, text: str) -> None:
    """Durations are written as the command line reads them."""
    assert _seconds(seconds) == text


def test_the_command_of_a_board_has_its_budget(tmp_path: Path) -> None:
    """The command repeats seconds and memory without an exponent."""
    ledger = Ledger(tmp_path)
    budget = Budget(n_trials=3, timeout=1e7, trial_timeout=2e6, memory_limit=3 << 20)
    put(ledger, record(id="a", budget=budget))
    words = shlex.split(" ".join(collect(ledger)[0].commands[0]))

    assert words[words.index("--timeout") + 1] == "10000000s"
    assert words[words.index("--trial-timeout") + 1] == "2000000s"
    assert words[words.index("--memory-limit") + 1] == "3M"
    assert [_size(1 << 30), _size(1 << 10), _size(1500)] == ["1G", "1K", "1500"]


def test_warnings_notes_and_names_are_escaped(tmp_path: Path) -> None:
    """Text of a data set never becomes markup, wherever the page shows it."""
    nasty = "<i>x</i>&\"'"
    ledger = Ledger(tmp_path)
    bare = record(id="a", model="<i>m</i>", features="<i>f</i>")
    info = replace(bare.dataset, warnings=(f"warned {nasty}",), notes=(f"noted {nasty}",))
    put(ledger, replace(bare, dataset=info), labels={f"label {nasty}": 0.5})
    html = page(collect(ledger)).partition("<body>")[2].partition("<script")[0]

    assert "<i>" not in html
    assert all(f"{word} &lt;i&gt;x" in html for word in ("warned", "noted", "label"))
