"""Importing a heavy library without the parts of it that a job does not use."""

from __future__ import annotations

import importlib
import sys
from typing import Any

HIDDEN = frozenset({"pandas", "sklearn"})
"""What libraries of boosted trees have wrappers for."""


def import_alone(library: str) -> None:
    """Import a library of boosted trees without the wrappers that it has for scikit-learn and pandas.

    A job has no use for them, and most of the import is theirs: more than a second of every job. They are then
    missing for as long as the process lives. Where either has been imported before, by somebody who may want the
    wrappers, they stay. Not for a process in which other threads import.

    Args:
        library: Its name.
    """
    if not HIDDEN & sys.modules.keys():
        nothing: Any = None  # in there it makes an import fail
        sys.modules.update(dict.fromkeys(HIDDEN, nothing))
        try:
            importlib.import_module(library)
        finally:
            for name in HIDDEN:
                if sys.modules.get(name) is None:
                    sys.modules.pop(name, None)
