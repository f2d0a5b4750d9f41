"""The executable that the public conformance suite of The Update Framework runs: its protocol.

What the suite judges is tested in tests/unit/cloud_sync/trust, case by case; here is what only the command line can get wrong. One test
starts it as the suite does, the others call its `main`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from file_server import FileServer
from tuf_simulator import Simulator

CLIENT = Path(__file__).with_name("tuf_client")


class Client:
    def __init__(self, folder: Path, registry: Simulator, server: FileServer) -> None:
        self.folder, self.registry, self.server = folder, registry, server
        self.trusted, self.artifacts = folder / "metadata", folder / "targets"
        self.trusted.mkdir()
        self.artifacts.mkdir()

    def run(self, *arguments: str | Path, metadata: bool = True) -> int:
        self.server.requests.clear()
        where = ["--metadata-dir", self.trusted]
        if metadata:
            where += ["--metadata-url", f"{self.server.url}metadata/"]
        return self.main(list(map(str, [*where, *arguments])))

    @staticmethod
    def main(words: list[str]) -> int:
        loader = SourceFileLoader("tuf_client", str(CLIENT))
        module = module_from_spec(spec_from_loader(loader.name, loader))
        loader.exec_module(module)
        return module.main(words)

    def init(self) -> int:
        (self.folder / "root").write_bytes(self.registry.first_root)
        return self.run("init", self.folder / "root", metadata=False)

    def download(self, *names: str) -> int:
        named = [argument for name in names for argument in ("--target-name", name)]
        return self.run(
            *named, "--target-dir", self.artifacts, "--target-base-url", f"{self.server.url}targets", "download"
        )

    def downloaded(self) -> list[bytes]:
        files = [path for path in self.artifacts.rglob("*") if path.is_file()]
        return [path.read_bytes() for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)]

    def trusted_files(self) -> list[str]:
        return sorted(path.name for path in self.trusted.iterdir())

    def artifacts_asked(self) -> list[str]:
        return [path.rpartition(".")[2] for path in self.server.paths() if path.startswith("targets/")]


def _started(words: list[str]) -> int:
    """As the suite does: by its path, from anywhere."""
    environment = {**os.environ, "LINESIDE_TEST_PYTHON": sys.executable}
    return subprocess.run([CLIENT, *words], check=False, timeout=100, env=environment, cwd="/").returncode


@pytest.fixture
def registry():
    return Simulator(now=datetime.now(timezone.utc))


@pytest.fixture
def client(tmp_path, registry):
    with FileServer(registry.files) as server:
        yield Client(tmp_path, registry, server)


def test_init_and_refresh(client, monkeypatch):
    """Trusted files under unversioned names, and nothing beside them; `init` asks nobody."""
    monkeypatch.setattr(client, "main", _started)
    assert client.init() == 0
    assert client.server.requests == []
    assert client.trusted_files() == ["root.json"]
    assert client.run("refresh") == 0
    assert client.trusted_files() == ["root.json", "snapshot.json", "targets.json", "timestamp.json"]
    assert client.server.paths() == [
        f"metadata/{name}.json" for name in ("2.root", "timestamp", "1.snapshot", "1.targets")
    ]


def test_a_root_that_is_none_is_refused_and_asks_nobody(client):
    """Whether `init` says so or `refresh`."""
    client.registry.first_root = client.registry.first_root.replace(b'"version"', b'"vErsion"')
    assert client.init() == 1
    assert client.run("refresh") == 1
    assert client.server.requests == []


def test_a_refresh_that_fails_exits_with_1(client):
    """What verified before stays."""
    client.init()
    client.registry.timestamp.expires = datetime.now(timezone.utc) - timedelta(days=1)
    client.registry.sign("timestamp")
    assert client.run("refresh") == 1
    assert client.trusted_files() == ["root.json"]


def test_targets_are_downloaded_in_order_with_one_updater_up_to_the_first_failure(client):
    """One root, one timestamp; what comes after the failure is not tried."""
    client.init()
    for name in "abc":
        client.registry.add(f"path/to/{name}", name.encode())
    client.registry.publish("targets")
    assert client.download("path/to/b", "path/to/a", "missing", "path/to/c") == 1
    assert client.downloaded() == [b"b", b"a"]
    assert client.artifacts_asked() == ["b", "a"]
    assert client.server.paths().count("metadata/timestamp.json") == 1


def test_an_unchanged_target_is_not_fetched_again_and_a_changed_one_takes_its_place(client):
    """Its name in the folder stays."""
    client.init()
    client.registry.add("file", b"first")
    client.registry.publish("targets")
    assert client.download("file") == 0
    assert client.download("file") == 0
    assert client.artifacts_asked() == []
    client.registry.add("file", b"second")
    client.registry.publish("targets")
    assert client.download("file") == 0
    assert client.downloaded() == [b"second"]


@pytest.mark.parametrize(
    "lies", [b"malicious and longer than it", b"short", b"maliciou."], ids=["longer", "shorter", "same"]
)
def test_a_target_that_is_another_leaves_nothing(client, lies):
    """Not even a part of it: whatever lies in the folder is taken for an artifact."""
    client.init()
    client.registry.add("file", b"right one")
    client.registry.publish("targets")
    (place,) = [path for path in client.registry.files if path.startswith("targets/")]
    client.registry.files[place] = lies
    assert client.download("file") == 1
    assert list(client.artifacts.rglob("*")) == []


def test_without_consistent_snapshots_names_have_no_prefix(tmp_path):
    """Neither of metadata nor of targets."""
    registry = Simulator(now=datetime.now(timezone.utc), consistent=False)
    registry.add("file", b"content")
    registry.publish("targets")
    with FileServer(registry.files) as server:
        client = Client(tmp_path, registry, server)
        client.init()
        assert client.download("file") == 0
        assert server.paths()[2:] == ["metadata/snapshot.json", "metadata/targets.json", "targets/file"]
