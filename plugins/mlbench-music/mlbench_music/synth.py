"""``synth-musicnet``: real scores, played by sampled instruments, in mini-MusicNet's layout.

Every recording has random numbers of its own, drawn from the seed and the piece's name, and rows of its own
in the files: in whatever order and in however many processes recordings are made, the bytes are the same.
A line in a log says which are there, so that an interrupted make goes on.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from mlbench import MakeContext, UsageError
from mlbench_music.corpus import Piece, deal, music21_version, read_corpus
from mlbench_music.performance import perform
from mlbench_music.rendering import LABELS, SAMPLES, centres, labels, misaligned, render
from mlbench_music.soundfont import RATE, SoundFont
from mlbench_music.variants import CITATION, SIZES, WARNING, Size, name_of, names, options

ENGINE = "numpy-soundfont-1"
"""Raised whenever other bytes are made from the same options."""
PARTS = ("train", "valid", "test")
RECIPE, DONE, MANIFEST = "recipe.json", "done.jsonl", "manifest.json"
PERFORMANCE, AUDIO, ERRORS = range(3)
"""What a recording's random numbers are for; each has its own, so that a knob changes only what it names."""


def make(context: MakeContext) -> None:
    """Write audio, labels, groups and manifest of the variant that the options describe.

    Raises:
        UsageError: An option out of range, or nothing installed to make it from.
        DataError: A SoundFont that cannot be read.
    """
    recipe = _recipe(context.options)
    folder = context.folder
    if _stored(folder / RECIPE) != recipe:
        for leftover in folder.iterdir():  # the folder itself stays: it holds the lock
            leftover.unlink()
        (folder / RECIPE).write_text(json.dumps(recipe), encoding="utf-8")
    pieces = read_corpus(context.executor)
    size = SIZES[recipe["size"]]
    dealt = deal(pieces, size.recordings, recipe["seed"])
    tasks = list(_tasks(pieces, dealt, size, context))
    for part, indices, windows in zip(PARTS, dealt, size.windows, strict=True):
        _allocate(folder / f"audio-{part}.npy", (len(indices) * windows, SAMPLES), np.dtype(np.float32))
        _allocate(folder / f"labels-{part}.npy", (len(indices) * windows, LABELS), np.dtype(np.uint8))
    done = _read_done(folder / DONE)
    with (folder / DONE).open("a", encoding="utf-8") as log:
        context.progress(len(done), len(tasks))
        futures: list[Future[dict[str, Any]]] = [
            context.executor.submit(make_recording, task) for task in tasks if task.group not in done
        ]
        for future in as_completed(futures):
            line = future.result()
            done[line["group"]] = line
            log.write(json.dumps(line) + "\n")
            log.flush()
            os.fsync(log.fileno())
            context.progress(len(done), len(tasks))
    _finish(folder, recipe, [(task, done[task.group]) for task in tasks])


# ---------------------------------------------------------------------------------------- one recording
@dataclass(frozen=True, kw_only=True)
class Task:
    """One recording to make.

    Attributes:
        folder: Of the data set.
        part: ``train``, ``valid`` or ``test``.
        group: Number of the recording.
        row: Its first row in the files of its part.
        windows: How many rows it has.
        piece: What is played.
        font: A SoundFont's path.
        seed: Of the data set.
        misalignment_ms: See ``options``.
        noise_db: See ``options``.
    """

    folder: Path
    part: str
    group: int
    row: int
    windows: int
    piece: Piece
    font: Path
    seed: int
    misalignment_ms: float
    noise_db: float

    def rng(self, what: int) -> np.random.Generator:
        """Random numbers of this piece, for one purpose."""
        key = int.from_bytes(hashlib.blake2b(self.piece.name.encode(), digest_size=8).digest(), "big")
        return np.random.default_rng([self.seed, key, what])


def make_recording(task: Task) -> dict[str, Any]:
    """Play a piece and write its rows; gives the line of the log."""
    recording = perform(task.piece, task.rng(PERFORMANCE), task.noise_db)
    at = centres(recording.length, task.windows)
    X = render(recording, at, _font(task.font), task.rng(AUDIO))
    Y = labels(recording, misaligned(at, task.rng(ERRORS), task.misalignment_ms))
    _write_rows(task.folder / f"audio-{task.part}.npy", task.row, X)
    _write_rows(task.folder / f"labels-{task.part}.npy", task.row, Y)
    about = {"piece": recording.name, "ensemble": recording.ensemble}
    return {"group": task.group, **about, "seconds": round(recording.length / RATE, 1)}


@lru_cache(maxsize=2)
def _font(path: Path) -> SoundFont:
    return SoundFont(path)


def _tasks(pieces: list[Piece], dealt: list[list[int]], size: Size, context: MakeContext) -> Iterator[Task]:
    usual = _usual_font()
    test = Path(context.options["test_font"]).expanduser() if context.options["test_font"] else usual
    group = 0
    for part, indices, windows in zip(PARTS, dealt, size.windows, strict=True):
        for place, index in enumerate(indices):
            yield Task(
                folder=context.folder,
                part=part,
                group=group,
                row=place * windows,
                windows=windows,
                piece=pieces[index],
                font=test if part == "test" else usual,
                seed=context.options["seed"],
                misalignment_ms=context.options["misalignment_ms"],
                noise_db=context.options["noise_db"],
            )
            group += 1


# ---------------------------------------------------------------------------------------------- files
def _allocate(file: Path, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """An ``.npy`` file of zeros, unless it is there: rows are written into it in any order."""
    if file.exists():
        return
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    making = file.with_suffix(".making")
    with making.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.truncate(stream.tell() + shape[0] * shape[1] * dtype.itemsize)
    making.rename(file)


def _write_rows(file: Path, row: int, rows: np.ndarray[Any, Any]) -> None:
    """Rows into their place, on disk when this returns; no memory map, whose pages would count as ours."""
    with file.open("r+b") as stream:
        np.lib.format.read_magic(stream)
        np.lib.format.read_array_header_1_0(stream)
        stream.seek(row * rows[0].nbytes, os.SEEK_CUR)
        stream.write(np.ascontiguousarray(rows).data)
        stream.flush()
        os.fsync(stream.fileno())


def _stored(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _read_done(file: Path) -> dict[int, dict[str, Any]]:
    """The lines of the log by recording; one that was cut short is cut off, and its recording made again."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        os.truncate(file, len(whole.encode()))
    lines = [json.loads(line) for line in whole.splitlines()]
    return {line["group"]: line for line in lines}


def _finish(folder: Path, recipe: dict[str, Any], made: list[tuple[Task, dict[str, Any]]]) -> None:
    """Groups and manifest; the recipe and the log have done their service."""
    recordings: dict[str, list[list[Any]]] = {part: [] for part in PARTS}
    for task, line in made:
        recordings[task.part].append([line["group"], line["piece"], line["ensemble"], line["seconds"]])
    statistics = {}
    for part in PARTS:
        groups = [np.full(task.windows, task.group) for task, _ in made if task.part == part]
        np.save(folder / f"groups-{part}.npy", np.concatenate(groups).astype(np.int64))
        Y = np.load(folder / f"labels-{part}.npy", mmap_mode="r", allow_pickle=False)
        statistics[part] = {
            "cardinality": round(float(Y.sum() / len(Y)), 3),
            "labels_with_positives": int(Y.any(axis=0).sum()),
            "share_without_label": round(float((~Y.any(axis=1)).mean()), 4),
        }
    files = sorted(folder.glob("*.npy"))
    manifest = {
        "name": recipe["name"],
        "warnings": [f"{recipe['name']} is a {WARNING}"],
        "citation": CITATION,
        "recipe": recipe,
        "statistics": statistics,
        "recordings": recordings,
        "files": {file.name: _sha256(file) for file in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name in (RECIPE, DONE):
        (folder / name).unlink()


def _recipe(values: Mapping[str, Any]) -> dict[str, Any]:
    """All that the bytes depend on."""
    if values["seed"] < 0 or values["misalignment_ms"] < 0:
        raise UsageError("--seed and --misalignment-ms must not be below 0")
    if not -100 <= values["noise_db"] <= 100 or values["misalignment_ms"] > 10_000:
        raise UsageError("--noise-db must be between -100 and 100, --misalignment-ms at most 10000")
    test_font = Path(values["test_font"]).expanduser() if values["test_font"] else _usual_font()
    if not test_font.is_file():
        raise UsageError(f"{test_font}: there is no such SoundFont")
    return {
        "name": _name(values),
        **{key: values[key] for key in ("size", "seed", "misalignment_ms", "noise_db")},
        **{f"{key}_of_each": value for key, value in asdict(SIZES[values["size"]]).items()},
        "engine": ENGINE,
        "numpy": version("numpy"),
        "music21": music21_version(),
        "font_sha256": _sha256(_usual_font()),
        "test_font_sha256": _sha256(test_font),
    }


def _name(values: Mapping[str, Any]) -> str:
    """The name of a variant that is known by name; else one that no other options have."""
    for name, size, preset in names():
        if all(values[option.name] == option.default for option in options(size, preset)):
            return name
    digest = hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()
    return f"{name_of(values['size'], '')}-{digest[:8]}"


def _usual_font() -> Path:
    found = importlib.util.find_spec("pretty_midi")  # looked up, not imported
    font = Path(found.origin).parent / "TimGM6mb.sf2" if found is not None and found.origin else None
    if font is None or not font.is_file():
        raise UsageError("the SoundFont of pretty_midi is not installed: pip install pretty_midi==0.2.11.post0")
    return font


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
