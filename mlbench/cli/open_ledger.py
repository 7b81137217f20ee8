"""A ledger as commands read it: what cannot be read is left out, and that is said."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mlbench.results.ledger import Ledger, Record

SAID = "mlbench.cli.open_ledger"


class ReadLedger(Ledger):
    """A ledger that says once a command how many of its jobs are left out because they are damaged."""

    def records(self) -> Iterator[Record]:
        """All finished jobs, by id."""
        there = {folder.name for folder in self.folders()}
        found = list(super().records())
        n_lost = len(there - {record.id for record in found})
        said = click.get_current_context().meta.setdefault(SAID, set())
        if n_lost and self.root not in said:
            said.add(self.root)
            what = "1 job cannot be read and is" if n_lost == 1 else f"{n_lost} jobs cannot be read and are"
            click.echo(f"warning: {what} left out: run `mlbench verify {self.root}`", err=True)
        yield from found
