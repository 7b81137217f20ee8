"""What ``script.py`` ends with, fit by fit: for peers that take hours, stopped and gone on with as one likes.

The first ten trials of Optuna's TPE are random, whatever they score: the script's fits are known in advance, and can be
made in any order, side by side. ``python fits.py DATASET FEATURES LOG`` makes what LOG (a line of JSON a fit) lacks, on
one thread, and prints the final figures of each model and seed, and their means last. With ``--part 0/2`` and
``--part 1/2`` two processes share the fits.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import script
from script import MODELS, Parts, figures, parts, rows, scores
from threadpoolctl import threadpool_limits

N_TRIALS = 10
"""As many as are random."""
REFIT = N_TRIALS
"""The number of the final fit on train and valid."""


def configurations(model: str, seed: int) -> list[dict[str, Any]]:
    """What the script tries."""
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    for _ in range(N_TRIALS):
        trial = study.ask()
        MODELS[model](trial, seed)
        study.tell(trial, 0.0)
    return [trial.params for trial in study.trials]


def fit(model: str, seed: int, number: int, params: dict[str, Any], of: Parts) -> dict[str, Any]:
    """A line of the log."""
    start = time.perf_counter()
    estimator = MODELS[model](optuna.trial.FixedTrial(params), seed)
    estimator.fit(*(of.final if number == REFIT else of.train))
    line: dict[str, Any] = {"model": model, "seed": seed, "number": number, "params": params}
    if number != REFIT:
        line["valid"] = figures(of.valid[1], scores(estimator, of.valid[0]))["average_precision_micro"]
    if number == REFIT or of.final is of.train:
        line["test"] = figures(of.test[1], scores(estimator, of.test[0]))
    return {**line, "seconds": time.perf_counter() - start}


def main() -> None:
    """Make what is missing, then print what is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("features")
    parser.add_argument("log", type=Path)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--part", default="0/1")
    options = parser.parse_args()
    number_of_part, n_parts = map(int, options.part.split("/"))
    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    script.THREADS = 1
    data = rows(options.dataset)

    def known() -> dict[tuple[str, int, int], dict[str, Any]]:
        lines = map(json.loads, options.log.read_text().splitlines()) if options.log.exists() else []
        return {(line["model"], line["seed"], line["number"]): line for line in lines}

    for model in options.models:
        of: Parts | None = None
        for seed in options.seeds:
            tried = configurations(model, seed)
            of = of if of is not None and of.final is of.train else parts(data, options.features, seed)
            for number in range(N_TRIALS + (of.final is not of.train)):
                done = known()
                if (model, seed, number) in done or number % n_parts != number_of_part:
                    continue
                if number == REFIT:
                    trials = [done[model, seed, i] for i in range(N_TRIALS) if (model, seed, i) in done]
                    if len(trials) < N_TRIALS:
                        continue  # the other part is not there yet: start again when it is
                    params = max(trials, key=lambda line: line["valid"])["params"]
                else:
                    params = tried[number]
                with threadpool_limits(1):
                    line = fit(model, seed, number, params, of)
                with options.log.open("a") as file:
                    file.write(json.dumps(line) + "\n")
    for model in options.models:
        ends = []
        for seed in options.seeds:
            lines = [line for (name, s, _), line in known().items() if (name, s) == (model, seed)]
            trials = [line for line in lines if "valid" in line]
            refits = [line for line in lines if line["number"] == REFIT]
            if len(trials) < N_TRIALS or not (refits or "test" in trials[0]):
                continue
            ends.append((refits or [max(trials, key=lambda line: line["valid"])])[0]["test"])
            seconds = sum(line["seconds"] for line in lines)
            print(f"{model} seed {seed}: {seconds:.0f} s,", *(f"{name} {ap:.4f}" for name, ap in ends[-1].items()))
        if ends:
            print(
                f"{model}, mean of {len(ends)}:", *(f"{name} {mean(end[name] for end in ends):.4f}" for name in ends[0])
            )


if __name__ == "__main__":
    main()
