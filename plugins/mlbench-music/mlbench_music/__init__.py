"""The musical home of mlbench: MusicNet, mini-MusicNet, and a stand-in that anyone can make."""

from __future__ import annotations

from collections.abc import Iterator

from mlbench import DatasetSpec, hookimpl
from mlbench_music import synth


@hookimpl
def mlbench_datasets() -> Iterator[DatasetSpec]:
    """The stand-in in its sizes."""
    for name, size, preset in synth.names():
        chosen = synth.SIZES[size]
        rows = "/".join(f"{n * w:,}" for n, w in zip(chosen.recordings, chosen.windows, strict=True))
        hard = ", hard: noisy, and labels that do not quite fit" if preset else ""
        yield DatasetSpec(
            name=name,
            summary=f"Stand-in for mini-MusicNet: {rows} windows of synthesised audio, 128 notes{hard}",
            make=synth.make,
            options=synth.options(size, preset),
            citation=synth.CITATION,
        )
