"""Suite files, and the durations and memory sizes used in them and on the command line."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlbench.data.formats import ReadOptions
from mlbench.errors import MlbenchError, UnknownName, UsageError
from mlbench.execution.plan import DEVICES
from mlbench.plugins.datasets import DatasetRequest

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def seconds(text: str) -> float:
    """Parse a duration such as ``"90"``, ``"90s"``, ``"10m"`` or ``"1h30m"`` to seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if not re.fullmatch(r"(\d+(\.\d+)?[smhd])+", text):
        raise UsageError(f"invalid duration {text!r}: write for example 90s, 10m or 1h30m")
    return sum(float(n) * _SECONDS[unit] for n, unit in re.findall(r"([\d.]+)([smhd])", text))


def n_bytes(text: str) -> int:
    """Parse a memory size such as ``"8G"`` or ``"512M"`` (powers of 1024) to bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text, flags=re.IGNORECASE)
    if match is None:
        raise UsageError(f"invalid memory size {text!r}: write for example 8G or 512M")
    return int(float(match[1]) * _BYTES[match[2].upper()])


def read_suite(path: Path) -> dict[str, Any]:
    """Read the settings of a suite file, with the keys of ``Request`` and ``Budget``, and ``[[datasets]]``.

    The ``name`` of a data set is a registered name or a path. ``$VARIABLE`` and ``~`` are expanded, and relative
    paths are relative to the suite file.

    Raises:
        UsageError: The file cannot be read, or a key, a value or a variable is invalid.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read suite {path}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"suite {path} is not valid TOML: {error}") from error
    try:
        chosen = _parsed(settings, _SUITE)
        entries = chosen.pop("datasets", [])
        if not entries:
            raise UsageError("no [[datasets]] entries")
        features = chosen.pop("features", ())
        return {**chosen, "datasets": [_dataset(_parsed(entry, _DATASET), features, path) for entry in entries]}
    except MlbenchError as error:
        raise UsageError(f"suite {path}: {error}") from error


def _dataset(entry: Mapping[str, Any], features: tuple[str, ...], suite: Path) -> DatasetRequest:
    if "name" not in entry:
        raise UsageError("a [[datasets]] entry lacks a name")
    roles = {key: value for key, value in entry.items() if key in _ROLES}
    for key in {"valid", "test", "join"} & roles.keys():
        roles[key] = _path(roles[key], suite)
    return DatasetRequest(
        name=_path(entry["name"], suite),
        options=ReadOptions(**roles),
        features=entry.get("features", features),
    )


def _path(text: str, suite: Path) -> str:
    """Expand variables in a name or a path; a path is relative to the suite file."""
    name = os.path.expandvars(text)
    if "$" in name:
        raise UsageError(f"{text}: environment variable not set")
    beside = suite.parent / Path(name).expanduser()
    return str(beside) if os.sep in name or beside.exists() else name


# ------------------------------------------------------------------------- what a value must be
def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a string")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a non-negative integer")
    return value


def _quantity(parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def quantity(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError("a string such as '10m' or '8G'")
        return parse(str(value))

    return quantity


def _list_of(one: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def several(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("a list")
        return tuple(one(item) for item in value)

    return several


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _device(value: Any) -> str:
    if value not in DEVICES:
        raise ValueError(f"one of {', '.join(DEVICES)}")
    return str(value)


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("a [[datasets]] table")
    return value


_SUITE: dict[str, Callable[[Any], Any]] = {
    "datasets": _list_of(_table),
    "models": _list_of(_text),
    "features": _list_of(_text),
    "seeds": _list_of(_whole),
    "n_trials": _whole,
    "timeout": _quantity(seconds),
    "trial_timeout": _quantity(seconds),
    "memory_limit": _quantity(n_bytes),
    "metric": _text,
    "refit": _text,
    "device": _device,
    "limit": _whole,
}
_ROLES: dict[str, Callable[[Any], Any]] = {
    "labels": _list_of(_text),
    "drop": _list_of(_text),
    "text": _list_of(_text),
    "groups": _text,
    "split": _text,
    "fold": _whole,
    "key": _text,
    "join": _text,
    "label_separator": _text,
    "positive": _list_of(_text),
    "unknown": _list_of(_text),
    "one_hot": _flag,
    "decimal": _text,
    "delimiter": _text,
    "encoding": _text,
    "valid": _text,
    "test": _text,
}
"""The fields of ``ReadOptions``."""
_DATASET: dict[str, Callable[[Any], Any]] = {"name": _text, "features": _list_of(_text), **_ROLES}


def _parsed(entry: Mapping[str, Any], known: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Parse the values of a table by their keys."""
    parsed = {}
    for key, value in entry.items():
        if key not in known:
            raise UnknownName("key", key, known)
        try:
            parsed[key] = known[key](value)
        except ValueError as error:
            raise UsageError(f"{key} = {value!r}: expected {error}") from error
    return parsed
