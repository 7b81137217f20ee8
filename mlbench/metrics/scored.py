"""What metrics are computed from: labels and scores of a split, and what was fitted on the splits before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlbench.metrics.at_k import best_weights, inverse_propensities
from mlbench.metrics.core import Floats, Labels, Scores, checked, known_cells
from mlbench.metrics.rankings import (
    RankingMetric,
    all_together,
    best_threshold,
    one_average_precision,
    one_best_threshold,
    one_roc_auc,
    per_label,
)
from mlbench.metrics.row_rankings import DEPTH, Ranking


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """What metrics take from the train and validation splits; nothing of it is fitted on test.

    Attributes:
        Y: Labels of the validation split (n, k), 0 or 1; what is -1 or NaN is unknown and left out.
        scores: Its scores (n, k).
        n_positives: Positives of each label in train, shape (k,); of the validation split by default.
        n_train: Rows of train; of the validation split by default.
        exclusive: Whether the labels exclude each other: every row of every split has exactly one.
    """

    Y: Labels
    scores: Scores
    n_positives: NDArray[np.int64] | None = None
    n_train: int | None = None
    exclusive: bool = False

    @cached_property
    def threshold(self) -> float:
        """The threshold for all labels that maximises micro F1."""
        return best_threshold(self.Y, self.scores)

    @cached_property
    def label_thresholds(self) -> Floats:
        """The threshold of each label that maximises its F1, shape (k,); ``threshold`` for labels without positives."""
        [thresholds] = per_label([one_best_threshold], self.Y == 1, self.scores, known_cells(self.Y))
        return np.where(np.isnan(thresholds), self.threshold, thresholds)

    @cached_property
    def inverse_propensities(self) -> Floats:
        """The weight of each label in propensity-scored metrics, shape (k,)."""
        if self.n_positives is None or self.n_train is None:
            return inverse_propensities((self.Y == 1).sum(axis=0), len(self.Y))
        return inverse_propensities(self.n_positives, self.n_train)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A split with the scores of a model; what several metrics need is computed once.

    Attributes:
        Y: Labels (n, k), 0 or 1; what is -1 or NaN is unknown and left out.
        scores: Finite scores (n, k).
        fitted: What was fitted before.
    """

    Y: Labels
    scores: Scores
    fitted: Fitted

    @classmethod
    def of(cls, Y: Labels, scores: Scores, fitted: Fitted | None = None) -> Scored:
        """Check the shapes; without ``fitted``, thresholds and propensities are fitted on these same rows."""
        Y, scores = checked(Y, scores)
        return cls(Y=Y, scores=scores, fitted=fitted or Fitted(Y=Y, scores=scores))

    @cached_property
    def truth(self) -> NDArray[np.bool_]:
        """The positives (n, k)."""
        truth: NDArray[np.bool_] = self.Y == 1
        return truth

    @cached_property
    def known(self) -> NDArray[np.bool_] | None:
        """Which labels are known (n, k), or None if all are."""
        return known_cells(self.Y)

    @cached_property
    def n_positives(self) -> NDArray[np.int64]:
        """Positives of each label, shape (k,)."""
        counts: NDArray[np.int64] = self.truth.sum(axis=0)
        return counts

    @cached_property
    def predictions(self) -> NDArray[np.bool_]:
        """Scores cut at the threshold that all labels share (n, k); false where the label is unknown."""
        return self._cut(self.fitted.threshold)

    @cached_property
    def label_predictions(self) -> NDArray[np.bool_]:
        """Scores cut at the threshold of each label (n, k); false where the label is unknown."""
        return self._cut(self.fitted.label_thresholds)

    def _cut(self, threshold: float | Floats) -> NDArray[np.bool_]:
        predicted: NDArray[np.bool_] = self.scores >= threshold
        return predicted if self.known is None else predicted & self.known

    @cached_property
    def rows(self) -> Ranking:
        """How each row ranks its labels."""
        return Ranking(self.truth, self.scores, DEPTH, self.known)

    @cached_property
    def together(self) -> tuple[Scores, Scores]:
        """The sorted scores of the positives, and those of all entries."""
        return all_together(self.truth, self.scores, self.known)

    @cached_property
    def best_weights(self) -> Floats:
        """The inverse propensities of the positives of each row in descending order, shape (n, DEPTH)."""
        return best_weights(self.truth, self.fitted.inverse_propensities, DEPTH)

    @cached_property
    def _labels(self) -> dict[str, Floats]:
        functions: dict[str, RankingMetric] = {"average_precision": one_average_precision, "roc_auc": one_roc_auc}
        values = per_label(list(functions.values()), self.truth, self.scores, self.known)
        return dict(zip(functions, values, strict=True))

    @property
    def label_average_precisions(self) -> Floats:
        """Average precision of each label, shape (k,); NaN without positives."""
        return self._labels["average_precision"]

    @property
    def label_roc_aucs(self) -> Floats:
        """ROC AUC of each label, shape (k,); NaN without positives or without negatives."""
        return self._labels["roc_auc"]
