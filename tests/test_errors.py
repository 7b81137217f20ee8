"""The exception tree and the one-line messages."""

from __future__ import annotations

import re

import pytest
from helpers import patient
from hypothesis import given
from hypothesis import strategies as st

from mlbench import errors
from mlbench.errors import MlbenchError, TrialPruned, UnknownName, UsageError, one_line


def test_docstring_draws_the_tree() -> None:
    """The tree in the module's docstring is the tree of the classes."""
    drawn, path = {}, []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)  ", line)
        if match is None or match[2] == "TrialPruned":
            continue
        depth = len(match[1]) // 4
        path = [*path[:depth], match[2]]
        drawn[match[2]] = path[-2] if depth else "Exception"

    real = {
        name: value.__bases__[0].__name__
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, MlbenchError)
    }

    assert drawn == real


def test_a_pruned_trial_is_no_error() -> None:
    """``except MlbenchError`` in a plugin does not swallow the end of a trial."""
    assert not issubclass(TrialPruned, MlbenchError)


@patient
@given(st.text(), st.integers(1, 40))
def test_one_line_is_one_short_printable_line(text: str, longest: int) -> None:
    """Whatever is thrown in, the line is printable, short, and has no line end."""
    line = one_line(text, longest)

    assert len(line) <= longest
    assert line.isprintable()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("first\nsecond\r\n\tthird", "first second third"),
        ("\x1b[31mred\x1b[0m", "[31mred[0m"),
        ("right\u202eleft", "rightleft"),
        ("zero\u200bwidth\ud800", "zerowidth"),
        ("", ""),
    ],
)
def test_one_line_drops_what_a_terminal_would_obey(text: str, line: str) -> None:
    """Line ends become spaces; escapes, direction marks and broken characters vanish."""
    assert one_line(text) == line


def test_one_line_cuts_with_an_ellipsis() -> None:
    """A cut is visible."""
    assert one_line("abcdef", 4) == "abc…"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rigde", "no model 'rigde': did you mean 'ridge'?"),
        ("zzz", "no model 'zzz': available: forest, ridge"),
    ],
)
def test_unknown_name_helps(name: str, message: str) -> None:
    """A near name is suggested; else all are listed, sorted."""
    assert str(UnknownName("model", name, ["ridge", "forest"])) == message


def test_unknown_name_without_any_name() -> None:
    """With nothing installed the message says so; it is a usage error."""
    error = UnknownName("model", "x", [], " (1 broken)")

    assert str(error) == "no model 'x': available: none (1 broken)"
    assert isinstance(error, UsageError)
