"""Rows in blocks, so that what is computed of a large matrix never needs a copy of all of it."""

from __future__ import annotations

from mlbench.data.dataset import ROWS_PER_BLOCK, blocks, is_sparse

__all__ = ["ROWS_PER_BLOCK", "blocks", "is_sparse"]
