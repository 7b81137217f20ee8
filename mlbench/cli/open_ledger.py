"""A ledger for commands that read it: damaged jobs are skipped with a warning."""

from __future__ import annotations

from collections.abc import Iterator

import click

from mlbench.results.ledger import Ledger
from mlbench.results.schema import Record

SAID = "mlbench.cli.open_ledger"


class ReadLedger(Ledger):
    """A ledger that warns, once per command, how many damaged jobs it skips."""

    def records(self) -> Iterator[Record]:
        """Yield the records of all finished jobs, ordered by id."""
        there = {folder.name for folder in self.folders()}
        found = list(super().records())
        n_lost = len(there - {record.id for record in found})
        said = click.get_current_context().meta.setdefault(SAID, set())
        if n_lost and self.root not in said:
            said.add(self.root)
            what = "1 job that cannot" if n_lost == 1 else f"{n_lost} jobs that cannot"
            click.echo(f"warning: skipping {what} be read: see `mlbench verify {self.root}`", err=True)
        yield from found
