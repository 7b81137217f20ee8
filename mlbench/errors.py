"""The exceptions of mlbench.

::

    MlbenchError                 expected: printed as one line, never as a traceback
    ├── UsageError               a name, an option or a machine that does not fit         exit 2
    │   └── UnknownName          no such model, data set or feature; suggests near ones
    ├── DataError                data that cannot be read, or are not what they must be   exit 2
    ├── PluginError              a plugin breaks the contract
    │   ├── NameClash            two plugins offer one name; names both
    │   └── InvalidScores        a scorer returned something that cannot be ranked
    └── LedgerError              a record that cannot be read or written                  exit 2

    TrialPruned                  no error: raised by ``FitContext.report`` to end a hopeless trial

Everything else that is raised is a bug of mlbench and shows its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_NAMES = 20
"""How many known names an error lists."""


def one_line(text: object, longest: int = 300) -> str:
    """``text`` as one line that is safe to print: no line ends, no control or direction characters."""
    words = " ".join(str(text).split())
    line = "".join(character for character in words if character.isprintable())
    return line if len(line) <= longest else line[: longest - 1] + "…"


class MlbenchError(Exception):
    """Base of all expected errors; the message is one line: what, where, what to do."""


class UsageError(MlbenchError):
    """What was asked for does not exist or does not fit."""


class UnknownName(UsageError):  # noqa: N818
    """A name that no plugin registered."""

    def __init__(self, kind: str, name: str, known: Iterable[str], hint: str = "") -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        shown = ", ".join(known[:MOST_NAMES]) + (
            f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
        )
        advice = f"did you mean {near[0]!r}?" if near else f"there are: {shown or 'none'}"
        super().__init__(f"no {kind} {name!r}: {advice}{hint}")


class DataError(MlbenchError):
    """Data that cannot be read, or that are not multi-label data."""


class PluginError(MlbenchError):
    """A plugin breaks the contract."""


class NameClash(PluginError):  # noqa: N818
    """Two plugins offer the same name."""


class InvalidScores(PluginError):  # noqa: N818
    """Scores that cannot be ranked: wrong type, wrong shape, NaN or infinite."""


class LedgerError(MlbenchError):
    """A record that cannot be read or written."""


class TrialPruned(Exception):  # noqa: N818 - Optuna's own name for it
    """The trial is hopeless by what it reported so far; let it pass through ``fit``."""
