"""What the names of arrays and of their files say: ``X_train``, ``trn_X_Xf`` and ``Y-mask-test``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mlbench.data.formats.parts import PART_OF


class Role(NamedTuple):
    """What an array is.

    Attributes:
        key: ``X``, ``Y``, ``mask``, ``groups``, ``split``, ``label_names``, ``feature_names`` or ``unclear``.
        part: The split that it belongs to; None if its name states none.
    """

    key: str
    part: str | None


OF_ROWS = {
    "X": ("x", "features", "data"),
    "Y": ("y", "labels", "targets", "target", "y true"),
    "mask": ("y mask", "labels mask", "label mask", "targets mask", "known", "y known"),
    "groups": ("groups", "group"),
}
"""The names of arrays that have a row for each row of the data."""
OF_ALL = {
    "split": ("split", "splits"),
    "label_names": ("label names", "labelnames"),
    "feature_names": ("feature names", "featurenames"),
    "unclear": ("mask",),
}
"""The names of arrays that there is one of; ``mask`` could mean that labels are known, or that they are not."""
OF_REPOSITORY = {"X": ("x xf",), "Y": ("x y",)}
"""The names of the matrices of the Extreme Classification Repository."""
_SEPARATORS = re.compile(r"[-_. ]+")


def _roles(names_of: Mapping[str, Sequence[str]], with_parts: bool) -> dict[str, Role]:
    """Return the role of each name, in lower case and without separators; the split may stand anywhere."""
    found = {}
    for key, names in names_of.items():
        for words in (name.split() for name in names):
            found["".join(words)] = Role(key, None)
            for word, part in PART_OF.items() if with_parts else ():
                for place in range(len(words) + 1):
                    found["".join([*words[:place], word, *words[place:]])] = Role(key, part)
    return found


_ROLES_OF_TEXT = _roles(OF_REPOSITORY, True) | _roles(OF_ALL, False)
_ROLES = _roles(OF_ROWS, True) | _ROLES_OF_TEXT


def role_of(name: str, text: bool = False) -> Role | None:
    """Return what an array is by its name, or None if the name does not say.

    Args:
        name: The name, such as ``X_train``.
        text: Whether it is a text file. Many text files that are called ``Y`` or ``data-train`` are no matrices, so
            only names that the Extreme Classification Repository gives to matrices say so.
    """
    bare = _SEPARATORS.sub("", name.lower())
    return (_ROLES_OF_TEXT if text else _ROLES).get(bare)
