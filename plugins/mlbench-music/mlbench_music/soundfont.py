"""SoundFont 2 files and how their samples are played, with NumPy alone.

What is played of the SoundFont 2.04 specification: presets and instruments with key and velocity zones,
tuning, loops, attenuation, and the volume envelope. Not played: filters, modulators, panning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench import DataError

RATE = 44_100
"""Samples a second of everything here."""
BLOCK = 32
"""Samples between two points of the envelope; linear between."""
RAMP = (np.arange(BLOCK, dtype=np.float32) / BLOCK)[None]
LAYERS = 2
"""Samples that one note may sound with: left and right, or two layers."""
DECIBELS = -np.log(10) / 20
ENVELOPE_DECIBELS = 96.0
"""What decay and release times are the time of."""
LONGEST_RELEASE = 2.4
"""Seconds after which a released note is no longer played."""
SHORTEST_LOOP = 8

# Generators, by their number in the specification.
START, END, LOOP_START, LOOP_END, START_COARSE = 0, 1, 2, 3, 4
END_COARSE, DELAY, ATTACK, HOLD, DECAY, SUSTAIN, RELEASE, KEY_TO_HOLD, KEY_TO_DECAY = 12, 33, 34, 35, 36, 37, 38, 39, 40
INSTRUMENT, KEYS, VELOCITIES, LOOP_START_COARSE, ATTENUATION = 41, 43, 44, 45, 48
LOOP_END_COARSE, COARSE_TUNE, FINE_TUNE, SAMPLE, SAMPLE_MODES, SCALE_TUNE, ROOT_KEY = 50, 51, 52, 53, 54, 56, 58
INSTRUMENT_ONLY = frozenset(
    {START, END, LOOP_START, LOOP_END, START_COARSE, END_COARSE, LOOP_START_COARSE, LOOP_END_COARSE}
    | {SAMPLE_MODES, ROOT_KEY}
)

_RECORDS: dict[bytes, list[Any]] = {
    b"phdr": [("name", "S20"), ("preset", "<u2"), ("bank", "<u2"), ("bag", "<u2"), ("unused", "<u4", 3)],
    b"pbag": [("generator", "<u2"), ("modulator", "<u2")],
    b"pgen": [("kind", "<u2"), ("amount", "<i2")],
    b"inst": [("name", "S20"), ("bag", "<u2")],
    b"ibag": [("generator", "<u2"), ("modulator", "<u2")],
    b"igen": [("kind", "<u2"), ("amount", "<i2")],
    b"shdr": [
        *(("name", "S20"), ("start", "<u4"), ("end", "<u4"), ("loop_start", "<u4"), ("loop_end", "<u4")),
        *(("rate", "<u4"), ("key", "u1"), ("correction", "i1"), ("link", "<u2"), ("type", "<u2")),
    ],
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Voice:
    """One sample as it sounds for a key: all that does not depend on the note's times.

    Attributes:
        samples: 16-bit.
        step: Samples of it that pass in one sample of ours.
        loop: First and end of what repeats, or None.
        gain: Factor.
        delay: Seconds before it starts; so are attack, hold, decay and release, the times to ``96`` dB.
        sustain: Decibels below full that a held note falls to.
    """

    samples: NDArray[np.int16]
    step: float
    loop: tuple[int, int] | None
    gain: float
    delay: float
    attack: float
    hold: float
    decay: float
    sustain: float
    release: float


class SoundFont:
    """The instruments of an ``.sf2`` file, memory-mapped.

    Raises:
        DataError: It is not a SoundFont 2 file, or is cut short.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.bytes: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
            chunks = dict(self._chunks(12, len(self.bytes)))
            start, size = chunks[b"smpl"]
            self.samples = self.bytes[start : start + size // 2 * 2].view("<i2")
            self.tables = {name: self._table(chunks[name], fields) for name, fields in _RECORDS.items()}
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{path}: not a SoundFont 2 file (.sf2): {type(error).__name__}: {error}") from error
        self.voices = lru_cache(maxsize=None)(self._voices)

    def _chunks(self, start: int, stop: int) -> Iterator[tuple[bytes, tuple[int, int]]]:
        """(name, (start, size)) of every RIFF chunk, those inside lists too."""
        while start + 8 <= stop:
            name = self.bytes[start : start + 4].tobytes()
            size = int(self.bytes[start + 4 : start + 8].view("<u4")[0])
            if start + 8 + size > len(self.bytes):
                raise ValueError(f"chunk {name!r} is cut short")
            if name == b"LIST":
                yield from self._chunks(start + 12, start + 8 + size)
            else:
                yield name, (start + 8, size)
            start += 8 + size + size % 2

    def _table(self, chunk: tuple[int, int], fields: list[Any]) -> NDArray[Any]:
        kind = np.dtype(fields)
        start, size = chunk
        return np.frombuffer(self.bytes[start : start + size // kind.itemsize * kind.itemsize].tobytes(), kind)

    @cached_property
    def presets(self) -> dict[tuple[int, int], int]:
        """Where (bank, program) stands in the table of presets."""
        return {(int(row["bank"]), int(row["preset"])): i for i, row in enumerate(self.tables[b"phdr"][:-1])}

    def _zones(self, table: bytes, index: int) -> Iterator[dict[int, int]]:
        """The generators of each zone of a preset or an instrument, the global zone's below them."""
        bags, generators, owner, last = (
            (self.tables[b"pbag"], self.tables[b"pgen"], self.tables[b"phdr"], INSTRUMENT)
            if table == b"phdr"
            else (self.tables[b"ibag"], self.tables[b"igen"], self.tables[b"inst"], SAMPLE)
        )
        first, end = int(owner[index]["bag"]), int(owner[index + 1]["bag"])
        shared: dict[int, int] = {}
        for bag in range(first, end):
            rows = generators[int(bags[bag]["generator"]) : int(bags[bag + 1]["generator"])]
            own = {int(row["kind"]): int(row["amount"]) for row in rows}
            if last in own:
                yield shared | own
            elif bag == first:
                shared = own

    def _voices(self, program: int, key: int, velocity: int) -> tuple[Voice, ...]:
        """What sounds when ``program`` of bank 0 plays ``key`` (MIDI) with ``velocity`` (1 to 127)."""
        if (0, program) not in self.presets:
            raise DataError(f"{self.path}: has no program {program} in bank 0: use a General MIDI SoundFont")
        found: list[Voice] = []
        for above in self._zones(b"phdr", self.presets[0, program]):
            if not _covers(above, key, velocity):
                continue
            for zone in self._zones(b"inst", above[INSTRUMENT]):
                if _covers(zone, key, velocity) and len(found) < LAYERS:
                    found.append(self._voice(zone, above, key, velocity))
        return tuple(found)

    def _voice(self, zone: dict[int, int], above: dict[int, int], key: int, velocity: int) -> Voice:
        def amount(kind: int, default: int = 0) -> int:
            return zone.get(kind, default) + (0 if kind in INSTRUMENT_ONLY else above.get(kind, 0))

        def seconds(kind: int, default: int = -12_000) -> float:
            return float(2.0 ** (min(max(amount(kind, default), -12_000), 8_000) / 1_200))

        sample = self.tables[b"shdr"][zone[SAMPLE]]
        start = int(sample["start"]) + amount(START) + 32_768 * amount(START_COARSE)
        end = int(sample["end"]) + amount(END) + 32_768 * amount(END_COARSE)
        loop_start = int(sample["loop_start"]) + amount(LOOP_START) + 32_768 * amount(LOOP_START_COARSE)
        loop_end = int(sample["loop_end"]) + amount(LOOP_END) + 32_768 * amount(LOOP_END_COARSE)
        root = amount(ROOT_KEY, -1)
        cents = (key - (root if 0 <= root <= 127 else int(sample["key"]))) * amount(SCALE_TUNE, 100)
        cents += 100 * amount(COARSE_TUNE) + amount(FINE_TUNE) + int(sample["correction"])
        loops = amount(SAMPLE_MODES) & 1 and loop_end - loop_start > SHORTEST_LOOP
        return Voice(
            samples=self.samples[start:end],
            step=float(2.0 ** (cents / 1_200) * int(sample["rate"]) / RATE),
            loop=(loop_start - start, loop_end - start) if loops else None,
            # Synthesizers play .4 of the attenuation that is written: fonts are made by their sound.
            gain=float(10 ** (-0.4 * max(0, amount(ATTENUATION)) / 200) * (velocity / 127) ** 2),
            delay=seconds(DELAY),
            attack=seconds(ATTACK),
            hold=seconds(HOLD) * 2.0 ** (amount(KEY_TO_HOLD) * (60 - key) / 1_200),
            decay=seconds(DECAY) * 2.0 ** (amount(KEY_TO_DECAY) * (60 - key) / 1_200),
            sustain=min(max(amount(SUSTAIN), 0), 1_440) / 10,
            release=seconds(RELEASE),
        )


def _covers(zone: dict[int, int], key: int, velocity: int) -> bool:
    for kind, value in ((KEYS, key), (VELOCITIES, velocity)):
        if kind in zone:
            low, high = zone[kind] & 0xFF, zone[kind] >> 8 & 0xFF
            if not low <= value <= high:
                return False
    return True


def play(voice: Voice, buffer: NDArray[np.float32], at: int, onset: int, end: int, tuning: float) -> None:
    """Add one voice to ``buffer``.

    Args:
        voice: What sounds.
        buffer: Shape (n,); its first sample is sample ``at`` of the recording.
        at: See there.
        onset: Sample at which the key goes down.
        end: Sample at which it goes up.
        tuning: Factor of the pitch.
    """
    first = max(onset, at)
    last_sound = end + int((voice.delay + min(LONGEST_RELEASE, 0.6 * voice.release)) * RATE) + 2 * BLOCK
    n = min(at + len(buffer), last_sound) - first
    if n <= 0:
        return
    place = np.arange(first - onset, first - onset + n, dtype=np.float64)
    place *= voice.step * tuning
    if voice.loop is None:
        n = int(np.searchsorted(place, len(voice.samples) - 2))
        if n == 0:
            return
        place = place[:n]
    else:
        start, stop = voice.loop
        turns = place[int(np.searchsorted(place, stop)) :]
        turns -= start
        turns -= np.floor(turns * (1 / (stop - start))) * (stop - start)
        turns += start
    index = place.astype(np.int32)
    np.minimum(index, len(voice.samples) - 2, out=index)
    left = voice.samples[index].astype(np.float32)
    right = voice.samples[index + 1]
    left += (place - index).astype(np.float32) * (right - left)
    left *= _envelope(voice, first - onset, n, (end - onset) / RATE)
    buffer[first - at : first - at + n] += left


def _envelope(voice: Voice, start: int, n: int, held: float) -> NDArray[np.float32]:
    """Factors of ``n`` samples from ``start`` samples after the onset on; decay and release fall in decibels."""
    time = np.arange(start, start + n + BLOCK, BLOCK) / RATE
    since_peak = np.maximum(time - (voice.delay + voice.attack + voice.hold), 0)
    fall = np.minimum(since_peak * (ENVELOPE_DECIBELS / voice.decay), voice.sustain)
    fall += np.maximum(time - held, 0) * (ENVELOPE_DECIBELS / max(voice.release, 0.02))
    rise = np.clip((time - voice.delay) / max(voice.attack, 0.001), 0, 1)
    points = (np.exp(fall * DECIBELS) * rise * (voice.gain / 32_768)).astype(np.float32)
    slopes = points[1:] - points[:-1]
    factors: NDArray[np.float32] = (points[:-1, None] + slopes[:, None] * RAMP).ravel()[:n]
    return factors
