"""A new registry: what lies where, who may read it, and that a client trusts it."""

from __future__ import annotations

import hashlib
import stat

import pytest
from registering import PASSPHRASE, Clock, client

from cloud_sync.errors import Refused
from cloud_sync.registry.errors import AlreadyThere, StateUnreadable
from cloud_sync.registry.registry import Registry
from cloud_sync.registry.settings import Settings
from cloud_sync.signers import KeyUnusable, signer_from_uri


def _init(tmp_path, **other):
    arguments = {"clock": Clock(), "key_rounds": 1000, **other}
    return Registry.init(tmp_path / "registry", tmp_path / "offline", lambda _: PASSPHRASE, **arguments)


def test_a_client_that_has_the_first_root_trusts_it(site, tmp_path):
    """From the first minute, without any model."""
    assert client(site, tmp_path / "client").target("keys/assignment.json").role == "targets"


def test_offline_keys_lie_apart_and_encrypted(tmp_path):
    """The registry's folder has only what it signs with by itself, and only its owner reads that."""
    ceremony = _init(tmp_path)
    offline = sorted(path.name for path in (tmp_path / "offline").glob("*.pem"))
    assert offline == ["root-1.pem", "root-2.pem", "root-3.pem", "targets.pem"]
    assert all(b"ENCRYPTED" in (tmp_path / "offline" / name).read_bytes() for name in offline)
    online = sorted((tmp_path / "registry" / "keys").glob("*.pem"))
    assert [path.name for path in online] == ["assignment.pem", "snapshot.pem", "timestamp.pem"]
    private = [*online, tmp_path / "registry" / "state.db"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}
    assert len(set(ceremony.root_keyids)) == 3


def test_the_ceremony_names_every_file_and_the_fingerprint(tmp_path):
    """The person who reads it needs nothing else."""
    ceremony = _init(tmp_path)
    root = (tmp_path / "registry" / "public" / "metadata" / "1.root.json").read_bytes()
    assert ceremony.root_sha256 == hashlib.sha256(root).hexdigest()
    for word in (*ceremony.offline_files, ceremony.root_sha256):
        assert word in ceremony.text


def test_what_is_there_is_never_overwritten(tmp_path):
    """Neither a registry nor keys, and a second try changes nothing."""
    _init(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(AlreadyThere):
        _init(tmp_path)
    (tmp_path / "registry").rename(tmp_path / "other")
    with pytest.raises(AlreadyThere):
        _init(tmp_path)
    assert {path.name for path in before} == {path.name for path in tmp_path.rglob("*") if path.is_file()}


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    """No key of a registry that is none."""
    monkeypatch.setattr("cloud_sync.registry.first._words", lambda *_: 1 / 0)
    monkeypatch.setattr("cloud_sync.registry.first._fill", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        _init(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_short_passphrase_is_refused(tmp_path):
    """Whoever finds the stick has time."""
    with pytest.raises(Refused, match="passphrase"):
        Registry.init(tmp_path / "registry", tmp_path / "offline", lambda _: "password")


def test_each_offline_key_may_have_a_passphrase_of_its_own(tmp_path):
    """Three people in three places, who know nothing of each other's."""
    asked: list[str] = []

    def passphrase_of(name: str) -> str:
        asked.append(name)
        return f"only for {name} and its holder"

    offline = tmp_path / "offline"
    ceremony = Registry.init(tmp_path / "registry", offline, passphrase_of, clock=Clock(), key_rounds=1000)
    assert asked == ["root-1.pem", "root-2.pem", "root-3.pem", "targets.pem"]
    keyids = [*ceremony.root_keyids, ceremony.targets_keyid]
    for name, keyid in zip(tuple(asked), keyids, strict=True):
        key = signer_from_uri(f"encrypted:{offline / name}", passphrase_of)
        assert key.public_key.keyid == keyid
        assert f"{offline / name}  key id {keyid}" in ceremony.text
        with pytest.raises(KeyUnusable):
            signer_from_uri(f"encrypted:{offline / name}", lambda _: "only for somebody else")
    assert "a passphrase of its own" in ceremony.text


def test_the_first_passphrase_that_is_too_short_is_named(tmp_path):
    """And nothing was made."""
    with pytest.raises(Refused, match=r"root-3\.pem"):
        Registry.init(tmp_path / "r", tmp_path / "o", lambda name: "short" if "3" in name else PASSPHRASE)
    assert list(tmp_path.iterdir()) == []


def test_settings_come_back_and_odd_ones_are_named(tmp_path):
    """A typing error is no default."""
    _init(tmp_path, settings=Settings(timestamp_hours=6))
    folder = tmp_path / "registry"
    with Registry.open(folder) as registry:
        assert registry.settings.timestamp_hours == 6
    text = (folder / "registry.toml").read_text()
    (folder / "registry.toml").write_text(text.replace("timestamp_hours", "timestamp_hour"))
    with pytest.raises(StateUnreadable, match="timestamp_hour'"):
        Registry.open(folder)


@pytest.mark.parametrize("content", [None, b"no database, but long enough to look like one" * 100])
def test_a_folder_without_a_database_is_no_registry(tmp_path, content):
    """And it says what would make one."""
    _init(tmp_path)
    (tmp_path / "registry" / "state.db").unlink()
    if content is not None:
        (tmp_path / "registry" / "state.db").write_bytes(content)
    with pytest.raises(StateUnreadable):
        Registry.open(tmp_path / "registry")
