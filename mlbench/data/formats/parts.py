"""Which files make up a data set: the words that name its splits, folds, and families of files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mlbench.data.formats.base import bare_stem, files_in, listed
from mlbench.errors import DataError, UsageError

PART_WORDS = {
    "train": ("train", "training", "trn", "tra"),
    "valid": ("valid", "validation", "val", "dev"),
    "test": ("test", "testing", "tst"),
}
"""The words for each split, in file names and in split columns, in lower case."""
PART_OF = {word: part for part, words in PART_WORDS.items() for word in words}
_WORDS = "|".join(sorted(PART_OF, key=len, reverse=True))
_PART = re.compile(rf"(?:^|[^A-Za-z]+)({_WORDS})(?=[^A-Za-z]|$)", re.IGNORECASE)
_FOLD = re.compile(r"(?:fold|cv)[-_.]?(\d+)|-\d+-(\d+)(?=tra|tst)", re.IGNORECASE)


def part_of(stem: str) -> str | None:
    """Return the split that a file name states, such as ``test`` for ``yeast-tst``, or None."""
    found = _PART.findall(stem)
    return PART_OF[found[-1].lower()] if found else None


def family_of(stem: str) -> str:
    """Return the name that all files of one data set share: ``yeast`` for ``yeast-train``, empty for ``train``."""
    matches = list(_PART.finditer(stem))
    bare = stem if not matches else stem[: matches[-1].start()] + stem[matches[-1].end() :]
    return bare.strip("-_. ")


def fold_of(stem: str) -> int | None:
    """Return the number of the fold that a file name states, such as 3 for ``yeast-fold3-train``, or None."""
    found = _FOLD.search(stem)
    return int(found[1] or found[2]) if found else None


def parts_in(path: Path, suffixes: tuple[str, ...], what: str, fold: int | None = None) -> dict[str, Path]:
    """Find the file of each split: ``train``, and ``valid`` and ``test`` where they exist.

    Args:
        path: One file, which is then all of train, or a folder with the files of one data set. If the folder has
            both a pair of train and test files and a file with all rows, the pair is used.
        suffixes: The suffixes of the format.
        what: What the files are, in the plural, for messages.
        fold: The fold whose files are wanted, or None.

    Raises:
        UsageError: The files are folds, and it is not said which one is wanted.
        DataError: The folder has several data sets, or no train file.
    """
    return {"train": path} if path.is_file() else assigned(files_in(path, suffixes), path, what, fold)


def assigned(files: Sequence[Path], folder: Path, what: str, fold: int | None = None) -> dict[str, Path]:
    """Return the file of each split among ``files``; ``parts_in`` describes arguments and errors."""
    stems = {file: bare_stem(file) for file in files}
    folds = sorted({number for stem in stems.values() if (number := fold_of(stem)) is not None})
    if folds:
        if fold is None and len(folds) > 1:
            raise UsageError(f"{folder}: the files are folds {listed(map(str, folds))}: choose one with --fold")
        if fold is not None and fold not in folds:
            raise UsageError(f"{folder}: no files of fold {fold}; available: {listed(map(str, folds))}")
        stems = {
            file: stem for file, stem in stems.items() if fold_of(stem) in (fold, folds[0] if fold is None else fold)
        }
    if len({family_of(stem) for stem in stems.values()}) != 1:
        names = listed(file.name for file in stems)
        raise DataError(f"{folder}: several data sets in one folder ({what}: {names}): give the path of one")
    by_part: dict[str, Path] = {}
    for file, stem in stems.items():
        part = part_of(stem) or "all"
        if part in by_part:
            said = "hold all rows" if part == "all" else f"are both the {part} split"
            raise DataError(f"{folder}: {by_part[part].name} and {file.name} {said}: keep one of them")
        by_part[part] = file
    everything = by_part.pop("all", None)
    if everything is not None and not {"train", "test"} <= by_part.keys():
        return {"train": everything}
    if "train" not in by_part:
        first = next(iter(stems))
        wanted = first.name.replace(stems[first], "-".join(filter(None, (family_of(stems[first]), "train"))))
        raise DataError(f"{folder}: {listed(f.name for f in stems)}, but no train split: name it {wanted}")
    return {part: by_part[part] for part in PART_WORDS if part in by_part}
