"""What a plugin yields (``ModelSpec``, ``DatasetSpec``, ``FeatureSpec``), and what it is given (``FitContext`` …)."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlbench.data.dataset import Dataset, Matrix, Split
from mlbench.errors import PluginError
from mlbench.metrics import average_precision
from mlbench.plugins.estimators import estimator_fit
from mlbench.plugins.transformers import transformer_fit

if TYPE_CHECKING:
    from optuna import Trial

Scores: TypeAlias = "NDArray[np.floating[Any]]"
ScoreFunction: TypeAlias = "Callable[[Matrix], Scores]"
"""From features (n, d) to scores (n, k): higher means more likely; row by row; no side effects."""
Params: TypeAlias = "dict[str, Any]"
Transform: TypeAlias = "Callable[[Matrix], Matrix]"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FORMS = frozenset({"dense", "sparse"})
MODEL_ACCEPTS = FORMS | {"missing", "unknown"}
FEATURES_ACCEPT = FORMS | {"missing", "unknown", "text"}
DEVICES = frozenset({"cpu", "cuda"})


@dataclass(frozen=True, kw_only=True)
class FitContext:
    """What a model or a representation may know beside its rows and its parameters.

    Attributes:
        seed: Seed of everything random in the model.
        threads: How many threads it may use.
        device: ``"cpu"`` or ``"cuda"``; ``"cuda"`` only where there is one and the model takes it.
        valid: The validation split, for early stopping; None at a refit on train and valid.
        best_step: At a refit: the step at which the best trial scored best, or None.
        refit_state: State that the best trial passes on to the refit; JSON values.
        deadline: ``time.monotonic()`` at which a trial is cut off, or None.
        on_report: What ``report`` calls; it may return the value of the tuned metric.
    """

    seed: int
    threads: int = 1
    device: str = "cpu"
    valid: Split | None = None
    best_step: int | None = None
    refit_state: dict[str, Any] = field(default_factory=dict)
    deadline: float | None = None
    on_report: Callable[[int, Scores], float | None] | None = field(default=None, repr=False)

    def report(self, step: int, scores: Scores) -> float:
        """Hand the validation scores after ``step`` finished rounds (from 1) to the pruner.

        Args:
            step: The number of finished rounds. Every trial should report at the same steps.
            scores: Shape (n_valid, k). A column of NaN is a label that is not trained yet.

        Returns:
            The tuned metric of the labels that are trained, with the sign that makes higher better; NaN where it
            is undefined. Use it for early stopping. Outside of tuning, it is micro average precision.

        Raises:
            TrialPruned: The trial was pruned; do not catch this.
        """
        value = None if self.on_report is None else self.on_report(step, scores)
        if value is not None or self.valid is None:
            return math.nan if value is None else value
        trained = ~np.isnan(scores).any(axis=0)
        return average_precision(self.valid.labels[:, trained], scores[:, trained], average="micro")

    @property
    def seconds_left(self) -> float:
        """Seconds until the trial is cut off (``inf`` without a limit).

        A model that trains in rounds stops before, and keeps what it has.
        """
        return math.inf if self.deadline is None else self.deadline - time.monotonic()


def _check(spec: str, name: str, accepts: frozenset[str], known: frozenset[str]) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PluginError(f"{spec} name {name!r}: use 1 to 64 letters, digits, '.', '_', '-', first a letter or digit")
    if not accepts & {*FORMS, "text"} or not accepts <= known:
        raise PluginError(f"{spec} {name!r}: accepts {sorted(accepts)}, expected some of {sorted(known)}")


def _same(train: Split, context: FitContext) -> Split:
    return train


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A model that can be tuned and scored.

    Attributes:
        name: Name on the command line and on boards.
        summary: One line.
        fit: (prepared, params, context) -> score function; once per trial. Labels are uint8: convert them before
            arithmetic such as ``2 * Y - 1`` or ``Y.T @ Y``, which wraps around at 256.
        suggest: (optuna.Trial) -> params; None when there is nothing to tune.
        defaults: The parameters of trial 0; every name that ``suggest`` asks for by default.
        prepare: (train, context) -> anything that trials share; once per job. By default ``train``.
        accepts: What input ``fit`` takes: ``"dense"``, ``"sparse"`` or both; other input is converted. With
            ``"missing"`` it takes NaN for missing values, which are otherwise filled with the median of train; with
            ``"unknown"`` it looks at ``Split.known``, without which unknown labels are 0.
        devices: What it can run on: ``"cpu"``, ``"cuda"`` or both.
        citation: What to cite when using it.
    """

    name: str
    summary: str
    fit: Callable[[Any, Params, FitContext], ScoreFunction]
    suggest: Callable[[Trial], Params] | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Split, FitContext], Any] = _same
    accepts: frozenset[str] | set[str] = frozenset({"dense"})
    devices: frozenset[str] | set[str] = frozenset({"cpu"})
    citation: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "accepts", frozenset(self.accepts))
        object.__setattr__(self, "devices", frozenset(self.devices))
        _check("model", self.name, frozenset(self.accepts), MODEL_ACCEPTS)
        if not self.devices or not self.devices <= DEVICES:
            raise PluginError(
                f"model {self.name!r}: devices {sorted(self.devices)}, expected some of {sorted(DEVICES)}"
            )
        try:
            json.dumps(dict(self.defaults), allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(f"model {self.name!r}: defaults must be plain JSON values: {error}") from error

    @classmethod
    def from_estimator(
        cls,
        *,
        name: str,
        summary: str,
        estimator: Callable[[Params, FitContext], Any],
        suggest: Callable[[Trial], Params] | None = None,
        defaults: Mapping[str, Any] | None = None,
        accepts: frozenset[str] | set[str] = frozenset({"dense"}),
        devices: frozenset[str] | set[str] = frozenset({"cpu"}),
        citation: str = "",
    ) -> ModelSpec:
        """Wrap a scikit-learn estimator: ``estimator(params, context)`` builds it, unfitted.

        The estimator is fitted on X (n, d) and integer labels Y (n, k), without the labels that are constant in
        train: those are scored by their share. Its scores are ``predict_proba``, else ``decision_function``, else
        ``predict``. Pass ``accepts={"dense", "missing"}`` for one that takes NaN.

        Raises:
            PluginError: ``accepts`` has ``"unknown"``: an estimator is given no mask. ``ModelSpec`` itself can be.
        """
        if "unknown" in accepts:
            raise PluginError(
                f"model {name!r}: an estimator cannot be told which labels are unknown: leave 'unknown' out of accepts "
                "or yield a ModelSpec with a fit of its own"
            )
        return cls(
            name=name,
            summary=summary,
            fit=estimator_fit(estimator),
            suggest=suggest,
            defaults=defaults or {},
            accepts=accepts,
            devices=devices,
            citation=citation,
        )


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """A representation that all models share, computed once for each data set in a process of its own.

    Attributes:
        name: Name on the command line and on boards.
        summary: One line.
        fit: (train, context) -> transform. ``train`` is the training ``Split``; the context has a seed, threads
            and a device, but no validation rows. The transform takes any block of rows (n, d) and returns
            (n, d'), dense or CSR, which is stored as float32. If it accepts ``"text"``, it is fitted on
            ``Split.texts`` and transforms texts (n,).
        accepts: The input that it takes: ``"dense"``, ``"sparse"`` or both, or ``"text"``. With ``"missing"`` it
            takes NaN for missing values, and may return them; otherwise they are filled with the median of train.
        citation: What to cite when using it.
    """

    name: str
    summary: str
    fit: Callable[[Split, FitContext], Transform]
    accepts: frozenset[str] | set[str] = frozenset({"dense"})
    citation: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "accepts", frozenset(self.accepts))
        _check("features", self.name, frozenset(self.accepts), FEATURES_ACCEPT)

    @classmethod
    def from_transformer(
        cls,
        *,
        name: str,
        summary: str,
        transformer: Callable[[FitContext], Any],
        accepts: frozenset[str] | set[str] = frozenset({"dense"}),
        citation: str = "",
    ) -> FeatureSpec:
        """Wrap a scikit-learn transformer: ``transformer(context)`` builds it, unfitted.

        It is fitted on the features (n, d) and the labels (n, k) of the training split.
        """
        return cls(name=name, summary=summary, fit=transformer_fit(transformer), accepts=accepts, citation=citation)


def _no_progress(done: int, total: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class MakeContext:
    """What a data set is made from, and where to.

    Attributes:
        folder: Where to write a data set in one of the formats that mlbench reads. What an interrupted
            make left in it is still there; mlbench moves it into place when it is done.
        source: What ``--from`` names, or None.
        options: The value of every ``Option`` of the spec.
        executor: Where parts of the work run, side by side if it has several processes.
        progress: Told (done, total) whenever something is done.
    """

    folder: Path
    executor: Executor
    source: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    progress: Callable[[int, int], None] = field(default=_no_progress, repr=False)


@dataclass(frozen=True, kw_only=True)
class Option:
    """A knob of a data set that is made: ``mlbench data make NAME --size full``.

    Attributes:
        name: ``size`` or ``noise_db``; on the command line with dashes.
        default: Its value in the data set that is known by name; a str, int or float.
        help: One line.
        choices: The values that it may have, or empty: any of the type of ``default``.
    """

    name: str
    default: str | int | float
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A data set that is known by name: loaded, or made once on this machine.

    Attributes:
        name: Name on the command line.
        summary: One line.
        load: () -> Dataset, the same every time; or None when there is ``make``.
        make: Writes the data set to ``MakeContext.folder``, from where it is read; called again after
            an interruption, and ends in the same bytes.
        options: The knobs of ``make``.
        from_source: ``make`` reads files of the user's; half a sentence that says which.
        source_optional: ``make`` does without them as well, for example because it can download the data.
        version: Raised whenever ``make`` would write other bytes, so that old ones are not taken for new.
        citation: How to cite the data.
    """

    name: str
    summary: str
    load: Callable[[], Dataset] | None = None
    make: Callable[[MakeContext], None] | None = None
    options: tuple[Option, ...] = ()
    from_source: str = ""
    source_optional: bool = False
    version: str = "1"
    citation: str = ""

    def __post_init__(self) -> None:
        _check("data set", self.name, FORMS, FORMS)
        if (self.load is None) == (self.make is None):
            raise PluginError(f"data set {self.name!r}: give load or make, one of the two")
