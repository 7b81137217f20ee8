"""The pieces of the installed music21's corpus, and how they are dealt out so that no work is in two parts."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from mlbench import UsageError, data_home
from mlbench_music.scores import SUFFIXES, Score, read_score

NOT_INSTALLED = "the scores of music21 are not installed: pip install music21==10.5.1"
FORMAT = 1
"""Raised whenever reading gives other notes, so that old caches are not used."""
COMPOSERS = (
    *("bach", "beach", "beethoven", "corelli", "cpebach", "handel", "haydn", "joplin", "monteverdi", "mozart"),
    *("schubert", "schumann_clara", "schumann_robert", "verdi", "weber"),
)
"""Folders that are read. Left out: what carries a publisher's claim, demos, lead sheets, exercises."""
COMMON = ("bach", "monteverdi")
"""Of these there is plenty: the others are dealt out first."""
FEWEST_NOTES = 50
INCIPIT = 24
"""Notes of the top part that make two pieces the same music."""
_UNREADABLE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)
FIELDS = ("onset", "duration", "pitch", "part")


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """A piece of the corpus.

    Attributes:
        name: Its file, from the corpus folder on.
        work: What it is a movement, or a version, of.
        incipit: The first intervals of the top part: the same in every key.
        score: Its notes.
    """

    name: str
    work: str
    incipit: tuple[int, ...]
    score: Score


def music21_version() -> str:
    """Of the installed one.

    Raises:
        UsageError: There is none.
    """
    try:
        return version("music21")
    except PackageNotFoundError as error:
        raise UsageError(NOT_INSTALLED) from error


def read_corpus(executor: Executor) -> list[Piece]:
    """All usable pieces, by name; read from MusicXML once, then from a cache in the data home.

    Raises:
        UsageError: music21 is not installed, or has no corpus.
    """
    cache = data_home() / f"music21-{music21_version()}-notes-{FORMAT}.npz"
    with contextlib.suppress(*_UNREADABLE):  # not there yet, or broken: made anew
        return _load(cache)
    corpus = _corpus_folder()
    files = [path for path in sorted(corpus.rglob("*")) if path.suffix in SUFFIXES and _wanted(path, corpus)]
    by_size = sorted(files, key=lambda path: -path.stat().st_size)  # the longest first: all cores end together
    futures = {path: executor.submit(read_score, path) for path in by_size}
    found = [(path.relative_to(corpus).as_posix(), futures[path].result()) for path in files]
    pieces = [piece(name, score) for name, score in found if score.in_step and len(score) >= FEWEST_NOTES]
    with contextlib.suppress(OSError):  # a cache: it costs time to be without, nothing else
        _save(cache, pieces)
    return pieces


def piece(name: str, score: Score) -> Piece:
    """A piece with its work and its incipit."""
    top = score.pitch[score.part == score.part.min()][:INCIPIT]
    return Piece(name=name, work=_work(name), incipit=tuple(np.diff(top).tolist()), score=score)


def deal(pieces: Sequence[Piece], counts: Sequence[int], seed: int) -> list[list[int]]:
    """Indices of as many pieces as ``counts`` says for each part; no work and no incipit is in two parts.

    Args:
        pieces: What there is.
        counts: How many each part gets.
        seed: Of the order in which they are dealt out.

    Raises:
        UsageError: There are not enough.
    """
    families = _families(pieces)
    order = np.random.default_rng([seed, 1]).permutation(len(families))
    shuffled = sorted((families[i] for i in order), key=lambda family: pieces[family[0]].name.startswith(COMMON))
    parts: list[list[int]] = [[] for _ in counts]
    for family in shuffled:
        missing = [count - len(part) for count, part in zip(counts, parts, strict=True)]
        fitting = [i for i, room in enumerate(missing) if room >= len(family)]
        if fitting:
            neediest = max(fitting, key=lambda i: missing[i] / counts[i])
            parts[neediest] += family
    if any(len(part) < count for part, count in zip(parts, counts, strict=True)):
        raise UsageError(f"the corpus has too few pieces for {sum(counts)} recordings: {len(pieces)}")
    return [sorted(part) for part in parts]


def _families(pieces: Sequence[Piece]) -> list[list[int]]:
    """Pieces that are joined by a work or an incipit, directly or through others."""
    parent = list(range(len(pieces)))

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    keys: Iterable[Callable[[Piece], object]] = (lambda one: one.work, lambda one: one.incipit)
    for key in keys:
        first: dict[object, int] = {}
        for i, one in enumerate(pieces):
            parent[root(i)] = root(first.setdefault(key(one), i))
    families: dict[int, list[int]] = {}
    for i in range(len(pieces)):
        families.setdefault(root(i), []).append(i)
    return list(families.values())


def _work(name: str) -> str:
    """``bach/bwv248`` of ``bach/bwv248.42-4.mxl``: movements and versions are one work."""
    composer, rest = name.split("/", 1)
    catalogue = re.match(r"(bwv\d+|madrigal\.\d+\.\d+|opus\d+no\d+|opus\d+|k\d+|[^/.]+)", rest)
    return f"{composer}/{catalogue[1] if catalogue else rest}"


def _corpus_folder() -> Path:
    found = importlib.util.find_spec("music21")  # looked up, not imported: that takes seconds
    folder = Path(found.origin).parent / "corpus" if found is not None and found.origin else None
    if folder is None or not folder.is_dir():
        raise UsageError(NOT_INSTALLED)
    return folder


def _wanted(path: Path, corpus: Path) -> bool:
    return path.relative_to(corpus).parts[0] in COMPOSERS


def _save(cache: Path, pieces: Sequence[Piece]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {field: np.concatenate([getattr(one.score, field) for one in pieces]) for field in FIELDS}
    about = [(one.name, len(one.score), one.score.tempo) for one in pieces]
    making = cache.with_name(f"{cache.stem}-{os.getpid()}.making.npz")
    np.savez_compressed(making, about=np.array(json.dumps(about)), **arrays)
    making.rename(cache)


def _load(cache: Path) -> list[Piece]:
    with cache.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
        arrays = {field: stored[field] for field in FIELDS}
        about = json.loads(str(stored["about"]))
    pieces, start = [], 0
    for name, length, tempo in about:
        rows = slice(start, start + length)
        pieces.append(piece(name, Score(**{field: arrays[field][rows] for field in FIELDS}, tempo=tempo)))
        start += length
    return pieces
