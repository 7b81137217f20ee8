"""Checks that plugin authors run on their specs, with or without pytest.

    from mlbench.testing import MODEL_CHECKS, check_model

    for result in check_model(spec):
        print(result.name, result.status, result.reason)

Each check is a function of a spec that raises where the spec breaks the contract; the first line of its
docstring says what it asks for. In pytest, ``@pytest.mark.parametrize("check", MODEL_CHECKS)`` and
``check(spec)`` make one test of each.
"""

from __future__ import annotations

from mlbench.testing.models import MODEL_CHECKS, check_model
from mlbench.testing.results import CheckResult, SkipCheck
from mlbench.testing.splits import RandomTrial, as_sparse, counts, planted

__all__ = [
    "MODEL_CHECKS",
    "CheckResult",
    "RandomTrial",
    "SkipCheck",
    "as_sparse",
    "check_model",
    "counts",
    "planted",
]
