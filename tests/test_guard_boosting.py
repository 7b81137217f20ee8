"""Boosting of many labels: which round is kept, when growing ends, and what of many rows and features is looked at."""

import math

import numpy as np
import pytest
import scipy.sparse as sp

from mlbench import FitContext, Split
from mlbench.toolkit import boosting
from mlbench.toolkit.boosting import Part, Plan, boost, plan


def rows(n=200, d=6, k=5, seed=0):
    rng = np.random.default_rng(seed)
    return Split(X=rng.standard_normal((n, d)).astype(np.float32), Y=(rng.random((n, k)) < 0.3).astype(np.uint8))


class Counting:
    """A booster whose scores tell how many rounds they are of."""

    def __init__(self, part, context, threads):
        self.part, self.valid, self.threads, self.rounds = part, context.valid, threads, 0

    def grow(self, rounds):
        self.rounds += rounds
        return None if self.valid is None else self.predict(self.valid.X, self.rounds)

    def predict(self, X, rounds):
        return np.full((X.shape[0], len(self.part.labels)), min(rounds, self.rounds) / 1000)


def counted(train, context):
    """The rounds whose scores the model gives, for each label, and the boosters in the order of their parts."""
    parts = plan(train, context, screen_sparse=False)
    boosters = {}

    def new(number, part, threads):
        boosters[number] = Counting(part, context, threads)
        return boosters[number]

    scores = boost(parts, context, new)(train.X)
    return np.rint(scores[0] * 1000).astype(int), [boosters[i] for i in range(len(parts.parts))]


@pytest.mark.parametrize("best", [1, 2, 5, 40])
@pytest.mark.parametrize("level", [0.5, 0.0, -3.0])
def test_the_first_of_equally_good_rounds_is_kept(monkeypatch, best, level):
    """Rounds that are as good as the best are no better; it ends as soon as patience is over, at a look."""
    monkeypatch.setattr(boosting, "LABEL_PATIENCE", 1000)
    seen = []

    def report(step, scores):
        seen.append(step)
        return level + min(step, best)

    kept, boosters = counted(rows(), FitContext(seed=0, valid=rows(seed=1), on_report=report))
    end = -(-(best + boosting.PATIENCE) // 5) * 5

    assert set(kept) == {best}
    assert seen == [1, 2, *range(5, end + 1, 5)]
    assert {booster.rounds for booster in boosters} == {end}


def test_a_better_round_at_the_end_of_patience_starts_it_anew(monkeypatch):
    """Twenty rounds without a better one end it; one that is better at the last look before does not."""
    monkeypatch.setattr(boosting, "LABEL_PATIENCE", 1000)
    values = {5: 0.5, 20: 0.6, 40: 0.59, 35: 0.7}
    seen = []

    def report(step, scores):
        seen.append(step)
        return values.get(step, 0.1)

    kept, _ = counted(rows(), FitContext(seed=0, valid=rows(seed=1), on_report=report))
    assert set(kept) == {35}
    assert max(seen) == 55


def test_where_nothing_can_be_measured_the_last_round_counts(monkeypatch):
    """Undefined figures end nothing early, and the model is that of the last round."""
    monkeypatch.setattr(boosting, "LABEL_PATIENCE", 1000)
    kept, boosters = counted(rows(), FitContext(seed=0, valid=rows(seed=1), on_report=lambda *_: math.nan))
    assert set(kept) == {booster.rounds for booster in boosters} == {200}

    valid = rows(seed=1)
    valid.Y[:] = 0
    for best_step, expected in ((None, 60), (37, 37)):
        kept, boosters = counted(rows(), FitContext(seed=0, valid=valid, best_step=best_step))
        assert set(kept) == {booster.rounds for booster in boosters} == {expected}


@pytest.mark.parametrize(("best_step", "expected"), [(None, 60), (1, 1), (2, 2), (3, 3), (63, 63), (150, 150)])
def test_a_refit_grows_what_is_asked_for(best_step, expected):
    """Exactly as many rounds as the trial had at its best, whatever the looks of a trial, else sixty."""
    kept, boosters = counted(rows(), FitContext(seed=0, best_step=best_step))

    assert set(kept) == {booster.rounds for booster in boosters} == {expected}


def test_a_trial_does_not_end_where_another_was_best():
    """With rows to validate on, these say when to stop, up to 200 rounds."""
    context = FitContext(seed=0, valid=rows(seed=1), best_step=3, on_report=lambda step, scores: float(step))
    boosting_ends, boosters = counted(rows(), context)

    assert max(booster.rounds for booster in boosters) > 3
    assert min(boosting_ends) > 3


def test_labels_that_stand_still_stop_by_their_own_patience(monkeypatch):
    """A part ends thirty rounds after the last in which one of its labels got better; the best round may be later."""
    monkeypatch.setattr(boosting, "PATIENCE", 1000)
    better = {0: 1, 1: 20, 2: 45, 3: 60, 4: 5}

    class Standing(Counting):
        def predict(self, X, rounds):
            (label,) = self.part.labels
            y = (X if X.ndim == 1 else valid.Y[:, label]).astype(float)
            return (0.5 + (y - 0.5) * min(rounds, better[label]) / 100)[:, None]

    train, valid = rows(), rows(seed=1)
    context = FitContext(seed=0, valid=valid)
    boosters = {}

    def new(number, part, threads):
        boosters[part.labels[0]] = Standing(part, context, threads)
        return boosters[part.labels[0]]

    boost(plan(train, context, screen_sparse=False), context, new)
    # The first round is followed by looks at 2, 5, 10 ...
    assert [boosters[label].rounds for label in range(5)] == [35, 50, 75, 90, 35]


def test_threads_are_shared_by_the_parts():
    """A part has the threads that are its share, at least one, and is told its own number."""
    for threads, k, inner in ((8, 3, 2), (8, 5, 1), (2, 5, 1), (9, 1, 9), (1, 1, 1)):
        _, boosters = counted(rows(k=k), FitContext(seed=0, threads=threads, best_step=2))
        assert [booster.threads for booster in boosters] == [inner] * k


def test_constant_labels_score_their_share_beside_others():
    """They are in no part: what is reported and what is scored has their share in train."""
    train, valid, seen = rows(), rows(seed=1), []
    train.Y[:, 1], train.Y[:, 3] = 0, 1
    context = FitContext(seed=0, valid=valid, on_report=lambda step, scores: seen.append(scores.copy()) or float(step))
    boost(plan(train, context, screen_sparse=False), context, lambda i, part, n: Counting(part, context, n))
    for scores in seen:
        np.testing.assert_array_equal(scores[:, [1, 3]], np.tile([0, 1], (200, 1)))

    kept, boosters = counted(train, FitContext(seed=0, best_step=4))
    np.testing.assert_array_equal(kept, [4, 0, 4, 1000, 4])
    assert len(boosters) == 3


def test_scores_come_in_the_order_of_the_labels():
    """Whatever the parts are, each column is its label's."""

    class Named(Counting):
        def predict(self, X, rounds):
            return np.tile(self.part.labels / 100, (X.shape[0], 1))

    labels = [np.array([4, 0]), np.array([2]), np.array([1, 3])]
    parts = Plan(tuple(Part(some) for some in labels), np.full(5, 0.3))
    context = FitContext(seed=0, valid=rows(), best_step=1, threads=2)
    scorer = boost(parts, context, lambda i, part, n: Named(part, context, n))

    np.testing.assert_allclose(scorer(rows().X), np.tile(np.arange(5) / 100, (200, 1)), atol=1e-7)


@pytest.mark.parametrize("share", [0.004, 0.3, 0.5, 0.7, 0.996])
def test_a_sample_of_many_rows_weighs_as_all_of_them(monkeypatch, share):
    """Of each side as many as there is room for, without a row twice, each row of a side of one weight."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 100)
    rng = np.random.default_rng(3)
    train = Split(
        X=rng.standard_normal((1500, 4)).astype(np.float32), Y=(rng.random((1500, 3)) < share).astype(np.uint8)
    )
    for label, part in enumerate(plan(train, FitContext(seed=0), screen_sparse=False).parts):
        y = train.Y[:, label] == 1
        n_there = min(y.sum(), max(50, 100 - (~y).sum()))
        assert part.weight.dtype == np.float32
        assert len(set(part.rows)) == 100
        assert y[part.rows].sum() == n_there
        expected = np.where(y[part.rows], y.sum() / n_there, (~y).sum() / (100 - n_there))
        np.testing.assert_allclose(part.weight, expected, rtol=1e-6)


def test_samples_are_drawn_from_all_rows_by_the_seed(monkeypatch):
    """Each label draws its own rows, from first to last; another seed draws others, the same seed the same."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 100)
    train = rows(2000, k=2)
    train.Y[:, 1] = train.Y[:, 0]
    first, again, other = (plan(train, FitContext(seed=s), screen_sparse=False).parts for s in (0, 0, 1))
    for a, b, c in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(a.rows, b.rows)
        assert len(np.intersect1d(a.rows, c.rows)) < 50
        assert 800 < a.rows.mean() < 1200
    assert len(np.intersect1d(first[0].rows, first[1].rows)) < 50


def test_as_many_rows_as_fit_are_not_sampled(monkeypatch):
    """Up to the limit all rows are there, of weight 1, and labels share boosters."""
    for most, sampled in ((200, False), (199, True)):
        monkeypatch.setattr(boosting, "MAX_ROWS", most)
        parts = plan(rows(k=40), FitContext(seed=0), screen_sparse=False).parts
        assert all(part.whole != sampled and (part.weight is not None) == sampled for part in parts)
        assert len(parts) == (40 if sampled else 8)


@pytest.mark.parametrize(("d", "own"), [(10, False), (11, True)])
def test_as_many_features_as_fit_are_not_chosen(monkeypatch, d, own):
    """Up to the limit all features are there; of more, that many, of which none stands twice, in their order."""
    monkeypatch.setattr(boosting, "MAX_FEATURES", 10)
    for part in plan(rows(d=d), FitContext(seed=0), screen_sparse=False).parts:
        assert (part.features is not None) == own
        if own:
            assert len(part.features) == 10
            assert (np.diff(part.features) > 0).all()


def best_split(x, y):
    """The largest gain over all thresholds, by brute force."""
    residual, gains = y - y.mean(), [0.0]
    for threshold in np.unique(x)[:-1]:
        left = x <= threshold
        gains.append(sum(residual[side].sum() ** 2 / side.sum() for side in (left, ~left)))
    return max(gains)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_each_label_gets_the_features_that_split_it_best(monkeypatch, form):
    """The few features of a label are those of the largest gains, be they of high or of low values."""
    monkeypatch.setattr(boosting, "MAX_FEATURES", 4)
    rng = np.random.default_rng(0)
    X = (rng.random((300, 30)) < rng.uniform(0.1, 0.9, 30)).astype(np.float32)
    Y = (X[:, :6] - X[:, 6:12] + X[:, 12:18] + rng.standard_normal((300, 6)) > 1).astype(np.uint8)
    for label, part in enumerate(plan(Split(X=form(X), Y=Y), FitContext(seed=0), screen_sparse=True).parts):
        gains = [best_split(column, Y[:, label]) for column in X.T]
        np.testing.assert_array_equal(part.features, np.sort(np.argsort(gains)[-4:]))


def test_rare_rows_do_not_count_for_frequent_labels(monkeypatch):
    """Rows that are looked at because a rare label has them say nothing of others: they would count too often."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 200)
    monkeypatch.setattr(boosting, "MAX_FEATURES", 1)
    rng = np.random.default_rng(0)
    n = 4000
    X = rng.standard_normal((n, 20)).astype(np.float32)
    rare = np.zeros(n, dtype=bool)
    rare[rng.choice(n, 250, replace=False)] = True
    frequent = np.where(rng.random(n) < 0.75, X[:, 3] > 0, X[:, 3] <= 0) | rare
    X[:, 7] += 8 * rare
    train = Split(X=X, Y=np.column_stack([frequent, rare]).astype(np.uint8))
    frequent, rare = plan(train, FitContext(seed=0), screen_sparse=False).parts

    assert list(frequent.features) == [3]
    assert list(rare.features) == [7]


@pytest.mark.parametrize(("positives", "found"), [(255, True), (256, False)])
def test_labels_below_256_positives_are_rare(monkeypatch, positives, found):
    """Below, a label is screened on all of its positives; from there on, on those of the sampled rows."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 30)
    monkeypatch.setattr(boosting, "MAX_FEATURES", 1)
    looked = []
    gains = boosting.first_split_gains

    def traced(X, Y, n):
        looked.append((X.shape[0], n, Y[n:].sum()))
        return gains(X, Y, n)

    monkeypatch.setattr(boosting, "first_split_gains", traced)
    train = rows(5000, k=1)
    train.Y[:] = 0
    train.Y[np.random.default_rng(0).choice(5000, positives, replace=False)] = 1
    plan(train, FitContext(seed=0), screen_sparse=False)
    [(size, n, more)] = looked

    assert n == 30
    assert (size > n and more == size - n) == found


def test_seen_and_targets_are_of_the_parts_rows():
    """A part sees its features of all rows to score, and of its own rows to train on, dense or sparse."""
    split = rows()
    part = Part(np.array([3, 1]), np.array([0, 4]), np.array([7, 9, 100]), np.ones(3, dtype=np.float32))
    for X in (split.X, sp.csr_matrix(split.X)):
        dense = [
            np.asarray(part.seen(X, train=t).todense() if sp.issparse(X) else part.seen(X, train=t)) for t in (0, 1)
        ]
        np.testing.assert_array_equal(dense[0], split.X[:, [0, 4]])
        np.testing.assert_array_equal(dense[1], split.X[[7, 9, 100]][:, [0, 4]])
    np.testing.assert_array_equal(part.targets(split.Y), split.Y[[7, 9, 100]][:, [3, 1]])
    assert part.cells(split.X) == 6
    assert Part(np.array([0])).cells(split.X) == 1200
    assert not part.whole
    assert Part(np.array([0])).whole


def test_a_limit_that_is_just_met_limits_nothing(monkeypatch):
    """Rows that are no more than the limit are all taken, unweighted, of features that are chosen; and the reverse."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 200)
    monkeypatch.setattr(boosting, "MAX_FEATURES", 6)
    for part in plan(rows(200, 7), FitContext(seed=0), screen_sparse=False).parts:
        assert part.rows is part.weight is None
        assert len(part.features) == 6
    for part in plan(rows(201, 6), FitContext(seed=0), screen_sparse=False).parts:
        assert len(part.rows) == 200
        assert part.features is None


def test_features_are_chosen_by_rows_from_all_over(monkeypatch):
    """Of many rows a sample is looked at, not the first: in an order of their own these may show another feature."""
    monkeypatch.setattr(boosting, "MAX_ROWS", 300)
    monkeypatch.setattr(boosting, "MAX_FEATURES", 1)
    train = rows(4000, 20, k=1)
    train.Y[:, 0] = train.X[:, 3] > 0
    train.Y[:300, 0] = train.X[:300, 7] > 0
    train.Y[-300:, 0] = train.X[-300:, 9] > 0
    [part] = plan(train, FitContext(seed=0), screen_sparse=False).parts

    assert list(part.features) == [3]


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_boosters_score_their_own_features(monkeypatch, form):
    """Rows to score come to a part's booster with the part's features alone, and all of them."""
    monkeypatch.setattr(boosting, "MAX_FEATURES", 3)
    monkeypatch.setattr(boosting, "MAX_ROWS", 150)
    train, test, seen = rows(d=20), rows(50, d=20, seed=2), {}

    class Seeing(Counting):
        def predict(self, X, rounds):
            seen[self.part.labels[0]] = X if isinstance(X, np.ndarray) else X.toarray()
            return super().predict(X, rounds)

    train = Split(X=form(train.X), Y=train.Y)
    context = FitContext(seed=0, best_step=2)
    parts = plan(train, context, screen_sparse=True)
    boost(parts, context, lambda i, part, n: Seeing(part, context, n))(form(test.X))
    for part in parts.parts:
        np.testing.assert_array_equal(seen[part.labels[0]], test.X[:, part.features])
