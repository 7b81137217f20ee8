"""What ``mlbench --version`` and ``mlbench plugins list`` take, against the imports of a user's own script.

Whole commands, wall time, in turns. The other one is ``python -c "import sklearn.linear_model, optuna, xgboost,
lightgbm"``: what a script pays that compares models by hand; libraries that are not installed are left out, and
named. Both commands below 0.5 s is the claim; the last line is imports / ``mlbench --version``, of medians.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import time

import numpy as np

TURNS = 7
LIBRARIES = ("sklearn.linear_model", "optuna", "xgboost", "lightgbm")


def main() -> None:
    there = [name for name in LIBRARIES if importlib.util.find_spec(name.partition(".")[0])]
    mlbench = shutil.which("mlbench", path=sysconfig.get_path("scripts")) or "mlbench"
    imports = f"import {', '.join(there)}"
    commands = {
        f'python -c "{imports}"': [sys.executable, "-c", imports],
        "mlbench --version": [mlbench, "--version"],
        "mlbench plugins list": [mlbench, "plugins", "list"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(TURNS + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            if turn:  # the first fills the caches of files and of bytecode
                seconds[name].append(time.perf_counter() - start)
    if len(there) < len(LIBRARIES):
        print(f"not installed: {', '.join(sorted({*LIBRARIES} - {*there}))}")
    medians = {name: float(np.median(times)) for name, times in seconds.items()}
    for name, median in medians.items():
        print(f"{name}: {median:.3f} s, median of {TURNS}")
    theirs, version, _ = medians.values()
    print(f"ratio: {theirs / version:.2f}")


if __name__ == "__main__":
    main()
