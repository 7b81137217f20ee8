"""A command group that imports its commands on demand, so that ``mlbench --version`` imports none."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from mlbench.cli.processor import import_numpy


class LateGroup(click.Group):
    """A group that is given the location of each command as ``module:name``."""

    def __init__(self, *args: Any, late: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.late = late

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names of all commands, without importing any."""
        return sorted({*super().list_commands(ctx), *self.late})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, importing it if necessary."""
        if cmd_name in self.late and cmd_name not in self.commands:
            import_numpy()
            module, _, name = self.late[cmd_name].partition(":")
            self.add_command(getattr(importlib.import_module(module), name), cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command; for an unknown name, suggest from all names, including those not imported yet."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=self.list_commands(ctx), ctx=ctx) from None
