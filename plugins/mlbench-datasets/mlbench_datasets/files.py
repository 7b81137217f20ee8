"""The files of a data set: downloaded or copied, and each of them checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pooch
import requests

from mlbench import DataError, MakeContext, UsageError
from mlbench_datasets.table import ORIGIN, Entry, File

MIRROR = "MLBENCH_DATASETS_URL"
"""Environment variable with the address of a mirror, which has the files at ``mulan/NAME/FILE``."""
TIMEOUT = 30.0
"""Seconds in which a server must answer, and after which one that sends nothing more is given up."""
RETRIES = 2
"""How often a download is tried again after a fault that may pass."""
BLOCK = 1 << 16
PASSING = (requests.codes.request_timeout, requests.codes.too_many_requests)
"""HTTP statuses that may be another one soon, beside those of a server at fault."""
LENGTHS = ("Content-Length", "Transfer-Encoding")
"""Headers of which one tells where a transfer ends."""


def make(entry: Entry, context: MakeContext) -> None:
    """Write the files of a data set to the folder of ``context``.

    They are copied from ``context.source`` if that is given, else downloaded; a file that an interrupted
    download left complete is not downloaded again.

    Raises:
        UsageError: A file cannot be downloaded, or the source has no such file.
        DataError: A file is not the published one.
    """
    known = {file.name for file in entry.files}
    for leftover in context.folder.iterdir():
        if leftover.name not in known:  # a download that was killed leaves a temporary file
            leftover.unlink()
    base = "" if context.source is not None else _base(entry)
    for done, file in enumerate(entry.files, start=1):
        if context.source is not None:
            _copy(entry, file, context.source, context.folder)
        else:
            _fetch(entry, file, base, context.folder)
        context.progress(done, len(entry.files))


# ------------------------------------------------------------------------------------------- copying
def _copy(entry: Entry, file: File, source: Path, folder: Path) -> None:
    path = source / file.name
    if not path.is_file():
        names = ", ".join(file.name for file in entry.files)
        raise UsageError(f"{path}: no such file: --from takes a folder with {names}")
    try:
        with path.open("rb") as stream:
            content = stream.read(file.n_bytes + 1)  # a byte more shows that the file is too long
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    _check(file, str(path), len(content), hashlib.sha256(content).hexdigest())
    (folder / file.name).write_bytes(content)


def _check(file: File, where: str, n_bytes: int, sha256: str) -> None:
    """Compare what came with what was published.

    Raises:
        DataError: They differ.
    """
    if n_bytes > file.n_bytes:
        raise DataError(f"{where}: not the published file: more than the expected {file.n_bytes:,} bytes")
    if sha256 != file.sha256:
        expected = f"expected {file.sha256} ({file.n_bytes:,} bytes)"
        raise DataError(f"{where}: not the published file: SHA-256 is {sha256} ({n_bytes:,} bytes), {expected}")


# --------------------------------------------------------------------------------------- downloading
def _base(entry: Entry) -> str:
    """Return the address of the folder that has the files, with a slash at the end.

    Raises:
        UsageError: The mirror is not an address of the web.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return f"{ORIGIN}/{entry.name}/"
    try:
        parts = urlsplit(mirror)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number
        valid = False
    if not valid:
        raise UsageError(f"{MIRROR} is {mirror!r}: expected an address that begins with http:// or https://")
    return f"{mirror.rstrip('/')}/mulan/{entry.name}/"


def _fetch(entry: Entry, file: File, base: str, folder: Path) -> None:
    """Download a file into the folder, if it is not there with the right hash.

    Raises:
        UsageError: It cannot be downloaded.
        DataError: The server has other bytes.
    """
    pooch.get_logger().setLevel("WARNING")  # what there is to say is said in one line at the end
    registry = {file.name: f"sha256:{file.sha256}"}
    keeper = pooch.create(path=folder, base_url=base, registry=registry, retry_if_failed=RETRIES)
    download = _Download(file)
    try:
        keeper.fetch(file.name, downloader=download)
    except (_Refused, requests.RequestException) as error:
        after = f" after {download.n_bytes:,} of {file.n_bytes:,} bytes" if download.n_bytes else ""
        advice = f"give a copy with `mlbench data make {entry.name} --from FOLDER`"
        raise UsageError(f"cannot download {_shown(base + file.name)}: {_reason(error)}{after}; {advice}") from error
    (folder / file.name).chmod(0o644)  # it was a temporary file, which only its owner can read


class _Refused(Exception):  # noqa: N818 - the server's answer
    """The server does not give the file, and would not if asked again."""


class _Download:
    """Downloads a file for pooch, which calls it again after a ``RequestException`` and moves the file into place.

    Attributes:
        n_bytes: How many bytes came at the last try.
    """

    def __init__(self, file: File) -> None:
        self.file = file
        self.n_bytes = 0

    def __call__(self, url: str, output_file: str, keeper: object) -> None:
        """Download ``url`` to ``output_file``.

        Raises:
            requests.RequestException: A fault that may pass.
            _Refused: One that will not.
            DataError: Other bytes came than were published.
        """
        self.n_bytes = 0
        digest = hashlib.sha256()
        with requests.get(url, stream=True, timeout=TIMEOUT) as response, Path(output_file).open("wb") as output:
            if response.status_code != requests.codes.ok:
                answer = f"HTTP {response.status_code} {response.reason}"
                passing = response.status_code >= 500 or response.status_code in PASSING
                raise requests.HTTPError(answer) if passing else _Refused(answer)
            for block in response.iter_content(BLOCK):
                self.n_bytes += len(block)
                if self.n_bytes > self.file.n_bytes:
                    break  # more than this is not stored, whatever the server sends
                digest.update(block)
                output.write(block)
        if self.n_bytes < self.file.n_bytes and not any(name in response.headers for name in LENGTHS):
            raise requests.ConnectionError("the transfer ended")  # requests cannot tell that it was not whole
        _check(self.file, _shown(url), self.n_bytes, digest.hexdigest())


def _reason(error: Exception) -> str:
    """Say in a few words why a download failed."""
    chain = list(_causes(error))
    if any(isinstance(one, requests.Timeout | TimeoutError) for one in chain):
        return f"the server sent nothing for {TIMEOUT:g} seconds"
    of_the_system = [one.strerror for one in chain if isinstance(one, OSError) and one.strerror]
    return " ".join((of_the_system or [str(error)])[-1].split())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, what it came from, what that came from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _shown(url: str) -> str:
    """Return an address without a name and password that it may have."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
