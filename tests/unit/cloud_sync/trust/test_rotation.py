"""What a device forgets when keys of timestamp or snapshot are replaced (specification, 5.3.11), whatever happens in between."""

from __future__ import annotations

from datetime import timedelta

import pytest
from securesystemslib.signer import CryptoSigner
from tuf_simulator import NOW

from cloud_sync.errors import MetadataExpired, RollbackRefused, Unreachable

FORWARD = 5000


@pytest.fixture
def forwarded(device):
    """Stolen online keys have pushed the versions of snapshot and timestamp."""
    device.registry.sign("snapshot", version=FORWARD)
    device.registry.sign("timestamp", version=FORWARD)
    device.refresh()
    assert device.kept()["snapshot"] == FORWARD
    return device


def _recover(device, *roles: str) -> None:
    device.registry.rotate(*roles)
    device.registry.sign("root")
    device.registry.sign("snapshot", version=2)
    device.registry.sign("timestamp", version=2)


@pytest.mark.parametrize("roles", [("timestamp",), ("snapshot",), ("timestamp", "snapshot")])
def test_both_are_forgotten_whichever_key_was_replaced(forwarded, roles):
    """python-tuf forgets only what no longer verifies: then one of the two keeps the device locked."""
    _recover(forwarded, *roles)
    forwarded.refresh()
    assert forwarded.kept() == {"root": 2, "snapshot": 2, "targets": 1, "timestamp": 2}


def test_they_are_gone_before_anything_new_is_asked_for(forwarded):
    """As the specification has it: deleted, not only passed over."""
    _recover(forwarded, "timestamp")
    del forwarded.registry.files["metadata/timestamp.json"]
    with pytest.raises(Unreachable):
        forwarded.refresh()
    assert forwarded.kept() == {"root": 2, "targets": 1}
    assert forwarded.strangers() == []


def test_other_rotations_forget_nothing(forwarded):
    """Keys of root and targets are no keys of versions."""
    forwarded.registry.rotate("targets")
    forwarded.registry.rotate_root()
    forwarded.registry.sign("timestamp", version=2)
    with pytest.raises(RollbackRefused):
        forwarded.refresh()
    assert forwarded.kept()["timestamp"] == FORWARD


def test_a_key_in_addition_forgets_nothing(forwarded):
    """Nobody's trust was taken away."""
    forwarded.registry.root.add_key(CryptoSigner.generate_ed25519().public_key, "timestamp")
    forwarded.registry.sign("root")
    forwarded.registry.sign("timestamp", version=2)
    with pytest.raises(RollbackRefused):
        forwarded.refresh()


def test_one_of_several_keys_is_enough(forwarded):
    """The one that was stolen."""
    registry = forwarded.registry
    registry.root.add_key(CryptoSigner.generate_ed25519().public_key, "timestamp")
    registry.sign("root")
    forwarded.refresh()
    _recover(forwarded, "timestamp")
    forwarded.refresh()
    assert forwarded.kept()["timestamp"] == 2


def test_a_rotation_and_back_is_one(forwarded):
    """Each step of the chain is looked at."""
    old = forwarded.registry.signers["timestamp"]
    forwarded.registry.rotate("timestamp")
    forwarded.registry.sign("root")
    forwarded.registry.rotate("timestamp", signers=old)
    forwarded.registry.sign("root")
    forwarded.registry.sign("snapshot", version=2)
    forwarded.registry.sign("timestamp", version=2)
    forwarded.refresh()
    assert forwarded.kept() == {"root": 3, "snapshot": 2, "targets": 1, "timestamp": 2}


def test_an_expired_root_in_between_does_not_make_it_forget_to_forget(forwarded):
    """The poll ends at 5.3.10, before 5.3.11; the next root rotates nothing."""
    forwarded.registry.root.expires = NOW - timedelta(days=1)
    _recover(forwarded, "snapshot")
    with pytest.raises(MetadataExpired):
        forwarded.refresh()
    assert forwarded.kept()["snapshot"] == FORWARD
    forwarded.registry.root.expires = NOW + timedelta(days=1)
    forwarded.registry.sign("root")
    forwarded.refresh()
    assert forwarded.kept() == {"root": 3, "snapshot": 2, "targets": 1, "timestamp": 2}


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_power_cut_in_between_does_not_make_it_forget_to_forget(forwarded, monkeypatch, cut):
    """At each change of the disk: the next poll ends where it should."""
    _recover(forwarded, "snapshot")
    left = [cut]

    class PowerCut(BaseException):
        pass

    def counted(name):
        real = getattr(forwarded.folder.__class__, name)

        def act(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                raise PowerCut
            return real(*arguments, **options)

        return act

    with monkeypatch.context() as patched:
        for name in ("replace", "unlink"):
            patched.setattr(forwarded.folder.__class__, name, counted(name))
        try:
            forwarded.refresh()
        except PowerCut:
            pass
        else:
            assert cut > 6  # note, root, two removals, note away, timestamp, snapshot
    forwarded.refresh()
    assert forwarded.kept() == {"root": 2, "snapshot": 2, "targets": 1, "timestamp": 2}
    assert forwarded.strangers() == []


def test_a_rotation_that_was_not_kept_forgets_nothing(forwarded):
    """The note was written, the root was not, and the next server hides it."""
    (forwarded.folder / "forget-versions-from-root").write_text("2\n")
    forwarded.refresh()
    assert forwarded.kept()["timestamp"] == FORWARD


def test_a_pinned_root_with_other_keys_forgets_too(forwarded):
    """Installed over the trusted one by whoever is at the machine."""
    _recover(forwarded, "timestamp", "snapshot")
    forwarded.root = forwarded.registry.files["metadata/2.root.json"]
    forwarded.refresh()
    assert forwarded.kept()["timestamp"] == 2
