"""The process that syncs: what it says, how it goes on after it was killed in the middle of a download, and how little it costs."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time

import pytest
from file_server import FileServer
from folder_registry import FolderRegistry, sha256
from syncing import HOME, Device

from cloud_sync import layout

MODEL = random.Random(4).randbytes(3_000_000)
PATIENCE_S = 60


@pytest.fixture
def registry(tmp_path):
    registry = FolderRegistry(tmp_path / "registry")
    registry.publish("parts", "1", {"model.tflite": MODEL})
    registry.assign("channel:stable", {"parts": "1"})
    return registry


def served(registry: FolderRegistry) -> FileServer:
    folder = registry.folder
    return FileServer(
        {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    )


def test_the_child_process_says_what_it_does_and_how_it_ended(tmp_path, registry):
    """By JSON lines; the last one is the outcome."""
    device = Device(tmp_path / "state", registry)
    code, lines = device.in_child()
    assert code == 0
    kinds = list(dict.fromkeys(line["progress"]["what"] for line in lines[:-1]))
    assert kinds == ["looking", "fetching", "staging"]
    assert lines[-1]["outcome"].items() >= {"state": "staged", "wanted": {"parts": "1"}, "bytes": len(MODEL)}.items()
    assert device.store.staged()["parts"].version == "1"


def test_a_download_that_is_killed_goes_on_where_it_was(tmp_path, registry):
    """In the next process, over HTTP; a registry of plain files takes no reports, and that is no fault."""
    device = Device(tmp_path / "state", registry)
    half = len(MODEL) // 2

    def stall(handler, content: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.piece(content[:half])
        server.released.wait(PATIENCE_S)

    with served(registry) as server:
        device.options |= {"import_dir": None, "url": server.url}
        path = layout.blob(sha256(MODEL))
        server.faults[path].append(stall)
        partial = device.folder / "blobs" / f"{sha256(MODEL)}.partial"
        child = subprocess.Popen(
            [sys.executable, "-m", "cloud_sync.device"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=HOME
        )
        child.stdin.write(device.order.encode())
        child.stdin.close()
        until_s = time.monotonic() + PATIENCE_S
        while not partial.exists() or partial.stat().st_size < half / 2:
            assert time.monotonic() < until_s
            time.sleep(0.02)
        child.kill()
        child.wait()
        outcome = device.in_child()[1][-1]["outcome"]
    assert (outcome["state"], outcome["error"], outcome["report_error"]) == ("staged", None, None)
    assert outcome["bytes"] <= len(MODEL) - half / 2
    assert [request.range is None for request in server.requests if request.path == path] == [True, False]
    assert device.store.is_whole(device.store.staged()["parts"].digest)


@pytest.mark.parametrize(
    "order", [b"", b"[" * 100_000, b'{"state_dir": "/dev/null", "device": "press-07", "url": "http://127.0.0.1:1"}']
)
def test_an_order_that_cannot_be_carried_out_has_an_outcome_too(order):
    """The agent is told why."""
    done = subprocess.run(
        [sys.executable, "-m", "cloud_sync.device"], input=order, cwd=HOME, capture_output=True, check=True
    )
    outcome = json.loads(done.stdout.splitlines()[-1])["outcome"]
    assert (outcome["state"], bool(outcome["error"]["message"])) == ("failed", True)


def test_what_reads_an_order_loads_nothing_of_trust():
    """The priority is lowered first, and the agent's own imports stay small."""
    code = "import sys; import cloud_sync.device.__main__, cloud_sync.store; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=HOME, capture_output=True, check=True, text=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"tuf", "securesystemslib", "cryptography", "urllib3", "zstandard", "sqlite3", "numpy"})
