"""TF-IDF features of texts: words, pairs of words or characters, with scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mlbench.data.dataset import Split
from mlbench.errors import DataError
from mlbench.plugins.specs import FeatureSpec, FitContext, Transform

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "tfidf": ("TF-IDF of words, the 50,000 most frequent", {"max_features": 50_000}),
    "tfidf-10k": ("TF-IDF of words, the 10,000 most frequent", {"max_features": 10_000}),
    "tfidf-bigrams": (
        "TF-IDF of words and pairs of words, the 100,000 most frequent",
        {"ngram_range": (1, 2), "max_features": 100_000},
    ),
    "tfidf-chars": (
        "TF-IDF of 2 to 5 characters within words, the 100,000 most frequent",
        {"analyzer": "char_wb", "ngram_range": (2, 5), "max_features": 100_000},
    ),
}
"""Name, summary, and parameters of scikit-learn's ``TfidfVectorizer`` beside its defaults."""


def _fit(train: Split, context: FitContext, params: dict[str, Any]) -> Transform:
    """Learn vocabulary and weights from the texts of train; words that occur in one text only are left out."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    assert train.texts is not None
    for least in (2, 1):  # a tiny train may have no word twice
        vectorizer = TfidfVectorizer(min_df=least, sublinear_tf=True, dtype=np.float32, **params)
        try:
            vectorizer.fit(train.texts)
        except ValueError:
            continue
        return vectorizer.transform  # type: ignore[no-any-return]
    raise DataError("the texts of train hold no words")


def text_features() -> Iterator[FeatureSpec]:
    """Yield one representation for each entry of ``VARIANTS``."""
    for name, (summary, params) in VARIANTS.items():
        yield FeatureSpec(name=name, summary=summary, fit=partial(_fit, params=params), accepts={"text"})
