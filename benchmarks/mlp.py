"""The plugin's neural network against scikit-learn's ``MLPClassifier``, of equal width, epochs, batch and rate.

8,000 windows of made-up music, 1,025 standardised features, 128 labels; 256 hidden units, 10 epochs of 64 rows, Adam at
a rate of 1e-3, no penalty and no dropout. Claims: at least 2 times faster, in the median of four seeds; micro average
precision on 2,000 test rows not lower by more than 0.005, in the mean of the seeds. ``--small`` takes seconds, and is
too small for the claim of speed.

On one thread, the default, CPU seconds are measured, else wall seconds. Both sides in turns; the last line is
scikit-learn / ours, of medians.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from pathlib import Path

import mlbench_mlp as plugin
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from windows import clock, in_turns, make, median_ratio, parts

from mlbench import FitContext
from mlbench.metrics import average_precision

SPEC = next(iter(plugin.mlbench_models()))
SEEDS = range(4)
RATE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    n, n_test, d, hidden, epochs = (1_000, 500, 129, 64, 20) if args.small else (8_000, 2_000, 1_025, 256, 10)

    with tempfile.TemporaryDirectory() as name:
        X, Y = make(Path(name), n + n_test, d)
        train, test = parts(np.array(X), Y, n, n_test)
    columns = plugin.measure(train.X)
    Z, Z_test = columns.scaled(train.X), columns.scaled(test.X)
    params = {"hidden": hidden, "learning_rate": RATE, "weight_decay": 0.0, "dropout": 0.0, "scaling": "standard"}

    def theirs(seed: int) -> MLPClassifier:
        model = MLPClassifier(
            (hidden,),
            batch_size=plugin.BATCH,
            learning_rate_init=RATE,
            alpha=0,
            max_iter=epochs,
            n_iter_no_change=epochs,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(Z, train.Y)

    def ours(seed: int) -> object:
        context = FitContext(seed=seed, best_step=epochs)
        return SPEC.fit(SPEC.prepare(train, context), params, context)

    seconds: dict[str, list[float]] = {"scikit-learn": [], "mlbench-mlp": []}
    values: dict[str, list[float]] = {side: [] for side in seconds}
    with threadpool_limits(args.threads):
        for seed in SEEDS:
            turn, found = in_turns(
                {"scikit-learn": lambda seed=seed: theirs(seed), "mlbench-mlp": lambda seed=seed: ours(seed)},
                1,
                clock(args.threads),
            )
            scores = {"scikit-learn": found["scikit-learn"].predict_proba(Z_test)}
            scores["mlbench-mlp"] = found["mlbench-mlp"](test.X)
            for side in seconds:
                seconds[side] += turn[side]
                values[side].append(average_precision(test.Y, scores[side], average="micro"))
    for side, each in values.items():
        print(f"{side}: micro AP on test {np.mean(each):.4f}, mean of {', '.join(f'{value:.4f}' for value in each)}")
    assert np.mean(values["mlbench-mlp"]) > np.mean(values["scikit-learn"]) - 0.005
    print(f"ratio: {median_ratio(seconds, 'scikit-learn', 'mlbench-mlp'):.1f}")


if __name__ == "__main__":
    main()
