"""Labels of which some are unknown, for models that accept ``"unknown"``."""

from __future__ import annotations

from mlbench.data.known_labels import label_shares, labels_by_known_rows

__all__ = ["label_shares", "labels_by_known_rows"]
