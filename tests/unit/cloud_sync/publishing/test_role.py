"""What owners sign: one version more or less, always one version up, and no release number twice."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from securesystemslib.signer import CryptoSigner

from cloud_sync.errors import MetadataInvalid, Refused
from cloud_sync.publishing import role

NOW = datetime(2026, 12, 1, 6, tzinfo=timezone.utc)
UNTIL = NOW + timedelta(days=30, microseconds=5)


def version(number="1.0.0", release=1, hardware=()):
    return role.NewVersion("parts", number, b"{}", release, hardware, NOW)


def test_the_first_version_begins_the_role():
    """With the fields that a device reads, and nothing else."""
    signed = role.with_version(None, version(hardware=("x86_64",)), UNTIL)
    target = signed.targets["models/parts/1.0.0/manifest.json"]
    assert (signed.version, signed.expires, signed.unrecognized_fields) == (
        1,
        UNTIL.replace(microsecond=0),
        {"x-lineside": {"min_release": 0}},
    )
    assert target.custom == {"release": 1, "hardware": ["x86_64"], "published_at": "2026-12-01T06:00:00Z"}


def test_what_was_signed_before_stays_as_it_is():
    """Also in the object that was given."""
    first = role.renewed(role.with_version(None, version(), UNTIL), UNTIL, 1)
    second = role.with_version(first, version("1.1.0", 2), UNTIL)
    assert (first.version, second.version) == (2, 3)
    assert second.targets.items() > first.targets.items()
    third = role.without_version(second, "parts", "1.0.0", UNTIL)
    assert (list(third.targets), third.unrecognized_fields) == (
        ["models/parts/1.1.0/manifest.json"],
        {"x-lineside": {"min_release": 1}},
    )


def test_what_makes_no_sense_is_not_signed():
    """A version twice, one that is not there, a model without any."""
    first = role.with_version(None, version(), UNTIL)
    with pytest.raises(Refused):
        role.with_version(first, version(), UNTIL)
    with pytest.raises(Refused):
        role.without_version(first, "parts", "9", UNTIL)
    with pytest.raises(Refused):
        role.renewed(None, UNTIL, None)


@pytest.mark.parametrize(("told", "release"), [([], 2), ([1], 2), ([1, 7], 8)])
def test_a_release_is_given_once(told, release):
    """Those of yanked versions count, though only the registry remembers them."""
    assert role.next_release(role.with_version(None, version(), UNTIL), told) == release


def test_a_registry_cannot_use_all_numbers_up():
    """It would end the publishing of a model for good."""
    with pytest.raises(MetadataInvalid):
        role.next_release(None, [2**31 - 2])


def test_what_is_signed_verifies():
    """By the key of each owner, over the very bytes."""
    signers = [CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()]
    content = role.signed_by(role.with_version(None, version(), UNTIL), signers)
    metadata = role.Metadata.from_bytes(content)
    for signer in signers:
        signer.public_key.verify_signature(metadata.signatures[signer.public_key.keyid], metadata.signed_bytes)
    assert role.decoded(content).version == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"signed": {"_type": "root"}}'])
def test_metadata_that_cannot_be_read_is_not_trusted(content):
    """Whatever it is."""
    with pytest.raises(MetadataInvalid):
        role.decoded(content)
