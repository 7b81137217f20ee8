"""Boosting of many labels: which rows and features a label gets, and when it stops."""

import subprocess
import sys
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import log_loss

from mlbench import FitContext, Split, TrialPruned
from mlbench.metrics import average_precision
from mlbench.toolkit import boosting
from mlbench.toolkit.boosting import boost, first_split_gains, plan


def rows(n=200, d=6, k=5, seed=0):
    rng = np.random.default_rng(seed)
    return Split(X=rng.standard_normal((n, d)).astype(np.float32), Y=(rng.random((n, k)) < 0.3).astype(np.uint8))


def gain(x, y, threshold):
    """Of the split x <= threshold: the residuals' sums, squared, over the rows, of both sides."""
    residual, left = y - y.mean(), x <= threshold
    return sum(residual[side].sum() ** 2 / side.sum() for side in (left, ~left) if side.any())


@pytest.mark.parametrize("n", [300, 240])
def test_first_split_gains_are_those_of_the_best_split(n):
    """Of few distinct values every split is looked at; a constant feature gains nothing.

    Of rows behind the first n, those count that have the label.
    """
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (300, boosting.FEATURES_AT_ONCE + 3)).astype(np.float32)
    X[:, 1] = 4
    Y = (rng.random((300, 3)) < [0.05, 0.4, 0.9]).astype(np.float64)
    found = first_split_gains(X, Y, n)
    for feature in (0, 1, 2, boosting.FEATURES_AT_ONCE, boosting.FEATURES_AT_ONCE + 2):
        for label in range(3):
            seen = (np.arange(300) < n) | (Y[:, label] == 1)
            best = max(gain(X[seen, feature], Y[seen, label], value) for value in range(9))
            assert found[feature, label] == pytest.approx(best)
    assert (found[1] == 0).all()


@pytest.mark.parametrize("n", [100, 80])
def test_first_split_gains_of_sparse_rows_are_of_what_is_stored(n):
    """The split is between stored and not; a feature that all rows or none have gains nothing."""
    rng = np.random.default_rng(0)
    X = (rng.random((100, 5)) < [0.1, 0.5, 0.9, 1.0, 0.0]) * rng.uniform(1, 2, (100, 5))
    Y = (rng.random((100, 2)) < 0.3).astype(np.float64)
    found = first_split_gains(sp.csr_matrix(X), Y, n)
    for feature in range(5):
        for label in range(2):
            seen = (np.arange(100) < n) | (Y[:, label] == 1)
            assert found[feature, label] == pytest.approx(gain(X[seen, feature], Y[seen, label], 0.0))


def best_gain(x, y):
    """Of all splits of rows by a threshold, with what is missing on either side."""
    values = np.unique(x[~np.isnan(x)])
    filled = [np.where(np.isnan(x), other, x) for other in (-np.inf, np.inf)]
    return max((gain(f, y, value) for f in filled for value in values), default=0.0)


@pytest.mark.parametrize("n", [300, 240])
def test_first_split_gains_leave_missing_values_to_either_side_and_unknown_labels_out(n):
    """Of few distinct values every split is looked at, missing values left, right, and by themselves."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (300, boosting.FEATURES_AT_ONCE + 3)).astype(np.float32)
    X[rng.random(X.shape) < np.linspace(0, 1, X.shape[1])] = np.nan
    X[:, -1] = np.nan
    Y = (rng.random((300, 4)) < [0.05, 0.4, 0.9, 0.5]).astype(np.int8)
    Y[:, 3] = np.isnan(X[:, 200]) | (X[:, 200] < 3)
    X[:, 1] = np.where(np.isnan(X[:, 200]), np.nan, 2)
    Y[rng.random(Y.shape) < [0.0, 0.3, 0.6, 0.2]] = -1
    found = first_split_gains(X, Y, n)
    for feature in (0, 1, 100, 200, boosting.FEATURES_AT_ONCE + 1, boosting.FEATURES_AT_ONCE + 2):
        for label in range(4):
            seen = np.where(np.arange(300) < n, Y[:, label] >= 0, Y[:, label] == 1)
            best = best_gain(X[seen, feature], Y[seen, label])
            assert found[feature, label] == pytest.approx(best), (feature, label)
    assert (found[-1] == 0).all()
    assert found[200, 3] > 3 * np.median(found[:, 3])


@pytest.mark.parametrize("n", [100, 80])
def test_first_split_gains_of_sparse_rows_with_missing_values_and_unknown_labels(n):
    """Splits are between stored and not, and between missing and not, in the rows in which the label is known."""
    rng = np.random.default_rng(0)
    X = (rng.random((100, 5)) < [0.1, 0.5, 0.9, 1.0, 0.0]) * rng.uniform(1, 2, (100, 5))
    X[rng.random(X.shape) < [0.3, 0.0, 0.2, 0.4, 0.0]] = np.nan
    Y = np.where(rng.random((100, 2)) < [0.3, 0.0], -1, rng.random((100, 2)) < 0.3)
    found = first_split_gains(sp.csr_matrix(X), Y, n)
    for feature in range(5):
        for label in range(2):
            seen = np.where(np.arange(100) < n, Y[:, label] >= 0, Y[:, label] == 1)
            splits = [(X[:, feature] != 0) + 0.0, np.isnan(X[:, feature]) + 0.0]
            best = max(gain(x[seen], Y[seen, label], 0.5) for x in splits)
            assert found[feature, label] == pytest.approx(best)


def masked(split, share, seed=1):
    """A share of the labels unknown, and anything where they are."""
    known = np.random.default_rng(seed).random(split.Y.shape) >= share
    return Split.unchecked(X=split.X, Y=np.where(known, split.Y, 1 - split.Y), known=known)


def test_a_part_sees_the_rows_in_which_its_labels_are_known(monkeypatch):
    """Labels that are known in the same rows share parts; a label that is known in all has all of them."""
    monkeypatch.setattr(boosting, "PARTS_AT_LEAST", 1)
    train = masked(rows(k=12), [0.5] * 6 + [0.0] * 6)
    train.known[:, 1] = train.known[:, 0]
    train.known[:, 5] = False
    found = plan(train, FitContext(seed=0), screen_sparse=False)
    assert sorted(label for part in found.parts for label in part.labels.tolist()) == [*range(5), *range(6, 12)]
    for part in found.parts:
        for label in part.labels:
            rows_of = np.flatnonzero(train.known[:, label])
            np.testing.assert_array_equal(rows_of, np.arange(200) if part.rows is None else part.rows)
        assert part.weight is None
        assert not part.chosen
    assert [part.labels.tolist() for part in found.parts] == [[0, 1], [2], [3], [4], [*range(6, 12)]]
    assert found.share[5] == 0
    np.testing.assert_allclose(found.share[0], train.Y[train.known[:, 0], 0].mean())


def test_many_sets_of_known_rows_get_less_each(monkeypatch):
    """Labels that are known in more sets of rows than fit into memory see samples of rows."""
    train = masked(rows(1000, k=8), 0.3)
    monkeypatch.setattr(boosting, "MAX_CELLS", 1000 * 6 * 4)
    monkeypatch.setattr(boosting, "MIN_ROWS", 50)
    parts = plan(train, FitContext(seed=0), screen_sparse=False).parts
    assert [part.labels.tolist() for part in parts] == [[label] for label in range(8)]
    assert {len(part.rows) for part in parts} == {500}
    assert all(train.known[part.rows, label].all() for label, part in enumerate(parts))


def test_valid_without_a_known_positive_stops_nothing():
    """Nothing can be told of the rounds then: there are as many as without valid."""
    valid = Split.unchecked(X=rows().X, Y=rows().Y, known=rows().Y == 0)
    assert max(step for step, _ in boosting.steps(FitContext(seed=0, valid=valid))) == boosting.ROUNDS_WITHOUT_VALID


def test_of_many_rows_only_known_ones_are_drawn(monkeypatch):
    """A label with few known rows keeps them all, one with many keeps its positives and a weighted sample."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 100)
    train = masked(rows(1000, k=2), [0.95, 0.4])
    few, many = plan(train, FitContext(seed=0), screen_sparse=False).parts
    np.testing.assert_array_equal(few.rows, np.flatnonzero(train.known[:, 0]))
    assert few.weight is None
    assert not few.chosen
    assert many.chosen
    assert len(many.rows) == 100
    assert train.known[many.rows, 1].all()
    assert many.weight.sum() == pytest.approx(train.known[:, 1].sum(), rel=1e-5)


@pytest.mark.parametrize("n", [200, 1000])
def test_features_are_chosen_by_the_rows_in_which_a_label_is_known(monkeypatch, n):
    """What unknown cells would say does not count; the feature that known ones depend on is found."""
    monkeypatch.setattr(boosting, "MAX_FEATURES", 2)
    monkeypatch.setattr(boosting, "MAX_ROWS", 500)
    monkeypatch.setattr(boosting, "MIN_ROWS", 50)
    train = rows(n, d=40, k=3)
    train.Y[:] = train.X[:, 10:13] > 0.5
    known = train.X[:, 20:23] > 0
    for form in (np.asarray, lambda X: sp.csr_matrix(np.maximum(X, 0))):
        split = Split.unchecked(X=form(train.X), Y=np.where(known, train.Y, 0), known=known)
        for label, part in enumerate(plan(split, FitContext(seed=0), screen_sparse=True).parts):
            assert 10 + label in part.features
            assert 20 + label not in part.features


def test_losses_of_unknown_labels_are_left_out():
    """A label's mean is of the cells that are known; of none it is 0."""
    rng = np.random.default_rng(0)
    Y, p = (rng.random((50, 3)) < 0.4).astype(np.int8), rng.uniform(0.1, 0.9, (50, 3)).astype(np.float32)
    Y[rng.random(Y.shape) < 0.3], Y[:, 2] = -1, -1
    found = boosting._log_losses(Y, p)
    for label in (0, 1):
        there = Y[:, label] >= 0
        assert found[label] == pytest.approx(log_loss(Y[there, label], p[there, label].astype(float)), rel=1e-5)
    assert found[2] == 0


@pytest.mark.parametrize("k", [1, 3, 8, 40, 200])
def test_parts_hold_every_live_label_once(k):
    """However many labels: each that is not constant in one part, and enough parts for eight threads."""
    train = rows(k=k)
    train.Y[:, 0] = 1
    found = plan(train, FitContext(seed=0), screen_sparse=False)
    labels = np.concatenate([part.labels for part in found.parts]) if found.parts else np.zeros(0)
    np.testing.assert_array_equal(np.sort(labels), np.arange(1, k))
    assert len(found.parts) >= min(k - 1, boosting.PARTS_AT_LEAST)
    assert all(len(part.labels) <= boosting.LABELS_AT_ONCE for part in found.parts)


def test_wide_rows_leave_each_label_its_features(monkeypatch):
    """The feature that a label depends on is among its few, of train rows and of rows to score alike."""
    monkeypatch.setattr(boosting, "MAX_FEATURES", 3)
    train = rows(d=40)
    train.Y[:] = train.X[:, 10:15] > 0.5
    for label, part in enumerate(plan(train, FitContext(seed=0), screen_sparse=False).parts):
        assert list(part.labels) == [label]
        assert len(part.features) == 3
        assert 10 + label in part.features
        np.testing.assert_array_equal(part.seen(train.X, train=True), train.X[:, part.features])


def test_sparse_rows_are_screened_only_for_who_asks(monkeypatch):
    """Libraries that spend their time on stored values get all features."""
    monkeypatch.setattr(boosting, "MAX_FEATURES", 3)
    train = rows(d=40)
    train = Split(X=sp.csr_matrix(np.maximum(train.X, 0)), Y=train.Y)
    assert all(part.features is None for part in plan(train, FitContext(seed=0), screen_sparse=False).parts)
    screened = plan(train, FitContext(seed=0), screen_sparse=True).parts
    assert {part.seen(train.X, train=True).shape for part in screened} == {(200, 3)}


@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.98])
def test_of_many_rows_positives_stay_and_weights_add_up(monkeypatch, share):
    """Rows up to the limit, positives first up to half, and each side weighs as much as all of it."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 100)
    rng = np.random.default_rng(0)
    train = Split(X=rng.standard_normal((1000, 4)).astype(np.float32), Y=(rng.random((1000, 1)) < share) * np.uint8(1))
    (part,) = plan(train, FitContext(seed=0), screen_sparse=False).parts
    there = train.Y[part.rows, 0] == 1
    assert len(part.rows) == len(np.unique(part.rows)) == 100
    assert (np.diff(part.rows) > 0).all()
    expected = min(train.Y.sum(), max(50, 100 - (train.Y == 0).sum()))
    assert there.sum() == expected
    assert part.weight[there].sum() == pytest.approx(train.Y.sum(), rel=1e-5)
    assert part.weight[~there].sum() == pytest.approx((train.Y == 0).sum(), rel=1e-5)
    np.testing.assert_array_equal(part.targets(train.Y)[:, 0], train.Y[part.rows, 0])


@pytest.mark.parametrize("k", [4, 40, 400])
def test_memory_does_not_grow_with_the_labels(monkeypatch, k):
    """What all parts see is bounded: the more labels, the fewer features of each, then the fewer rows."""
    monkeypatch.setattr(boosting, "MAX_CELLS", 1_000_000)
    monkeypatch.setattr(boosting, "MAX_ROWS", 500)
    monkeypatch.setattr(boosting, "MIN_ROWS", 50)
    monkeypatch.setattr(boosting, "MIN_FEATURES", 8)
    monkeypatch.setattr(boosting, "MAX_FEATURES", 64)
    train, valid = rows(n=1000, d=80, k=k), rows(n=100, d=80, k=k)
    parts = plan(train, FitContext(seed=0, valid=valid), screen_sparse=False).parts
    cells = sum(part.cells(train.X) + len(valid) * len(part.features) for part in parts)
    assert cells <= 1_000_000
    assert min(len(part.features) for part in parts) == {4: 64, 40: 41, 400: 8}[k]
    assert min(len(part.rows) for part in parts) == {4: 500, 40: 500, 400: 212}[k]


@pytest.mark.parametrize(("k", "n_parts"), [(4, 4), (40, 8), (400, 12)])
@pytest.mark.parametrize("sparse", [False, True])
def test_memory_does_not_grow_with_labels_that_share_all(monkeypatch, k, n_parts, sparse):
    """Each part has its own binned rows: of many labels, more come to a part; a stored value counts for eight."""
    train = rows(n=100, d=20, k=k)
    train = Split(X=sp.csr_matrix(train.X) if sparse else train.X, Y=train.Y)
    monkeypatch.setattr(boosting, "MAX_CELLS", 12.5 * 150 * 20 * (8 if sparse else 1))
    parts = plan(train, FitContext(seed=0, valid=rows(n=50, d=20, k=k)), screen_sparse=False).parts
    assert len(parts) == n_parts
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), np.arange(k))


def test_rare_labels_are_screened_on_all_their_positives(monkeypatch):
    """Three positives of 2,000 rows, most of which are not looked at: the feature that tells them is found."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 100)
    monkeypatch.setattr(boosting, "MAX_FEATURES", 3)
    train = rows(n=2000, d=40, k=2)
    train.Y[:, 1] = 0
    train.Y[[10, 900, 1700], 1] = 1
    train.X[:, 17] = 5 * train.Y[:, 1]
    for X in (train.X, sp.csr_matrix(np.maximum(train.X, 0))):
        split = Split(X=X, Y=train.Y)
        _, rare = plan(split, FitContext(seed=0), screen_sparse=True).parts
        assert 17 in rare.features
        assert rare.targets(train.Y).sum() == 3


class Known:
    """A booster whose scores for each label are known by round: right from round ``right`` on, for ever."""

    def __init__(self, part, valid, right):
        self.part, self.valid, self.right, self.rounds = part, valid, right, 0

    def grow(self, rounds):
        self.rounds += rounds
        return None if self.valid is None else self.predict(self.valid.Y, self.rounds)

    def predict(self, truth, rounds):
        truth = truth[:, self.part.labels].astype(np.float32)
        return truth if min(rounds, self.rounds) >= self.right else 0.5 - 0.3 * truth


def known(train, valid, right, context, reports=None):
    boosters = []

    def new(number, part, threads):
        boosters.append(Known(part, valid, right[number]))
        return boosters[-1]

    scorer = boost(plan(train, context, screen_sparse=False), context, new)
    return scorer, boosters


def test_boosting_stops_once_nothing_gets_better(monkeypatch):
    """The best round is kept, ``PATIENCE`` later it ends; a label that is still for long stops by itself."""
    monkeypatch.setattr(boosting, "PATIENCE", 70)
    monkeypatch.setattr(boosting, "LABEL_PATIENCE", 40)
    train, valid = rows(), rows(seed=1)
    reports = {}
    context = FitContext(seed=0, valid=valid, threads=2, on_report=lambda step, s: reports.__setitem__(step, s.copy()))
    scorer, boosters = known(train, valid, [1, 1, 1, 1, 40], context)
    assert average_precision(valid.Y, reports[40], "micro") == 1
    assert max(reports) == 80  # the last label stands still as well
    # Perfect from the first round: they wait for no one.
    assert sorted(booster.rounds for booster in boosters)[:4] == [45] * 4
    np.testing.assert_array_equal(scorer(valid.Y), valid.Y)


def test_boosting_stops_by_what_is_tuned():
    """Not by average precision where another figure is tuned: the round that it calls best is the model's."""
    valid = rows(seed=1)
    context = FitContext(seed=0, valid=valid, on_report=lambda step, scores: -100.0 - abs(step - 10))
    scorer, boosters = known(rows(), valid, [1, 1, 1, 1, 20], context)
    assert {booster.rounds for booster in boosters} == {10 + boosting.PATIENCE}
    np.testing.assert_array_equal(scorer(valid.Y)[:, 4], boosters[4].predict(valid.Y, 10).ravel())
    assert (scorer(valid.Y)[:, 4] != boosters[4].predict(valid.Y, 30).ravel()).any()


def test_boosters_keep_their_thread(monkeypatch):
    """On another thread XGBoost computes the train rows' margins anew: one moves only to an idle thread."""
    monkeypatch.setattr(boosting, "PATIENCE", 70)
    monkeypatch.setattr(boosting, "LABEL_PATIENCE", 40)
    threads = [[] for _ in range(5)]

    class Traced(Known):
        def grow(self, rounds):
            threads[self.part.labels[0]].append(threading.get_ident())
            return super().grow(rounds)

    train, valid = rows(), rows(seed=1)
    right = [40, 1, 40, 1, 40]
    context = FitContext(seed=0, valid=valid, threads=2)
    boost(plan(train, context, screen_sparse=False), context, lambda i, part, n: Traced(part, valid, right[i]))
    rounds = [len(found) for found in threads]
    assert rounds[1] == rounds[3] < min(rounds[0], rounds[2], rounds[4])
    # The other two stop: of the three on the first thread one moves, once.
    assert threads[0][0] == threads[2][0] == threads[4][0] != threads[1][0] == threads[3][0]
    assert sum(a != b for found in threads for a, b in pairwise(found)) == 1
    assert {threads[label][-1] for label in (0, 2, 4)} == {threads[0][0], threads[1][0]}


def test_a_refit_repeats_what_was_grown():
    """As many rounds as at the best step, of all labels: one that stopped stays less sure than the others."""
    _, boosters = known(rows(), None, [1] * 5, FitContext(seed=0, best_step=63))
    assert [booster.rounds for booster in boosters] == [63] * 5


CURVES = {  # a label's truth, and rounds -> its probabilities; how many rounds it is worth growing for
    "loss falls to round 60": (lambda y, r: 0.5 + (y - 0.5) * min(r, 60) / 100, 60),
    "loss of negatives falls to round 60": (lambda y, r: np.where(y == 1, 0.9, 0.5 - min(r, 60) / 200), 60),
    "ranked better to round 60, loss rises": (
        lambda y, r: 0.5 + r / 1000 + np.where(np.arange(len(y)) < len(y) * min(r, 60) / 60, y, -y) / 1e4,
        60,
    ),
    "up and down, below the first": (lambda y, r: 0.5 + (y - 0.5) * (0.8 if r == 1 else 0.2 + 0.1 * (r // 5 % 2)), 1),
    "stands still": (lambda y, r: 0.5 + (y - 0.5) / 2, 1),
}


class Scripted(Known):
    """A booster whose labels have these curves."""

    def predict(self, truth, rounds):
        curves = [list(CURVES.values())[label][0] for label in self.part.labels]
        columns = truth[:, self.part.labels].astype(np.float64).T
        return np.stack([curve(y, rounds) for curve, y in zip(curves, columns, strict=True)], axis=1)


def scripted(train, valid):
    boosters = []

    def new(number, part, threads):
        boosters.append(Scripted(part, valid, None))
        return boosters[-1]

    context = FitContext(seed=0, valid=valid)
    boost(plan(train, context, screen_sparse=False), context, new)
    return [booster.rounds for booster in boosters]


def test_a_label_stops_when_neither_score_nor_loss_gets_better(monkeypatch):
    """Its best of either counts; a part goes on for any of its labels; without positives nothing can be said."""
    monkeypatch.setattr(boosting, "PATIENCE", 1000)
    # The first looks, at single rounds, are followed by looks at 5, 10 ...
    expected = [60 + 30 if worth > 1 else 35 for _, worth in CURVES.values()]
    train, valid = rows(), rows(seed=1)
    assert scripted(train, valid) == expected
    valid.Y[:, 4] = 0
    assert scripted(train, valid) == [*expected[:4], boosting.MAX_ROUNDS]
    train.Y[:, [1, 2]] = 0
    monkeypatch.setattr(boosting, "PARTS_AT_LEAST", 1)
    assert scripted(train, rows(seed=1)) == [90]


def test_log_losses():
    """As scikit-learn has them; a probability of 0 or 1 that is wrong costs much, not everything."""
    valid = rows(k=3)
    p = np.random.default_rng(0).random(valid.Y.shape).astype(np.float32)
    p[:2] = 1 - valid.Y[:2]
    expected = [log_loss(y, q) for y, q in zip(valid.Y.T, p.T, strict=True)]
    np.testing.assert_allclose(boosting._log_losses(valid.Y, p), expected, rtol=1e-5)


def test_pruning_and_time_end_a_trial():
    """A hopeless trial raises; without time there is one round, and a model."""
    valid = rows(seed=1)

    def prune(step, scores):
        raise TrialPruned

    with pytest.raises(TrialPruned):
        known(rows(), valid, [1] * 5, FitContext(seed=0, valid=valid, on_report=prune))
    _, boosters = known(rows(), valid, [1] * 5, FitContext(seed=0, valid=valid, deadline=time.monotonic()))
    assert {booster.rounds for booster in boosters} == {1}


@pytest.mark.parametrize(
    ("seconds", "deadline", "expected"),
    [
        # With .5 s a round as many as leave time for scoring what was grown, and for two times five rounds.
        (lambda done: 0.5, 100, 120),
        pytest.param(lambda done: 10.5 if done == 1 else 0.5, 100, 110, id="set-up"),
        pytest.param(lambda done: 10.5 if done == 45 else 0.5, 100, 100, id="stall"),
        pytest.param(lambda done: 10.0 if done == 1 else 0.2, 30, 60, id="long set-up"),
        pytest.param(lambda done: 0.2 if -(-done // 5) % 2 else 2.0, 39, 15, id="slow and fast"),
    ],
)
def test_time_is_used_and_not_overdrawn(monkeypatch, seconds, deadline, expected):
    """Set-up in the first round, or a stall later, does not count for what every further round will take."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    context = FitContext(seed=0, valid=rows(seed=1), deadline=float(deadline))
    grown = 0
    for done, count in boosting.steps(context):
        clock[0] += sum(map(seconds, range(grown + 1, done + 1)))
        assert done - grown == count
        grown = done
    assert grown == expected
    assert clock[0] + boosting.SCORING_SHARE * (clock[0] - seconds(1)) <= deadline


def test_constant_labels_score_their_share():
    """Nothing is grown for them; without any other label there is nothing to grow at all."""
    train = rows()
    train.Y[:, :] = [0, 1, 0, 1, 1]
    scorer, boosters = known(train, rows(seed=1), [], FitContext(seed=0, valid=rows(seed=1)))
    assert boosters == []
    np.testing.assert_array_equal(scorer(train.X), np.tile(np.float32([0, 1, 0, 1, 1]), (200, 1)))


def test_importing_alone(tmp_path):
    """Wrappers of what is installed are left out, unless it was imported before; later imports work all the same."""
    (tmp_path / "library.py").write_text(
        "import sys\n"
        "def there(name):\n"
        "    try:\n"
        "        return bool(__import__(name))\n"
        "    except ImportError:\n"
        "        return False\n"
        "found = there('sklearn'), there('pandas')\n"
        "if 'drop' in sys.argv: del sys.modules['pandas']\n"
    )
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "if sys.argv[2:] in (['pandas'], ['sklearn']): __import__(sys.argv[2])\n"
        "from mlbench.toolkit.imports import import_alone\n"
        "import_alone('library'); import library; print(library.found)\n"
        "import sklearn, pandas; print(sklearn is not None, pandas.DataFrame([1]).shape)"
    )

    def printed(*words):
        command = [sys.executable, "-c", code, str(tmp_path), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[:2]

    assert printed() == printed("drop") == ["(False, False)", "True (1, 1)"]
    assert printed("pandas") == printed("sklearn") == ["(True, True)", "True (1, 1)"]


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_job_of_trees_does_without_scikit_learn(library):
    """A second of every job's time; the plugins fit and score dense and sparse rows all the same."""
    code = f"""
import sys
import mlbench.execution.worker, mlbench_{library} as plugin
import numpy as np, scipy.sparse as sp
from mlbench import FitContext, Split
(spec,) = plugin.mlbench_models()
X = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
for rows in (X, sp.csr_matrix(X)):
    train, context = Split(X=rows, Y=(X[:, :2] > 0).astype(np.uint8)), FitContext(seed=0)
    scores = spec.fit(spec.prepare(train, context), dict(spec.defaults), context)(rows)
    assert scores.shape == (60, 2)
print(sorted({{"sklearn", "pandas"}} & sys.modules.keys()))
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"
