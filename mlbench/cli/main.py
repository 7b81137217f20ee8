"""The ``mlbench`` command: its subcommands, and its exit codes."""

from __future__ import annotations

import errno
import os
import sys

import click

from mlbench.cli.lazy_group import LateGroup
from mlbench.errors import MlbenchError
from mlbench.results.version import __version__

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What the write of an open file fails with when the disk is full or broken."""


COMMANDS = {
    "compare": "mlbench.cli.compare:compare",
    "data": "mlbench.cli.data:data",
    "leaderboard": "mlbench.cli.leaderboard:leaderboard_command",
    "merge": "mlbench.cli.merge:merge_command",
    "plugins": "mlbench.cli.plugins:plugins",
    "report": "mlbench.cli.report:report",
    "run": "mlbench.cli.run:run",
    "score": "mlbench.cli.score:score",
    "verify": "mlbench.cli.verify:verify",
}


@click.group(cls=LateGroup, late=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlbench")
def cli() -> None:
    """Benchmark multi-label classifiers."""


def main() -> None:
    """Run the command. Expected errors print one line and set the exit code, without a traceback."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        code = EXIT_INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "")
        code = 0
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "mlbench"
        click.echo(f"mlbench: {error.format_message()} (see `{where} --help`)", err=True)
        code = EXIT_USAGE
    except click.ClickException as error:
        click.echo(f"mlbench: {error.format_message()}", err=True)
        code = EXIT_USAGE
    except MlbenchError as error:
        click.echo(f"mlbench: {error}", err=True)
        code = EXIT_USAGE
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except SystemExit as ended:
        code = ended.code
    except BrokenPipeError:  # `mlbench leaderboard | head`
        code = 0
    except OSError as error:
        if error.filename is not None or error.errno not in DISK_ERRORS:  # a file, and a bug, to be shown as one
            raise
        code = _unprinted(error)
    try:
        sys.stdout.flush()
    except OSError as error:
        code = code if isinstance(error, BrokenPipeError) else _unprinted(error)
        _discard()
    sys.exit(code)


def _discard() -> None:
    """Let what has not been printed go where it does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unprinted(error: OSError) -> int:
    _discard()
    click.echo(f"mlbench: cannot write to standard output: {error.strerror or error}", err=True)
    return EXIT_USAGE
