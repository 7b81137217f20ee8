"""What the tests share: a mirror that fails as it is told, and the command in a process of its own."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlbench_datasets import files


class Mirror(ThreadingHTTPServer):
    """A server on this machine with the files under ``root``, and the address ``url``.

    Attributes:
        asked: The names of the files that were asked for, in order.
        faults: By name of file, what goes wrong; see ``_Handler``.
        times: By name of file, how often it still goes wrong; always if it is not there.
        go_on: Set when those who wait may go on.
    """

    daemon_threads = True

    def __init__(self, root):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root = root
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[str] = []
        self.faults: dict[str, str] = {}
        self.times: dict[str, int] = {}
        self.go_on = threading.Event()

    def handle_error(self, request, client_address):
        """Say nothing about clients that hang up."""

    def fault(self, name):
        """Return what goes wrong with this request, or an empty text."""
        if name in self.times:
            self.times[name] -= 1
            if self.times[name] < 0:
                return ""
        return self.faults.get(name, "")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.server.root / self.path.removeprefix("/")
        self.server.asked.append(path.name)
        content = path.read_bytes() if path.is_file() else b""
        fault = self.server.fault(path.name) or ("" if content else "404")
        if fault.isdigit():
            self.send_error(int(fault))
            return
        if fault == "other bytes":
            content = content[:100] + bytes([content[100] ^ 1]) + content[101:]
        elif fault == "a page":
            content = b"<html>Please log in</html>"
        self.send_response(200)
        if fault not in ("ends early", "endless"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if fault in ("ends early", "breaks off", "reset", "stalls", "waits"):
            self.wfile.write(content[: len(content) // 2])
        if fault == "reset":  # closed without a farewell
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "endless":
            while True:
                self.wfile.write(content)
        elif fault in ("stalls", "waits"):
            self.server.go_on.wait(10 if fault == "stalls" else 60)
            if fault == "waits":
                self.wfile.write(content[len(content) // 2 :])
        elif fault not in ("ends early", "breaks off"):
            self.wfile.write(content)

    def log_message(self, *_):
        """Keep no log."""


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data; it must be there in CI."""
    root = Path(os.environ.get("MLBENCH_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
    if not (root / "mulan").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{root / 'mulan'} is missing: set MLBENCH_SHARED_DATA")
        pytest.skip("MLBENCH_SHARED_DATA names no folder with mulan/yeast")
    return root


@pytest.fixture
def mirror(shared_data):
    """A mirror of its own for each test, so that the tests do not see each other's requests."""
    with Mirror(shared_data) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path):
    """The data home of the test."""
    return tmp_path / "home"


@pytest.fixture
def start(tmp_path, home):
    """Start the command: words, the address of the mirror -> process. Waits between tries are left out."""
    started = []

    def start(*words, url, before="", **environment):
        code = f"""
import time, mlbench_datasets.files as files
time.sleep = lambda seconds: None
{before}
from mlbench.cli.main import main
main()
"""
        known = {"MLBENCH_DATA": str(home), files.MIRROR: url, "NO_PROXY": "127.0.0.1", "PYTHONWARNINGS": "error"}
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, words)],
            cwd=tmp_path, env=os.environ | known | environment,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def mlbench(start):
    """Run the command to its end: as ``start`` -> exit code, stdout, and stderr without lines of progress."""

    def run(*words, **more):
        process = start(*words, **more)
        out, err = process.communicate(timeout=120)
        told = "".join(line for line in err.splitlines(keepends=True) if not line.startswith("making "))
        return process.returncode, out, told

    return run
