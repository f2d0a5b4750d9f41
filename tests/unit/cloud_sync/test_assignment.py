"""An assignment is followed only by whom it is for, once, in order, in time, and when the right key signed it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from cloud_sync import envelope
from cloud_sync.assignment import Accepted, Assignment, CounterFloor, Wanted, accept, read_keys, write_keys
from cloud_sync.errors import (
    AssignmentExpired,
    AssignmentForeign,
    AssignmentInvalid,
    AssignmentReplayed,
    CloudSyncError,
    SignatureInvalid,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
DAY = timedelta(days=1)
SHA256 = "ab" * 32
SIGNER, OTHER = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
KEY, OTHER_KEY = SIGNER.public_key, OTHER.public_key
SUBJECT = "device:press-07"


def assignment(**changes: object) -> Assignment:
    models = {"parts": Wanted("models/parts/1.2.0/manifest.json", SHA256)}
    return Assignment(
        **{"subject": SUBJECT, "counter": 12, "issued_at": NOW, "expires": NOW + DAY, "models": models} | changes
    )


def look(content: bytes, *, keys=(KEY,), **changes: object) -> Accepted:
    known = {"keys": {key.keyid: key for key in keys}, "subject": SUBJECT, "now": NOW, "metadata_until": NOW + DAY}
    return accept(content, **known | changes)


def sealed(signer=SIGNER, **changes: object) -> bytes:
    return envelope.seal(assignment().as_dict() | changes, signer)


def test_what_was_signed_is_what_is_followed():
    """With the version that the name of the manifest says."""
    accepted = look(sealed())
    assert accepted.assignment == assignment()
    assert accepted.assignment.models["parts"].version == "1.2.0"
    assert (accepted.floor.keyid, accepted.floor.counter) == (KEY.keyid, 12)


def test_the_keys_are_read_as_they_were_written():
    """Any one of them may sign."""
    keys = read_keys(write_keys([KEY, OTHER_KEY]))
    for signer in (SIGNER, OTHER):
        assert look(sealed(signer), keys=keys.values()).floor.keyid == signer.public_key.keyid


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'{"schema":"lineside.keys/1","keys":{"a":{}}}',
        b'{"schema":"lineside.keys/1","keys":[]}',
    ],
)
def test_what_is_no_list_of_keys_is_invalid(content):
    """Even though the registry signed it."""
    with pytest.raises(AssignmentInvalid):
        read_keys(content)


def test_a_strangers_assignment_is_refused():
    """And one whose content was changed after it was signed."""
    with pytest.raises(SignatureInvalid):
        look(sealed(OTHER))
    with pytest.raises(SignatureInvalid):
        look(sealed().replace(b'"counter": 12', b'"counter": 13'))


def test_the_assignment_of_somebody_else_is_refused():
    """However well it is signed."""
    with pytest.raises(AssignmentForeign):
        look(sealed(subject="device:press-08"))


def test_one_that_has_expired_is_refused():
    """At the very moment that it names."""
    with pytest.raises(AssignmentExpired):
        look(sealed(), now=NOW + DAY)


def test_one_that_claims_to_be_issued_beyond_the_timestamp_is_refused():
    """A stolen key could push the clock to where nothing is valid any more."""
    assert look(sealed(), metadata_until=NOW)
    with pytest.raises(AssignmentInvalid):
        look(sealed(), metadata_until=NOW - timedelta(seconds=1))


def test_a_device_whose_clock_is_behind_follows_what_is_issued_in_its_future():
    """That is how it learns what time it is."""
    assert look(sealed(), now=NOW - 1000 * DAY).assignment.issued_at == NOW


@given(floor=st.integers(0, 2**53 - 1), counter=st.integers(0, 2**53 - 1), is_same=st.booleans())
def test_counters_never_fall(floor, counter, is_same):
    """And one counter stands for one content."""
    content = sealed(counter=counter)
    same = look(content).floor.sha256
    before = CounterFloor(KEY.keyid, floor, same if is_same else "00" * 32)
    if counter > floor or (counter == floor and is_same):
        assert look(content, floors=[before]).floor.counter == counter
    else:
        with pytest.raises(AssignmentReplayed):
            look(content, floors=[before])


def test_an_old_assignment_is_refused_whichever_key_signed_it():
    """While both keys are valid, an older one under the first key would take back what the second one said."""
    with pytest.raises(AssignmentReplayed):
        look(sealed(), keys=(KEY, OTHER_KEY), floors=[CounterFloor(OTHER_KEY.keyid, 13, SHA256)])


def test_a_new_key_may_count_anew():
    """A thief may have counted to the end; when the stolen key is replaced, its counters are forgotten."""
    before = CounterFloor(KEY.keyid, 2**53 - 1, SHA256)
    assert look(sealed(OTHER, counter=1), keys=(OTHER_KEY,), floors=[before]).floor == CounterFloor(
        OTHER_KEY.keyid, 1, look(sealed(OTHER, counter=1), keys=(OTHER_KEY,)).floor.sha256
    )


def test_spaces_between_words_are_no_other_content():
    """What was signed counts, not how it was written down."""
    content = sealed()
    again = json.dumps(json.loads(content), indent=4).encode()
    assert look(again, floors=[look(content).floor]).floor == look(content).floor


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "lineside.assignment/2"},
        {"counter": -1},
        {"counter": True},
        {"counter": "12"},
        {"counter": 2**53},
        {"issued_at": "2026-11-28T12:00:00"},
        {"issued_at": "2026-11-28T12:00:00+01:00Z"},
        {"issued_at": 3},
        {"expires": "soonZ"},
        {"expires": "2026-11-28T12:00:00Z"},
        {"models": None},
        {"models": []},
        {"models": {"parts": None}},
        {"models": {"parts": {"manifest": "models/other/1/manifest.json", "sha256": SHA256}}},
        {"models": {"parts": {"manifest": "models/parts/../manifest.json", "sha256": SHA256}}},
        {"models": {"parts": {"manifest": "keys/assignment.json", "sha256": SHA256}}},
        {"models": {"parts": {"manifest": 3, "sha256": SHA256}}},
        {"models": {"parts": {"manifest": "models/parts/1/manifest.json", "sha256": "AB" * 32}}},
        {"models": {f"m{n}": {"manifest": f"models/m{n}/1/manifest.json", "sha256": SHA256} for n in range(1001)}},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_one_that_makes_no_sense_is_invalid(changes):
    """Though the right key signed it."""
    with pytest.raises(AssignmentInvalid):
        look(sealed(**changes))


@pytest.mark.parametrize("missing", ["schema", "subject", "counter", "issued_at", "expires", "models"])
def test_one_with_a_part_missing_is_invalid(missing):
    """Nothing has a default."""
    signed = assignment().as_dict()
    del signed[missing]
    with pytest.raises(AssignmentInvalid):
        look(envelope.seal(signed, SIGNER))


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b" " * (2 << 20), b"{}", b"null", b"\xff", b'{"signed":1.5,"signatures":[]}']
)
def test_a_hostile_file_is_invalid(content):
    """Neither depth nor size costs more than a refusal."""
    with pytest.raises(AssignmentInvalid):
        look(content)


@settings(max_examples=200)
@given(data=st.data())
def test_any_damage_is_refused_or_changes_nothing_that_is_signed(data):
    """One byte changed."""
    content = bytearray(sealed())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        accepted = look(bytes(content))
    except CloudSyncError:
        return
    assert accepted == look(sealed())


def test_gates_come_with_what_was_signed_and_without_them_nothing_is_different():
    """An agent that knows none passes over them; one that reads them finds the numbers."""
    wanted = Wanted("models/parts/1.2.0/manifest.json", SHA256, {"bake_s": 7200.0, "max_disagreement": 0.05})
    made = assignment(models={"parts": wanted})
    assert look(envelope.seal(made.as_dict(), SIGNER)).assignment == made
    assert "gates" not in assignment().as_dict()["models"]["parts"]


@pytest.mark.parametrize(
    "gates",
    [
        [],
        "all",
        {"bake_s": "1e3"},
        {"bake_s": "nan"},
        {"bake_s": None},
        {"bake_s": True},
        {"bake_s": -1},
        {str(k): 1 for k in range(101)},
    ],
)
def test_gates_that_make_no_sense_are_followed_by_nobody(gates):
    """Who signs nonsense is not half obeyed."""
    models = {"parts": {"manifest": "models/parts/1.2.0/manifest.json", "sha256": SHA256, "gates": gates}}
    with pytest.raises(AssignmentInvalid):
        look(sealed(models=models))
