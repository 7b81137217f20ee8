"""What ``synth-musicnet`` comes in: sizes, presets, knobs. Light to import, as every command does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mlbench import Option


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is made: recordings and windows of each, in train, valid and test."""

    recordings: tuple[int, int, int]
    windows: tuple[int, int, int]


SIZES = {
    "tiny": Size(recordings=(40, 10, 10), windows=(10, 10, 10)),
    "mini": Size(recordings=(250, 40, 40), windows=(10, 12, 12)),
    "small": Size(recordings=(250, 40, 40), windows=(25, 25, 25)),
    "full": Size(recordings=(250, 40, 40), windows=(250, 250, 250)),
}
DEFAULT_SIZE = "mini"
PRESETS: dict[str, dict[str, float]] = {
    "": {"misalignment_ms": 0.0, "noise_db": 0.0},
    "hard": {"misalignment_ms": 200.0, "noise_db": 30.0},
}
NAME = "synth-musicnet"
WARNING = "synthetic stand-in: its values are not those of MusicNet or mini-MusicNet"
CITATION = (
    "Scores: the corpus of music21 (M. S. Cuthbert and C. Ariza, 2010), from your installed copy. "
    "Sounds: TimGM6mb by Tim Brechbill (GPL-2), from your installed pretty_midi."
)


def names() -> Iterator[tuple[str, str, str]]:
    """(name, size, preset) of every variant that is known by name."""
    for preset in PRESETS:
        for size in SIZES:
            yield name_of(size, preset), size, preset


def name_of(size: str, preset: str) -> str:
    """``synth-musicnet-full-hard``; the default size goes without saying."""
    return "-".join([NAME] + [size] * (size != DEFAULT_SIZE) + [preset] * bool(preset))


def options(size: str, preset: str) -> tuple[Option, ...]:
    """The knobs, with the values of a size and a preset."""
    knobs = PRESETS[preset]
    return (
        Option(
            name="size",
            default=size,
            choices=tuple(SIZES),
            help="Size of the data set: recordings, and windows of each.",
        ),
        Option(name="seed", default=0, help="Random seed."),
        Option(
            name="misalignment_ms",
            default=knobs["misalignment_ms"],
            help="Deviation of the labels' time from the audio's, in milliseconds.",
        ),
        Option(
            name="noise_db",
            default=knobs["noise_db"],
            help="Decibels by which to raise the noise, which is 28 to 60 dB below the music.",
        ),
        Option(name="test_font", default="", help="A General MIDI SoundFont (.sf2) that plays the test part."),
    )
