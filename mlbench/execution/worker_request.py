"""What a supervisor tells the process of a job or of features, and the signs that a worker gives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from mlbench.results.schema import Budget

EXIT_DISK = 74
"""Exit code of a worker that could not write its own files."""
CURVE = "curve"
"""The phase in which train rows are scored."""


@dataclass(frozen=True, kw_only=True)
class WorkerRequest:
    """Everything that the worker of a job is told.

    Attributes:
        source: The plugin of the model, as fields of ``PluginSource``.
        model: Name of the model.
        data: Folder of the data set that ``mlbench.data.cache`` wrote.
        features: Folder of the features; that of the data set where they are used as they are.
        work: Folder to write to.
        study: The study's log.
        seed: The job's seed.
        threads: Threads that it may use.
        library_threads: Threads of numeric libraries that are not told, such as BLAS.
        device: ``"cpu"`` or ``"cuda"``.
        refit_on_both: Fit the final model on train and valid.
        budget: What the job may spend, as fields of ``Budget``.
        seconds_left: Seconds that are left for tuning.
        score_train: Whether to score train rows, for the train curve.
        parent: Process id of the parent; the supervisor fills it in.
    """

    source: Mapping[str, str]
    model: str
    data: str
    features: str
    work: str
    study: str
    seed: int
    threads: int
    library_threads: int
    device: str
    refit_on_both: bool
    budget: Budget
    seconds_left: float = 0.0
    score_train: bool = True
    parent: int = 0

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> WorkerRequest:
        """Return the request of that text."""
        values = json.loads(text)
        return cls(**{**values, "budget": Budget(**values["budget"])})


@dataclass(frozen=True, kw_only=True)
class FeaturesRequest:
    """Everything that the process that computes features is told.

    Attributes:
        source: The plugin of the features, as fields of ``PluginSource``.
        features: Name of the features.
        data: Folder of the data set that ``mlbench.data.cache`` wrote.
        target: Folder to write.
        work: Folder for the log and for the outcome.
        threads: Threads that it may use.
        library_threads: Threads of numeric libraries that are not told, such as BLAS.
        budget: Its ``trial_timeout`` and ``memory_limit`` hold, as fields of ``Budget``.
        parent: Process id of the parent; the supervisor fills it in.
    """

    source: Mapping[str, str]
    features: str
    data: str
    target: str
    work: str
    threads: int
    library_threads: int
    budget: Budget
    parent: int = 0

    def to_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> FeaturesRequest:
        """Return the request of that text."""
        values = json.loads(text)
        return cls(**{**values, "budget": Budget(**values["budget"])})
