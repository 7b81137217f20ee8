"""A whole tuned board, ``mlbench run`` against the script that one would write instead (``script.py``).

Both are whole commands, run in turns, one a seed, on the same data with the same number of trials a model.

    python benchmarks/board.py DATASET [--features rfft] [--n-trials 10] [--seeds 3] [--models ridge,mlp] [--small]

Prints each model's seconds and average precision of both, means over seeds, and last the ratio of the medians of
the commands' durations. ``--small`` is the built-in demo with three trials.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

MODELS = "ridge,logistic,xgboost,lightgbm,mlp"
FIGURES = ("average_precision_micro", "average_precision_macro")
ALLOWED = {"xgboost": 0.005, "lightgbm": 0.005}
"""By how much an average precision of one of ours may be lower; of the other models .01, and micro only."""


def timed(command: list[str]) -> tuple[float, str]:
    """Seconds of a command, and what it printed, which is passed on as it comes: some take an hour."""
    start, printed = time.perf_counter(), []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            printed.append(line)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:3])} ended with {process.returncode}")
    return time.perf_counter() - start, "".join(printed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", nargs="?", default="demo")
    parser.add_argument("--features", default="raw")
    parser.add_argument("--n-trials", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--small", action="store_true")
    asked = parser.parse_args()
    if asked.small:
        asked.n_trials, asked.seeds = 3, 1
    models = asked.models.split(",")
    script = str(Path(__file__).with_name("script.py"))
    seconds: dict[str, list[float]] = {"script": [], "mlbench": []}
    lines: list[dict[str, object]] = []
    for seed in range(asked.seeds):
        whole, printed = timed(
            [sys.executable, script, asked.dataset, asked.features, str(asked.n_trials), str(seed), *models]
        )
        seconds["script"].append(whole)
        lines += [{**json.loads(line), "who": "script"} for line in printed.splitlines()]
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "mlbench", "run", asked.dataset, "--features", asked.features]
            command += ["--n-trials", str(asked.n_trials), "--seed", str(seed)]
            command += ["--runs", f"{folder}/runs", "--leaderboards", f"{folder}/boards"]
            command += [word for model in models for word in ("--model", model)]
            # The script knows no time limit, so ours must not meet one.
            command += ["--timeout", "10h", "--trial-timeout", "10h"]
            whole, _ = timed(command)
            seconds["mlbench"].append(whole)
            (board,) = Path(folder, "boards").glob("*.csv")
            for row in pd.read_csv(board).itertuples():
                spent = row.prepare_seconds + row.tune_seconds + row.fit_seconds + row.predict_seconds
                if row.model in models:
                    figures = {name: getattr(row, name) for name in FIGURES}
                    lines.append({"who": "mlbench", "model": row.model, "seconds": spent, **figures})
        print(f"seed {seed}: " + ", ".join(f"{who} {times[-1]:.1f} s" for who, times in seconds.items()), flush=True)

    table = pd.DataFrame(lines)
    means = table.groupby(["model", "who"])[["seconds", *FIGURES]].mean().unstack("who")
    print(f"\n{asked.dataset} · {asked.features}, {asked.n_trials} trials a model, means of {asked.seeds} seeds")
    print(means.round(4).to_string())
    ratios = means["seconds"]["script"] / means["seconds"]["mlbench"]
    print("\nratio of seconds: " + ", ".join(f"{model} {ratio:.1f}" for model, ratio in ratios.items()))
    for figure in FIGURES:
        lead = means[figure]["mlbench"] - means[figure]["script"]
        print(f"{figure}, ours minus the script's: " + ", ".join(f"{m} {v:+.4f}" for m, v in lead.items()))
    behind: list[str] = []
    if not asked.small:  # a few trials on the demo say nothing about average precision
        behind = [
            f"{model} ({figure})"
            for figure in FIGURES
            for model, lead in (means[figure]["mlbench"] - means[figure]["script"]).items()
            if lead < -ALLOWED.get(str(model), 0.01 if figure == FIGURES[0] else np.inf)
        ]
        print(
            f"behind by more than .005 (trees, micro and macro) or .01 (others, micro): {', '.join(behind) or 'none'}"
        )
    medians = {who: float(np.median(times)) for who, times in seconds.items()}
    print(f"whole commands, medians: script {medians['script']:.1f} s, mlbench {medians['mlbench']:.1f} s")
    print(f"ratio: {medians['script'] / medians['mlbench']:.2f}")
    sys.exit(bool(behind))


if __name__ == "__main__":
    main()
