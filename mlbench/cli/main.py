"""The command ``mlbench``: its groups, and how errors end."""

from __future__ import annotations

import os
import sys

import click

from mlbench import __version__
from mlbench.cli.audit import audit_command
from mlbench.cli.compare import compare
from mlbench.cli.data import data
from mlbench.cli.leaderboard import leaderboard_command
from mlbench.cli.merge import merge_command
from mlbench.cli.plot import plot
from mlbench.cli.plugins import plugins
from mlbench.cli.report import report
from mlbench.cli.run import run
from mlbench.cli.score import score
from mlbench.cli.verify import verify
from mlbench.errors import MlbenchError

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlbench")
def cli() -> None:
    """Which multi-label classifier to trust, measured."""


cli.add_command(run)
cli.add_command(plugins)
data.add_command(audit_command)
data.add_command(plot)
cli.add_command(data)
cli.add_command(leaderboard_command)
cli.add_command(merge_command)
cli.add_command(verify)
cli.add_command(score)
cli.add_command(compare)
cli.add_command(report)


def main() -> None:
    """Run the command; expected errors are one line and an exit code, never a traceback."""
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
    except BrokenPipeError:  # `mlbench leaderboard | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)
