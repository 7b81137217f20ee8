"""What an exception of a plugin stands for."""

from __future__ import annotations

import traceback

from mlbench.errors import InvalidScores, one_line

OUT_OF_MEMORY_WORDS = ("bad_alloc", "bad allocation", "out of memory", "cannot allocate memory")


def classify(error: BaseException) -> tuple[str, str]:
    """Return the status that an exception of a plugin stands for, and its one line; the rest goes to the log."""
    traceback.print_exception(error)
    words = one_line(error)
    line = one_line(f"{type(error).__name__}: {words}") if words else type(error).__name__
    if isinstance(error, InvalidScores):
        return "invalid_scores", words
    if isinstance(error, MemoryError) or any(word in words.lower() for word in OUT_OF_MEMORY_WORDS):
        return "out_of_memory", line
    if isinstance(error, ImportError):
        return "import_error", line
    return "failed", line
