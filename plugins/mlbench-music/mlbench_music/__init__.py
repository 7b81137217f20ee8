"""The musical home of mlbench: MusicNet, mini-MusicNet, and a stand-in that anyone can make."""

from __future__ import annotations

from collections.abc import Iterator

from mlbench import DatasetSpec, MakeContext, hookimpl
from mlbench_music import musicnet, variants


def _make_synth(context: MakeContext) -> None:
    from mlbench_music.synth import make  # late: no other command needs it

    make(context)


@hookimpl
def mlbench_datasets() -> Iterator[DatasetSpec]:
    """The stand-in in its sizes, and the real thing for who has it."""
    for name, size, preset in variants.names():
        chosen = variants.SIZES[size]
        rows = "/".join(f"{n * w:,}" for n, w in zip(chosen.recordings, chosen.windows, strict=True))
        kind = "Harder stand-in" if preset else "Stand-in"
        yield DatasetSpec(
            name=name,
            summary=f"{kind} for mini-MusicNet: {rows} windows of synthesised audio, 128 notes",
            make=_make_synth,
            options=variants.options(size, preset),
            citation=variants.CITATION,
        )
    source = f"copy of MusicNet, {musicnet.LAYOUT}"
    yield DatasetSpec(
        name="mini-musicnet",
        summary="mini-MusicNet with its published split, 62,500/10,000/10,000 windows, from your MusicNet",
        make=musicnet.make_mini,
        from_source=source,
        citation=musicnet.CITATION,
    )
    yield DatasetSpec(
        name="musicnet",
        summary="The same windows with MusicNet's own split, 80,000/2,500, from your MusicNet",
        make=musicnet.make_musicnet,
        from_source=source,
        citation=musicnet.CITATION,
    )
