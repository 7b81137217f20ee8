"""Reading and writing the text of a record, whichever schema it was written in.

A migration takes the plain values of one schema to those of the next. None is ever removed: the golden
ledgers in ``tests/golden`` are read by every later version.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from mlbench.errors import LedgerError
from mlbench.results.schema import RECORD_SCHEMA, Record

Values = dict[str, Any]
_CHANGED_NAME = re.compile(r"(?P<base>.+?)(?P<twins>-no-twins)?(?:-limit-(?P<limit>\d+))?")
"""How schema 1 said what ``--drop-twins`` and ``--limit`` had done: by the data set's name alone."""
MICRO = "average_precision_micro"


def to_json(record: Record) -> str:
    """Return the text of ``record.json``, in the present schema."""
    return _text({**record.as_dict(), "schema_version": RECORD_SCHEMA})


def from_json(text: str) -> Record:
    """Return the record of a text in any schema up to the present one.

    Raises:
        ValueError: The text is damaged: a bit changed, or a field is missing.
        LedgerError: A newer mlbench wrote it.
    """
    body = json.loads(text)
    if not isinstance(body, dict) or body.pop("sha256", None) != _sha256(body):
        raise ValueError("the checksum does not match")
    if _text(body) != text:  # a number can be formatted in several ways
        raise ValueError("the text is not in the form that mlbench writes")
    version = body.get("schema_version")
    if not isinstance(version, int) or not 1 <= version <= RECORD_SCHEMA:
        raise LedgerError(f"job {body.get('id')} was recorded by a newer version of mlbench: upgrade")
    try:
        migrated = body
        for step in range(version, RECORD_SCHEMA):
            migrated = MIGRATIONS[step](migrated)
        record: Record = _built(Record, {**migrated, "schema_version": version})
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"a field is missing: {error}") from error
    return record


def _from_1(old: Values) -> Values:
    """``figures`` became ``metrics``; the tuned metric of trial 0 is known only where it is micro AP."""
    new = {name: value for name, value in old.items() if name != "figures"}
    new["metrics"] = old.get("figures", {})
    new["n_trials_timed_out"] = None
    tunes = old.get("best_params") or old.get("default_params")
    new["n_trials_asked"] = old["job"]["budget"]["n_trials"] if tunes else 1
    changed = _CHANGED_NAME.fullmatch(old["dataset"]["name"])
    if changed:
        limit = int(changed["limit"]) if changed["limit"] else None
        how = {"base_name": changed["base"], "limit": limit, "drop_twins": changed["twins"] is not None}
        new["dataset"] = {**old["dataset"], **how}
    if old["job"]["budget"]["metric"] == MICRO:
        new["default_value"] = old.get("default_average_precision_micro")
    return new


def _from_2(old: Values) -> Values:
    """Every definition of a metric had its first version."""
    names = {name for split in old.get("metrics", {}).values() for name in split}
    return {**old, "metric_versions": dict.fromkeys(sorted(names), 1)}


MIGRATIONS: Mapping[int, Callable[[Values], Values]] = {1: _from_1, 2: _from_2}
"""By the schema that a migration starts from."""


def _built(kind: Any, values: Values) -> Any:
    """Return the dataclass of these plain values, nested ones included."""
    unknown = values.keys() - {one.name for one in fields(kind)}
    if unknown:
        raise LedgerError(f"a record has {', '.join(sorted(unknown))}, which this mlbench does not know: upgrade")
    types = get_type_hints(kind)
    found = {}
    for name, value in values.items():
        if is_dataclass(types[name]):
            found[name] = _built(types[name], value)
        else:
            found[name] = tuple(value) if types[name] in _TUPLES else value
    return kind(**found)


_TUPLES = (tuple[str, ...], tuple[float, ...])


def _text(body: Values) -> str:
    return json.dumps({**body, "sha256": _sha256(body)}, sort_keys=True, indent=1, allow_nan=False) + "\n"


def _sha256(body: Values) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, allow_nan=False).encode()).hexdigest()
