"""The process that computes features: fit on the training split, transform the rows of all splits, write them.

    python -P -m mlbench.execution.features REQUEST.json PIPE

It is given rows, and the labels of train and valid; test labels are nowhere in it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import sys
from pathlib import Path

from mlbench.data.accepted import as_accepted, labels_as_accepted
from mlbench.data.cache import read_job_data, read_texts, write_features
from mlbench.data.dataset import Split
from mlbench.errors import PluginError
from mlbench.execution import process
from mlbench.execution.environment import environment
from mlbench.execution.failures import classify
from mlbench.execution.worker_request import EXIT_DISK, FeaturesRequest
from mlbench.plugins.catalog import PluginSource, load_features
from mlbench.plugins.specs import FitContext
from mlbench.results.outcome import OUTCOME, Outcome, write_outcome

SEED = 0
"""Features are shared by jobs of all seeds."""


def compute(request: FeaturesRequest) -> Outcome:
    """Compute the features of a request; whatever their plugin raises becomes a status."""
    spec = None
    status, error = "ok", None
    try:
        spec = load_features(PluginSource(**request.source), request.features)
        data = as_accepted(read_job_data(Path(request.data)), {"dense", "sparse"} | spec.accepts)
        texts = read_texts(Path(request.data)) if "text" in spec.accepts else None
        train = labels_as_accepted(data.train, spec.accepts)
        if texts is not None:
            train = Split.unchecked(**vars(train) | {"texts": texts[0]})
        transform = spec.fit(train, FitContext(seed=SEED, threads=request.threads))
        write_features(data, transform, Path(request.target), texts=texts, missing="missing" in spec.accepts)
    except KeyboardInterrupt:
        raise
    except PluginError as problem:
        status, error = classify(problem) if spec is not None else ("import_error", str(problem))
    except OSError as problem:
        if problem.filename is None or not str(problem.filename).startswith(str(Path(request.target).parent)):
            status, error = classify(problem)  # the plugin's own
        else:
            with contextlib.suppress(OSError):
                print(f"mlbench: {problem}", file=sys.stderr, flush=True)
            os._exit(EXIT_DISK)
    except BaseException as problem:  # a plugin may even call sys.exit
        status, error = classify(problem)
    return Outcome(
        status=status,
        error=error,
        peak_memory_mb=process.peak_memory_mb(),
        environment=environment(request.threads),
    )


def main() -> None:
    """Carry out the request that ``sys.argv`` names."""
    request = FeaturesRequest.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    process.die_with(request.parent)
    faulthandler.enable()
    process.limit_memory(request.budget.memory_limit)
    write_outcome(Path(request.work) / OUTCOME, compute(request))


if __name__ == "__main__":
    main()
