"""Writing what people read."""

from __future__ import annotations

from pathlib import Path

from mlbench.data.files import atomic_write


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` as a whole, or leave it alone when it is the same.

    Raises:
        OSError: It cannot be written.
    """
    data = text.encode()
    if path.exists() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, data)
