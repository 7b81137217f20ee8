"""A ledger with everything that a report shows, and names that try to break out of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from helpers import record

from mlbench.results.ledger import Ledger
from mlbench.results.schema import Environment, Record, Timings

SCRIPT = "<script>alert(1)</script>"
BREAKERS = ('"><img src=x onerror=alert(1)>', "</script><b>bold</b>", "a\u2028b & 'c'", "{{x}}`${y}`")
"""Names of labels."""


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def put(
    ledger: Ledger,
    finished: Record,
    *,
    labels: Mapping[str, float | None] | None = None,
    trials: Sequence[tuple[str, float | None]] = (("COMPLETE", 0.5), ("PRUNED", None), ("FAIL", None)),
    curves: Sequence[str] = ("train", "valid", "test"),
) -> None:
    """Commit a record with the files that a run puts beside it."""
    work = ledger.claim(finished.id)
    names = ["trials.csv"]
    rows = [(i, state, "" if value is None else value, "", "", 0.1, "") for i, (state, value) in enumerate(trials)]
    write_csv(
        work.path / "trials.csv",
        ("number", "state", "value", "average_precision_micro", "best_step", "seconds", "error"),
        rows,
    )
    if finished.status == "ok":
        given = {"first": 0.25, "second": 0.5, "third": None} if labels is None else labels
        write_csv(
            work.path / "per_label.csv",
            ("label", "n_positives_train", "n_positives_test", "average_precision", "roc_auc"),
            [
                (name, 2 * (len(given) - i), 0 if ap is None else len(given) - i, "" if ap is None else ap, "")
                for i, (name, ap) in enumerate(given.items())
            ],
        )
        names.append("per_label.csv")
        micro = finished.value("test", "average_precision_micro") or 0.0
        recall = np.linspace(0, 1, 101)
        curve = {
            "average_precision_micro": micro,
            "recall": recall.tolist(),
            "precision": (1 - (1 - micro) * recall).tolist(),
        }
        if curves:
            (work.path / "curves.json").write_text(json.dumps(dict.fromkeys(curves, curve)))
            names.append("curves.json")
    ledger.commit(work, finished, tuple(names))


def nasty_ledger(root: Path, *, n_models: int = 3, n_labels: int = 70) -> Ledger:
    """One board: ``n_models``, one of which is called a script, the baseline, and a row that failed."""
    ledger = Ledger(root)
    rng = np.random.default_rng(0)
    names = [*BREAKERS, *(f"label-{i:03}" for i in range(n_labels - len(BREAKERS)))]
    environment = Environment(
        mlbench="0.1.0", python="3.11.7", platform="Linux", processor="a <cpu>", cpus=2, threads=1,
        versions={"numpy": "2.4.6"},
    )  # fmt: skip
    for i in range(n_models):
        model = SCRIPT if i == 0 else f"model-{i}"
        given: dict[str, float | None] = {name: float(rng.random()) for name in names}
        given[names[-1]] = None
        states = [("COMPLETE", 0.3), ("PRUNED", None), ("COMPLETE", 0.5 + i / 50), ("FAIL", None)]
        seconds = Timings(prepare_seconds=0.1, tune_seconds=4.0 ** (i % 5), fit_seconds=0.5, predict_seconds=0.1)
        done = record(
            0.9 - i / 40, macro=0.3 + i / 40, model=model, id=f"{i:032x}", timings=seconds, environment=environment,
            best_params={"alpha<": 1 / 3, "kind": "</code>"}, default_params={"alpha<": 1.0, "kind": "x"},
        )  # fmt: skip
        put(ledger, done, labels=given, trials=states)
    low = dict.fromkeys(names, 0.1) | {names[-1]: None}
    quick = Timings(prepare_seconds=0.0, tune_seconds=0.0, fit_seconds=0.0, predict_seconds=0.0)
    put(
        ledger,
        record(0.2, macro=0.1, model="prior", id="e" * 32, timings=quick, environment=environment, best_params={}),
        labels=low,
        trials=[("COMPLETE", 0.2)],
        curves=("valid", "test"),
    )
    failed = record(
        None, model="broken", status="out_of_memory", error="<i>asked</i> for 9 GB", id="f" * 32, best_params=None
    )
    put(ledger, failed, trials=[("FAIL", None)])
    return ledger
