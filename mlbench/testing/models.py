"""Checks of models: each is a function of a ``ModelSpec`` that raises where the contract is broken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

import numpy as np

from mlbench.errors import TrialPruned
from mlbench.metrics import average_precision
from mlbench.plugins.specs import FitContext, ModelSpec, Scores
from mlbench.testing.fits import check_scores, fitted, forms, micro, random_params, require
from mlbench.testing.incomplete import INCOMPLETE_DATA_CHECKS
from mlbench.testing.results import CheckResult, SkipCheck, run_checks
from mlbench.testing.splits import RandomTrial, as_sparse, counts, planted


def check_model(spec: ModelSpec, expected_failed_checks: Mapping[str, str] | None = None) -> list[CheckResult]:
    """Run ``MODEL_CHECKS`` on a model, in this process.

    Args:
        spec: The model.
        expected_failed_checks: By name of a check, why it may fail.

    Raises:
        ValueError: A declared name is no check.
    """
    return run_checks(MODEL_CHECKS, spec, expected_failed_checks or {})


# ------------------------------------------------------------------------------------------- checks
def check_defaults_lie_in_the_search_space(spec: ModelSpec) -> None:
    """The defaults are a point of the search space, with the same names."""
    json.dumps(dict(spec.defaults), allow_nan=False)
    if spec.suggest is None:
        raise SkipCheck("there is nothing to tune")
    trial = RandomTrial(given=dict(spec.defaults))
    params = spec.suggest(trial)  # type: ignore[arg-type]
    require(not trial.outside, f"defaults lie outside of what suggest asks for: {', '.join(trial.outside)}")
    require(trial.params == dict(spec.defaults), f"suggest asks for {trial.params}, defaults are {spec.defaults}")
    require(params == dict(spec.defaults), f"with the defaults, suggest returns {params}")


def check_learns(spec: ModelSpec) -> None:
    """Labels that depend on single features are found, and no parameters are as bad as chance."""
    train, valid, test = planted(), planted(seed=1), planted(seed=2)
    chance = float(test.Y.mean())
    for form in forms(spec)[:1]:
        found = micro(form(test), fitted(spec, form(train), form(valid)))
        require(found > chance + 0.25, f"micro average precision is {found:.3f}, by chance it is {chance:.3f}")
        for seed in range(4):
            params = random_params(spec, seed)
            found = micro(form(test), fitted(spec, form(train), form(valid), params))
            require(found > chance + 0.05, f"with {params}, micro average precision is {found:.3f}")


def check_constant_labels(spec: ModelSpec) -> None:
    """A label without positives scores below one without negatives, and the others are learnt as usual."""
    for form in forms(spec):
        train, valid = planted(k=4), planted(k=4, seed=1)
        train.Y[:, 0], train.Y[:, 1] = 0, 1
        scores = fitted(spec, form(train), form(valid))(form(valid).X)
        require(scores[:, 0].max() < scores[:, 1].min(), "a label that never occurs is not below one that always does")
        require(np.ptp(scores[:, 0]) == 0 and np.ptp(scores[:, 1]) == 0, "a constant label has no constant score")
        found = average_precision(valid.Y[:, 2:], scores[:, 2:], average="micro")
        require(found > valid.Y[:, 2:].mean() + 0.1, f"the other labels are not learnt: {found:.3f}")


def check_one_label(spec: ModelSpec) -> None:
    """One label is enough."""
    check_scores(spec, planted(k=1), planted(k=1, seed=1))


def check_few_rows(spec: ModelSpec) -> None:
    """Ten rows are enough."""
    check_scores(spec, planted(n=10), planted(n=3, seed=1))


def check_more_features_than_rows(spec: ModelSpec) -> None:
    """More features than rows are no reason to fail."""
    check_scores(spec, planted(n=20, d=90), planted(n=8, d=90, seed=1))


def check_constant_features(spec: ModelSpec) -> None:
    """Features that are constant, at whatever value, are no reason to fail."""
    train, valid = planted(), planted(n=60, seed=1)
    for split in (train, valid):
        split.X[:, 5:8] = [0, 0.1, 1e8]
    check_scores(spec, train, valid)


def check_no_positive_in_valid(spec: ModelSpec) -> None:
    """A validation split without a positive is no reason to fail."""
    valid = planted(n=60, seed=1)
    valid.Y[:] = 0
    check_scores(spec, planted(), valid)


def check_all_labels_constant(spec: ModelSpec) -> None:
    """Nothing to learn is no reason to fail."""
    train = planted()
    train.Y[:] = [0, 1, 0, 1]
    check_scores(spec, train, planted(n=60, seed=1))


def check_wild_scales(spec: ModelSpec) -> None:
    """Features that differ by 36 orders of magnitude give finite scores."""
    train, valid = planted(), planted(n=60, seed=1)
    for split in (train, valid):
        split.X[:] = split.X * np.logspace(-18, 18, 12)
    check_scores(spec, train, valid)


def check_dense_and_sparse_rank_alike(spec: ModelSpec) -> None:
    """The same rows in CSR give nearly the same ranking."""
    if len(forms(spec)) < 2:
        raise SkipCheck(f"it takes {', '.join(spec.accepts)} rows alone")
    train, valid, test = counts(), counts(seed=1), counts(seed=2)
    dense = fitted(spec, train, valid)(test.X)
    sparse = fitted(spec, as_sparse(train), as_sparse(valid))(as_sparse(test).X)
    correlation = float(np.corrcoef(dense.ravel(), sparse.ravel())[0, 1])
    require(correlation > 0.95, f"dense and sparse scores correlate by {correlation:.3f}")
    one, other = (average_precision(test.Y, scores, average="micro") for scores in (dense, sparse))
    require(abs(one - other) < 0.05, f"micro average precision is {one:.3f} dense, {other:.3f} sparse")


def check_rows_are_scored_by_themselves(spec: ModelSpec) -> None:
    """A row's scores do not depend on its neighbours, and input that is read-only is fine and stays as it is."""
    for form in forms(spec)[:1]:
        train, valid, test = planted(), planted(seed=1), planted(seed=2)
        for split in (train, valid, test):
            split.X.setflags(write=False)
        before = test.X.copy()
        score = fitted(spec, form(train), form(valid))
        X = form(test).X
        whole = score(X)
        parts = np.concatenate([score(X[:1]), score(X[1:50]), score(X[50:])])
        np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(test.X, before)


def check_same_seed_same_bytes(spec: ModelSpec) -> None:
    """Two trials of one job, and of two jobs, with the same parameters give identical scores."""
    form = forms(spec)[0]
    train, valid = form(planted()), form(planted(seed=1))
    context = FitContext(seed=3, valid=valid)
    prepared = spec.prepare(train, context)
    scores = [
        spec.fit(p, dict(spec.defaults), context)(valid.X).tobytes()
        for p in (prepared, prepared, spec.prepare(train, context))
    ]
    require(scores[0] == scores[1], "two trials of one job differ: is everything random seeded by context.seed?")
    require(scores[0] == scores[2], "two jobs differ: is everything random seeded by context.seed?")


def check_trials_do_not_touch_what_they_share(spec: ModelSpec) -> None:
    """A trial with other parameters changes nothing that an earlier one returned."""
    form = forms(spec)[0]
    train, valid = form(planted()), form(planted(seed=1))
    context = FitContext(seed=3, valid=valid)
    prepared = spec.prepare(train, context)
    first = spec.fit(prepared, dict(spec.defaults), context)
    before = first(valid.X).tobytes()
    spec.fit(prepared, random_params(spec, 1), context)(valid.X)
    require(first(valid.X).tobytes() == before, "a later trial changed the scores of an earlier one")


def check_pruning_passes_through(spec: ModelSpec) -> None:
    """``TrialPruned`` reaches the caller, and nothing is reported after it."""
    form = forms(spec)[0]
    steps: list[int] = []

    def prune(step: int, scores: Scores) -> None:
        steps.append(step)
        if len(steps) == 2:
            raise TrialPruned

    try:
        fitted(spec, form(planted()), form(planted(seed=1)), on_report=prune)
    except TrialPruned:
        require(len(steps) == 2, "the trial went on after it was pruned")
    else:
        if len(steps) < 2:
            raise SkipCheck("it reports fewer than two steps")
        raise AssertionError("TrialPruned was caught: it must pass through")


def check_reports(spec: ModelSpec) -> None:
    """Steps are reported in rising order, from 1, with finite scores of all validation rows."""
    form = forms(spec)[0]
    valid = form(planted(seed=1))
    steps: list[int] = []

    def note(step: int, scores: Scores) -> None:
        steps.append(step)
        require(scores.shape == valid.Y.shape, f"step {step} reports scores of shape {scores.shape}")

    fitted(spec, form(planted()), valid, on_report=note)
    if not steps:
        raise SkipCheck("it reports no steps")
    require(steps[0] == 1, f"the first step is {steps[0]}, expected 1")
    require(all(one < other for one, other in pairwise(steps)), f"steps do not rise: {steps}")


MODEL_CHECKS: Sequence[Callable[[ModelSpec], None]] = (
    check_defaults_lie_in_the_search_space,
    check_learns,
    check_constant_labels,
    check_one_label,
    check_few_rows,
    check_more_features_than_rows,
    check_constant_features,
    check_no_positive_in_valid,
    check_all_labels_constant,
    check_wild_scales,
    check_dense_and_sparse_rank_alike,
    check_rows_are_scored_by_themselves,
    check_same_seed_same_bytes,
    check_trials_do_not_touch_what_they_share,
    check_pruning_passes_through,
    check_reports,
    *INCOMPLETE_DATA_CHECKS,
)
"""Every check of models, in the order in which they run."""
