"""A new metric is one entry of the table: everything else derives from it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ENTRY = """
import numpy as np
from mlbench.metrics import METRICS, Metric

def share(scored):
    # The share of the scores' sum that positives have, by row: nothing that mlbench has.
    shifted = np.exp(scored.scores.astype(np.float64))
    return np.stack([(shifted * scored.truth).sum(axis=1), shifted.sum(axis=1)], axis=1)

def of_labels(scored):
    return (scored.truth & scored.predictions).any(axis=0).astype(np.float64)

for metric in (
    Metric(name="share_of_positives", function=share, averaged="rows"),
    Metric(name="labels_missed", function=lambda s: 1 - of_labels(s), averaged="labels", direction="minimize",
           needs="predictions"),
):
    METRICS[metric.name] = metric
"""
"""Entries as they would stand in ``mlbench/metrics/table.py``, added when each process starts."""


@pytest.mark.parametrize(("name", "arrow"), [("share_of_positives", "↑"), ("labels_missed", "↓")])
def test_one_entry_is_enough(tmp_path: Path, name: str, arrow: str) -> None:
    """It is tuned, recorded, ranked with intervals, scored, verified, compared and reported."""
    (tmp_path / "sitecustomize.py").write_text(ENTRY)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}

    def call(*words: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "mlbench", *words], cwd=tmp_path, env=environment, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    call("run", "demo", "-m", "ridge", "-f", "raw", "--limit", "60", "--n-trials", "2", "--metric", name)

    records = [json.loads(path.read_text()) for path in tmp_path.glob("runs/jobs/*/record.json")]
    assert len(records) == 2
    for record in records:
        assert {name, "precision_at_3"} <= record["metrics"]["test"].keys() & record["metric_versions"].keys()
        assert len(record["replicates"][name]) == 1_000
    with (tmp_path / "leaderboards" / "demo-limit-60.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["metric"] for row in rows] == [name] * 2
    for row in rows:
        assert float(row["metric_low"]) <= float(row["metric_value"]) <= float(row["metric_high"])
        assert row["rank_low"]
    assert f"{name} {arrow}" in (tmp_path / "leaderboards" / "demo-limit-60.md").read_text().replace("\\", "")
    assert f"test {name} {arrow}" in call("score", "--metric", name)
    assert "no differences" in call("verify", "runs", "leaderboards")
    call("report", "-o", "report")
    assert name in (tmp_path / "report" / "index.html").read_text()
