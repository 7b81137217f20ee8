"""Exit codes of the command."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        ("BrokenPipeError()", 0, False), ("KeyboardInterrupt()", 130, False), ("click.exceptions.Abort()", 130, False),
        ("click.ClickException('no')", 2, True), ("click.UsageError('no')", 2, True), ("MlbenchError('no')", 2, True),
    ],
)  # fmt: skip
def test_exit_codes(error: str, code: int, says: bool) -> None:
    """A reader that stops reading is no error, an interrupt is 130, and an expected error is one line and 2."""
    program = (
        "import click\nimport mlbench.cli.main as m\nfrom mlbench.errors import MlbenchError\n"
        f"def stop(**how):\n    print('x')\n    raise {error}\nm.cli.main = stop\nm.main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)

    assert ended.returncode == code
    assert len(ended.stderr.splitlines()) == says
