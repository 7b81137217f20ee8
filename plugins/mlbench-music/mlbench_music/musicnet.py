"""MusicNet and mini-MusicNet, built from the user's copy of MusicNet, which is only read.

The windows are those of ``construct.py`` in jthickstun/mini-musicnet, bit for bit wherever that script is
right; unlike it, this one has a fixed order, keeps each recording's number, moves no file, holds one
recording in memory, and reads integer, stereo, silent and short recordings.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlbench import DataError, MakeContext, UsageError
from mlbench_music.recordings import N_NOTES, RATE, Notes, read_audio, read_notes

SAMPLES = 4_096
WINDOWS = 250
MARGIN = 10 * RATE
"""Samples at both ends of a recording in which no window's centre is: there is silence, or applause."""
PARTS = ("train", "valid", "test")
OFFICIAL_TEST = (1759, 1819, 2106, 2191, 2298, 2303, 2382, 2416, 2556, 2628)
"""MusicNet's own test recordings."""
MINI_TEST = (
    *OFFICIAL_TEST,
    *(1729, 1730, 1760, 1772, 1775, 1790, 1791, 1916, 2148, 2151, 2157, 2202, 2224, 2241, 2292),
    *(2302, 2307, 2335, 2336, 2366, 2397, 2398, 2403, 2436, 2473, 2476, 2502, 2516, 2540, 2614),
)
MINI_VALID = (
    *(1735, 1755, 1788, 1807, 1811, 1818, 1829, 1931, 2075, 2112, 2117, 2119, 2140, 2156, 2178, 2195, 2215, 2227),
    *(2228, 2229, 2244, 2308, 2341, 2371, 2373, 2383, 2390, 2391, 2393, 2422, 2491, 2506, 2510, 2532, 2560, 2575),
    *(2593, 2611, 2627, 2632),
)
"""The published split of mini-MusicNet (construct.py); all other recordings are train."""
VERSIONS = (
    *((2336, 2342), (2476, 2471), (2473, 2478), (2516, 2512), (1788, 1792), (2391, 2388)),
    *((2491, 2487), (2510, 2514), (2532, 2530), (2335, 2341), (2614, 2611)),
)
"""Recordings of one work in two parts of that split, from the list of duplicates of multipitch_architectures (CC0)."""
CITATION = (
    "John Thickstun, Zaid Harchaoui, Sham M. Kakade: Learning Features of Music from Scratch. "
    "International Conference on Learning Representations (ICLR), 2017."
)
LAYOUT = "a folder with train_data, train_labels, test_data and test_labels (ID.wav, ID.csv)"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The two files of a recording."""

    number: int
    folder: str
    audio: Path
    labels: Path


@dataclass(kw_only=True)
class _Report:
    """What is counted on the way."""

    n_silent_windows: int = 0
    n_dropped_notes: int = 0
    too_short: list[int] = field(default_factory=list)
    about: dict[str, list[list[Any]]] = field(default_factory=lambda: defaultdict(list))


def make_mini(context: MakeContext) -> None:
    """mini-MusicNet with its published split: 250, 40 and 40 recordings when the copy is complete."""
    published = dict.fromkeys(MINI_TEST, "test") | dict.fromkeys(MINI_VALID, "valid")
    _build("mini-musicnet", context, published, PARTS)


def make_musicnet(context: MakeContext) -> None:
    """The same windows with MusicNet's own split, 320 and 10 recordings; mlbench takes valid out of train."""
    everywhere = dict.fromkeys(MINI_TEST + MINI_VALID, "train")  # also where the original script moved them
    _build("musicnet", context, everywhere | dict.fromkeys(OFFICIAL_TEST, "test"), ("train", "test"))


def _build(name: str, context: MakeContext, published: Mapping[int, str], parts: Sequence[str]) -> None:
    assert context.source is not None
    found = list(_find(context.source))
    split: dict[str, list[Recording]] = {part: [] for part in parts}
    for one in found:
        part = published.get(one.number, one.folder)
        chosen = split[part if part in split else "train"]
        if one.number not in {other.number for other in chosen}:  # or it lies in two folders
            chosen.append(one)
    notes = _check(split, published)
    for leftover in context.folder.glob("*.npy"):
        leftover.unlink()
    report = _Report()
    done, total = 0, sum(map(len, split.values()))
    for part, recordings in split.items():
        done = _write_part(part, recordings, context, report, done, total)
    if report.too_short:
        notes.append(f"left out, shorter than a window: {_listed(report.too_short)}")
    if report.n_silent_windows:
        notes.append(f"{report.n_silent_windows} silent windows are kept as zeros")
    if report.n_dropped_notes:
        notes.append(f"{report.n_dropped_notes} notes of no length or out of range are left out")
    twins, pairs = _twins(split)
    if pairs:
        notes.append(
            f"works that stand in two parts (--drop-twins leaves them out of the later one): {', '.join(pairs)}"
        )
    if name != "mini-musicnet":
        notes.append("of works in two parts only those known for mini-MusicNet's split were looked for")
    manifest = {
        "name": name,
        "notes": notes,
        "citation": CITATION,
        "twins": sorted(twins),
        "recordings": report.about,
        "n_silent_windows": report.n_silent_windows,
        "n_dropped_notes": report.n_dropped_notes,
        "files": {file.name: _sha256(file) for file in sorted(context.folder.glob("*.npy"))},
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    (context.folder / "manifest.json").write_text(text, encoding="utf-8")


# ------------------------------------------------------------------------------------------ the copy
def _find(source: Path) -> Iterator[Recording]:
    """The recordings of a copy by number, whatever folder the original script moved them to.

    Raises:
        UsageError: It is no copy of MusicNet.
        DataError: Audio without labels, or labels without audio.
    """
    root = next((folder for folder in (source, source / "musicnet") if (folder / "train_data").is_dir()), None)
    if root is None:
        if (source / "audio-train.npy").exists():
            raise UsageError(f"{source}: is mini-MusicNet already: `mlbench run {source}`")
        if source.suffix == ".npz" or (source / "musicnet.npz").exists():
            raise UsageError(f"{source}: musicnet.npz holds pickled objects, which can run code: take the wav release")
        raise UsageError(f"{source}: no copy of MusicNet: expected {LAYOUT}")
    found = []
    for part in PARTS:
        audio, labels = (
            {
                path.stem: path
                for path in (root / f"{part}_{kind}").glob(f"*{suffix}")
                if re.fullmatch(r"\d+", path.stem)
            }
            for kind, suffix in (("data", ".wav"), ("labels", ".csv"))
        )
        for stem in sorted(audio.keys() ^ labels.keys(), key=int):
            there, missing = (audio[stem], "labels") if stem in audio else (labels[stem], "audio")
            raise DataError(f"{there}: has no {missing}: expected {root / f'{part}_labels'}/{stem}.csv and its .wav")
        found += [Recording(number=int(stem), folder=part, audio=audio[stem], labels=labels[stem]) for stem in audio]
    yield from sorted(found, key=lambda one: (one.number, PARTS.index(one.folder)))


def _numbered(folder: Path, suffix: str) -> dict[str, Path]:
    """The files whose names are numbers; others, such as those that macOS leaves, are nobody's recordings."""
    return {path.stem: path for path in folder.glob(f"*{suffix}") if re.fullmatch(r"\d+", path.stem)}


def _check(split: Mapping[str, Sequence[Recording]], published: Mapping[int, str]) -> list[str]:
    """Notes on what is missing of the published split.

    Raises:
        DataError: A part without any recording.
    """
    there = {one.number for recordings in split.values() for one in recordings}
    missing = sorted(set(published) - there)
    for part, recordings in split.items():
        if not recordings:
            gone = [number for number in missing if published[number] == part]
            raise DataError(f"no recording for the {part} part: the copy lacks {_listed(gone) or 'all of them'}")
    if not missing:
        return []
    return [f"{len(missing)} recordings of the published split are missing: figures are not comparable with others"]


def _twins(split: Mapping[str, Sequence[Recording]]) -> tuple[set[int], list[str]]:
    """Numbers that stand in a later part than another version of their work; and the pairs, for people."""
    parts: dict[int, list[str]] = defaultdict(list)
    for part in PARTS:
        for recording in split.get(part, ()):
            parts[recording.number].append(part)
    twins: set[int] = set()
    pairs = []
    for one, other in VERSIONS:
        if parts[one] and parts[other] and parts[one][0] != parts[other][0]:
            twins.add(max((one, other), key=lambda number: PARTS.index(parts[number][0])))
            pairs.append(f"{one} ({parts[one][0]}) and {other} ({parts[other][0]})")
    for number, where in sorted(parts.items()):
        if len(where) > 1:
            twins.add(number)
            pairs.append(f"{number} ({' and '.join(where)})")
    return twins, pairs


# --------------------------------------------------------------------------------------- the windows
def _write_part(
    part: str, recordings: Sequence[Recording], context: MakeContext, report: _Report, done: int, total: int
) -> int:
    """Three files of a part, one recording after the other; gives how many recordings are done."""
    groups: list[int] = []
    n = len(recordings) * WINDOWS
    with (
        _Rows(context.folder / f"audio-{part}.npy", np.dtype(np.float32), SAMPLES, n) as audio,
        _Rows(context.folder / f"labels-{part}.npy", np.dtype(np.uint8), N_NOTES, n) as labels,
    ):
        for one in recordings:
            samples, notes = read_audio(one.audio), read_notes(one.labels)
            report.n_dropped_notes += notes.n_dropped
            if len(samples) < SAMPLES:
                report.too_short.append(one.number)
            else:
                at = centres(len(samples))
                X = cut(samples, at)
                report.n_silent_windows += int((~X.any(axis=1)).sum())
                audio.write(X)
                labels.write(sounding(notes, at))
                groups += [one.number] * WINDOWS
                report.about[part].append([one.number, round(len(samples) / RATE, 1), len(notes.pitch)])
            done += 1
            context.progress(done, total)
    if not groups:
        raise DataError(f"no recording for the {part} part is as long as a window")
    np.save(context.folder / f"groups-{part}.npy", np.array(groups, dtype=np.int64))
    return done


def centres(length: int) -> NDArray[np.int64]:
    """The sample in the middle of each window, evenly spaced between margins of ten seconds.

    A recording in which there is no room between them, of up to twenty seconds, has margins of a quarter of
    its length instead, or its centres would run backwards; no window leaves the recording.
    """
    margin = MARGIN if length - 2 * MARGIN >= WINDOWS - 1 else max(length // 4, SAMPLES // 2)
    return np.linspace(margin, length - margin, num=WINDOWS).astype(np.int64)


def cut(samples: NDArray[np.float32], at: NDArray[np.int64]) -> NDArray[np.float32]:
    """The windows around ``at``, each scaled to a peak of 1, silence as zeros: shape (n, SAMPLES)."""
    X = np.stack([samples[centre - SAMPLES // 2 : centre + SAMPLES // 2] for centre in at])
    peak = np.abs(X).max(axis=1, keepdims=True)
    np.divide(X, peak, out=X, where=peak > 0)
    return X


def sounding(notes: Notes, at: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The notes that sound at the samples ``at``, from their start up to their end: shape (n, N_NOTES)."""
    Y = np.zeros((len(at), N_NOTES), dtype=np.uint8)
    for row, centre in enumerate(at):
        Y[row, notes.pitch[(notes.start <= centre) & (centre < notes.end)]] = 1
    return Y


class _Rows:
    """An ``.npy`` file that grows by blocks of rows; the header is written anew when the count is known."""

    def __init__(self, file: Path, dtype: np.dtype[Any], width: int, most: int) -> None:
        self.file, self.dtype, self.width, self.n = file, dtype, width, 0
        self.most = most

    def __enter__(self) -> _Rows:
        self.stream = self.file.open("wb")
        self._header(self.most)
        return self

    def __exit__(self, *_: object) -> None:
        with self.stream:
            self.stream.seek(0)
            self._header(self.n)

    def _header(self, n: int) -> None:
        shape = (n, self.width)  # NumPy leaves room for a count of any length
        header = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self.stream, header)

    def write(self, rows: NDArray[Any]) -> None:
        """Append rows."""
        self.stream.write(np.ascontiguousarray(rows, dtype=self.dtype).data)
        self.n += len(rows)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _listed(numbers: Sequence[int], most: int = 8) -> str:
    more = f", … ({len(numbers)} in all)" if len(numbers) > most else ""
    return ", ".join(map(str, numbers[:most])) + more
