"""Jobs: what is to be run, and the id that says whether it already was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from mlbench.data.dataset import Dataset
from mlbench.plugins.catalog import CORE, PluginEntry, PluginSource
from mlbench.plugins.specs import FeatureSpec, ModelSpec

PROTOCOL = 1
"""Version of the rules of measurement; raised whenever a change of ours changes figures."""
BASELINE = "prior"
"""The model that every board has."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a job may spend, and on what.

    Attributes:
        n_trials: Trials, the defaults being the first.
        timeout: Seconds of tuning.
        trial_timeout: Seconds of one trial, of preparing, and of the final fit.
        memory_limit: Bytes that the process may allocate.
        metric: What tuning optimises on valid, a figure of ``mlbench.metrics.DIRECTIONS``.
        refit: ``"auto"``, ``"train"`` or ``"train+valid"``: what the final model is fitted on.
    """

    n_trials: int = 20
    timeout: float = 600.0
    trial_timeout: float = 300.0
    memory_limit: int = 8 << 30
    metric: str = "average_precision_micro"
    refit: str = "auto"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set with all its parts, and its fingerprint, computed once."""

    dataset: Dataset
    sha256: str

    @property
    def name(self) -> str:
        """The data set's name."""
        return self.dataset.name


@dataclass(frozen=True, kw_only=True)
class Job:
    """One model on one representation of one data set with one seed: a whole study.

    Attributes:
        source: The data.
        features: The representation.
        model: The model.
        seed: Of the sampler and of the model.
        budget: What it may spend.
        device: ``"cpu"``, or ``"cuda"`` where there is one and the model takes it.
    """

    source: Source
    features: PluginEntry[FeatureSpec]
    model: PluginEntry[ModelSpec]
    seed: int
    budget: Budget = field(default_factory=Budget)
    device: str = "cpu"

    @property
    def label(self) -> str:
        """For people: data set · features · model, and the seed if it is not 0."""
        parts = [self.source.name, self.features.spec.name, self.model.spec.name]
        return " · ".join(parts + ([f"seed {self.seed}"] if self.seed else []))

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that can change the result, and nothing else."""
        return {
            "dataset_sha256": self.source.sha256,
            "features": self.features.spec.name,
            "features_plugin": self.features.origin.plugin,
            "features_plugin_version": _version(self.features.origin),
            "model": self.model.spec.name,
            "plugin": self.model.origin.plugin,
            "plugin_version": _version(self.model.origin),
            "seed": self.seed,
            "device": self.device,
            "refit_on_both": self.refit_on_both,
            "budget": asdict(self.budget),
            "protocol": PROTOCOL,
        }

    @cached_property
    def id(self) -> str:
        """32 hexadecimal digits of the SHA-256 of ``identity``."""
        return job_id(self.identity)

    @property
    def refit_on_both(self) -> bool:
        """Whether the final model is fitted on train and valid: by default where valid came out of train."""
        if self.budget.refit == "auto":
            return self.source.dataset.valid_from_train
        return self.budget.refit == "train+valid"


def job_id(identity: Mapping[str, Any]) -> str:
    """32 hexadecimal digits of the SHA-256 of a job's identity."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _version(origin: PluginSource) -> str:
    """What the core itself offers changes with the protocol, not with every release."""
    return f"protocol {PROTOCOL}" if origin.plugin == CORE else origin.version
