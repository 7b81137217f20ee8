"""A job: one model on one representation of one data set with one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from mlbench.data.complete import CompleteDataset
from mlbench.plugins.catalog import CORE, PluginEntry, PluginSource
from mlbench.plugins.specs import FeatureSpec, ModelSpec
from mlbench.results.schema import PROTOCOL, Budget, JobKey


@dataclass(frozen=True, kw_only=True)
class Job:
    """A whole study, and the model that comes out of it.

    Attributes:
        dataset: The data.
        features: The representation.
        model: The model.
        seed: Seed of the sampler and of the model.
        budget: What the job may spend.
        device: ``"cpu"``, or ``"cuda"`` where there is one and the model takes it.
    """

    dataset: CompleteDataset
    features: PluginEntry[FeatureSpec]
    model: PluginEntry[ModelSpec]
    seed: int
    budget: Budget = field(default_factory=Budget)
    device: str = "cpu"

    @property
    def label(self) -> str:
        """Data set, features and model, and the seed if it is not 0, for people."""
        parts = [self.dataset.name, self.features.spec.name, self.model.spec.name]
        return " · ".join(parts + ([f"seed {self.seed}"] if self.seed else []))

    @cached_property
    def key(self) -> JobKey:
        """Everything that can change the result."""
        return JobKey(
            dataset_sha256=self.dataset.sha256,
            features=self.features.spec.name,
            features_plugin=self.features.origin.plugin,
            features_plugin_version=plugin_version(self.features.origin),
            model=self.model.spec.name,
            plugin=self.model.origin.plugin,
            plugin_version=plugin_version(self.model.origin),
            seed=self.seed,
            device=self.device,
            refit_on_both=self.refit_on_both,
            budget=self.budget,
        )

    @property
    def id(self) -> str:
        """32 hexadecimal digits: the hash of ``key``."""
        return self.key.id

    @property
    def refit_on_both(self) -> bool:
        """Whether the final model is fitted on train and valid: by default where valid was taken out of train."""
        if self.budget.refit == "auto":
            return self.dataset.valid_from_train
        return self.budget.refit == "train+valid"

    @property
    def n_trials(self) -> int:
        """Trials that the budget allows; one is all there is when there is nothing to tune."""
        return self.budget.n_trials if self.model.spec.suggest is not None else 1


def plugin_version(origin: PluginSource) -> str:
    """Return the version that a key holds: what the core itself offers changes with the protocol, not with releases."""
    return f"protocol {PROTOCOL}" if origin.plugin == CORE else origin.version
