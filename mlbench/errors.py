"""The exceptions that mlbench raises.

::

    MlbenchError                 expected: printed as one line, without a traceback
    ├── UsageError               invalid arguments, or a machine that lacks what they need   exit 2
    │   └── UnknownName          no such model, data set or features; suggests close matches
    ├── DataError                data that cannot be read or are invalid                     exit 2
    ├── PluginError              a plugin breaks its contract
    │   ├── NameClash            two plugins register the same name; the message gives both
    │   └── InvalidScores        a score function returned scores that cannot be ranked
    └── LedgerError              a record that cannot be read or written                     exit 2

    TrialPruned                  not an error: raised by ``FitContext.report`` to stop a pruned trial

Any other exception is a bug in mlbench and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 20
"""How many known names an error message lists at most."""


def one_line(text: object, longest: int = 300) -> str:
    """Return ``text`` as a single line that is safe to print: no newlines, control or direction characters."""
    words = " ".join(str(text).split())
    line = "".join(character for character in words if character.isprintable())
    return line if len(line) <= longest else line[: longest - 1] + "…"


class MlbenchError(Exception):
    """Base class of all expected errors. The message is one line: what went wrong, where, and what to do."""


class UsageError(MlbenchError):
    """The request names something that does not exist, or combines what does not go together."""


class UnknownName(UsageError):  # noqa: N818
    """No plugin registered this name."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        shown = ", ".join(known[:MOST_NAMES]) + (
            f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
        )
        advice = f"did you mean {near[0]!r}?" if near else f"available: {shown or 'none'}"
        super().__init__(f"no {kind} {name!r}: {advice}{hint}")


class DataError(MlbenchError):
    """The data cannot be read, or are not valid multi-label data."""


class PluginError(MlbenchError):
    """A plugin breaks its contract."""


class NameClash(PluginError):  # noqa: N818
    """Two plugins register the same name."""


class InvalidScores(PluginError):  # noqa: N818
    """Scores cannot be ranked: they have the wrong type or shape, or are NaN or infinite."""


class LedgerError(MlbenchError):
    """A record cannot be read or written."""


class TrialPruned(Exception):  # noqa: N818 - Optuna's own name for it
    """The pruner stopped the trial because of the scores it reported; do not catch this in ``fit``."""
