"""Who may be a device, and what a device may say."""

from __future__ import annotations

import json

import pytest
from registering import Device
from securesystemslib.signer import CryptoSigner

from cloud_sync.errors import ContentTooLarge, MetadataInvalid, Refused, SignatureInvalid
from cloud_sync.registry.errors import EnrolmentRefused, RegistryBusy, ReportRefused, UnknownName
from cloud_sync.registry.server.folder_desk import FolderDesk


@pytest.fixture
def press(site):
    """A device that was admitted by a token."""
    device = Device("press-07")
    token = site.registry.devices.create_enrolment_token("press-07", by="ada")
    assert site.registry.devices.enrol(device.request(site.registry.devices.nonce(), token)).state == "admitted"
    return device


def test_a_token_admits_one_device_once(site, press):
    """The device it was made for; the log says who made it."""
    assert site.registry.devices.one("press-07").admitted_by == "ada"
    assert [change.what for change in site.registry.log.read(subject="device:press-07")] == ["enrolment-token", "enrol"]


def test_who_asks_to_be_a_new_device_is_listed_for_the_operator(site, press):
    """An id that nobody has yet stands in no row of the devices."""
    stranger = Device("press-08")
    assert site.registry.devices.enrol(stranger.request(site.registry.devices.nonce())).state == "waiting"
    listed = FolderDesk(site.registry, "ada").ask("GET", "devices")
    assert [each["device"] for each in listed["devices"]] == ["press-07"]
    assert [(each["device"], each["keyid"]) for each in listed["waiting"]] == [
        ("press-08", stranger.signer.public_key.keyid)
    ]


def test_a_used_foreign_expired_or_invented_token_admits_nobody(site, press):
    """And the refusal does not say which it was."""
    registry = site.registry
    token = registry.devices.create_enrolment_token("press-08", by="ada")
    with pytest.raises(EnrolmentRefused):
        registry.devices.enrol(Device("press-09").request(registry.devices.nonce(), token))
    assert registry.devices.enrol(Device("press-08").request(registry.devices.nonce(), token)).state == "admitted"
    with pytest.raises(EnrolmentRefused):
        registry.devices.enrol(Device("press-08").request(registry.devices.nonce(), token))
    late = registry.devices.create_enrolment_token("press-10", by="ada")
    site.clock.forward(days=8)
    for bad in (late, "lse_" + "x" * 43):
        with pytest.raises(EnrolmentRefused):
            registry.devices.enrol(Device("press-10").request(registry.devices.nonce(), bad))
    assert {device.device for device in registry.devices.all()} == {"press-07", "press-08"}


def test_a_stranger_who_asks_as_an_existing_device_waits(site, press):
    """Even with a valid token; the reports of the real one are taken meanwhile."""
    registry, stranger = site.registry, Device("press-07")
    token = registry.devices.create_enrolment_token("press-07", by="ada")
    assert registry.devices.enrol(stranger.request(registry.devices.nonce(), token)).state == "waiting"
    with pytest.raises(SignatureInvalid):
        registry.devices.report(stranger.report({}))
    assert registry.devices.report(press.report({})) == "press-07"
    assert [candidate.keyid for candidate in registry.devices.waiting()] == [stranger.signer.public_key.keyid]


def test_an_operator_admits_a_replaced_device(site, press):
    """From then on the former key says nothing any more, and numbers begin anew."""
    registry, new = site.registry, Device("press-07")
    registry.devices.report(press.report({}))
    registry.devices.enrol(new.request(registry.devices.nonce()))
    assert registry.devices.approve("press-07", by="ada").keyid == new.signer.public_key.keyid
    registry.devices.report(new.report({"solar-cell": "1.0.0"}))
    with pytest.raises(SignatureInvalid):
        registry.devices.report(press.report({}))
    assert registry.devices.waiting() == []


def test_of_several_who_wait_an_operator_names_one(site):
    """By the key that the device shows; who waits twice counts once."""
    registry, one, other = site.registry, Device("press-07"), Device("press-07")
    for device in (one, other, one):
        assert registry.devices.enrol(device.request(registry.devices.nonce())).state == "waiting"
    with pytest.raises(Refused, match="2 ask to be"):
        registry.devices.approve("press-07", by="ada")
    assert registry.devices.approve("press-07", keyid=other.signer.public_key.keyid, by="ada").device == "press-07"
    with pytest.raises(UnknownName):
        registry.devices.approve("press-07", by="ada")


def test_strangers_cannot_fill_the_list(site):
    """Five for one id, and they can be sent away."""
    registry = site.registry
    for _ in range(5):
        registry.devices.enrol(Device("press-07").request(registry.devices.nonce()))
    with pytest.raises(RegistryBusy):
        registry.devices.enrol(Device("press-07").request(registry.devices.nonce()))
    assert registry.devices.reject("press-07", by="ada") == 5
    assert registry.devices.waiting() == []


def test_a_nonce_is_good_once_and_for_five_minutes(site):
    """A request that was overheard is worth nothing."""
    registry, device = site.registry, Device("press-07")
    request = device.request(registry.devices.nonce())
    registry.devices.enrol(request)
    with pytest.raises(EnrolmentRefused, match="nonce"):
        registry.devices.enrol(request)
    late = device.request(registry.devices.nonce())
    site.clock.forward(minutes=6)
    with pytest.raises(EnrolmentRefused, match="nonce"):
        registry.devices.enrol(late)


def test_a_request_is_signed_by_the_key_that_it_brings(site):
    """Nobody enrols with the public key of another."""
    registry, device, other = site.registry, Device("press-07"), CryptoSigner.generate_ed25519()
    request = json.loads(device.request(registry.devices.nonce(), key=other.public_key.to_dict()))
    with pytest.raises(EnrolmentRefused):
        registry.devices.enrol(json.dumps(request).encode())
    request["signatures"][0]["keyid"] = other.public_key.keyid
    with pytest.raises(SignatureInvalid):
        registry.devices.enrol(json.dumps(request).encode())
    rsa = CryptoSigner.generate_ecdsa()
    with pytest.raises(EnrolmentRefused, match="ed25519"):
        registry.devices.enrol(Device("press-07", rsa).request(registry.devices.nonce()))


@pytest.mark.parametrize(
    "other",
    [
        {"device": "../x"},
        {"device": 7},
        {"schema": "lineside.enrol/2"},
        {"token": 7},
        {"profile": "x" * 101},
        {"agent_version": None},
        {"nonce": ["a"]},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(site, other):
    """Before it reaches the database."""
    with pytest.raises(EnrolmentRefused):
        site.registry.devices.enrol(Device("press-07").request(site.registry.devices.nonce(), **other))


def test_what_a_device_reports_is_shown(site, press):
    """What runs, what happened, and why; the last report counts."""
    event = {
        "at": "2026-12-01T06:00:00Z",
        "what": "rejected",
        "model": "solar-cell",
        "version": "1.1.0",
        "reason": "golden",
    }
    site.registry.devices.report(press.report({"solar-cell": "1.0.0"}, [event]))
    site.registry.devices.report(press.report({"solar-cell": "1.0.1"}))
    found = site.registry.devices.one("press-07")
    assert (found.number, found.runs["solar-cell"]["version"], found.events) == (2, "1.0.1", (event,))


def test_versions_show_how_many_devices_run_them(solar):
    """A revoked one does not count."""
    registry = solar.registry
    for name in ("a", "b"):
        device = Device(name)
        registry.devices.enrol(
            device.request(registry.devices.nonce(), registry.devices.create_enrolment_token(name, by="ada"))
        )
        registry.devices.report(device.report({"solar-cell": "1.0.0"}))
    assert registry.models.version("solar-cell", "1.0.0").devices == 2
    registry.devices.revoke("a", by="ada")
    assert registry.models.version("solar-cell", "1.0.0").devices == 1


def test_a_report_is_taken_once_and_in_order(site, press):
    """A replay, one that was held back, and one after a revocation are refused."""
    registry = site.registry
    first, second = press.report({"m": "1"}), press.report({"m": "2"})
    registry.devices.report(second)
    for old in (first, second):
        with pytest.raises(ReportRefused, match="before"):
            registry.devices.report(old)
    assert registry.devices.one("press-07").runs["m"]["version"] == "2"
    registry.devices.revoke("press-07", by="ada")
    with pytest.raises(ReportRefused, match="not admitted"):
        registry.devices.report(press.report({}))
    assert registry.devices.enrol(press.request(registry.devices.nonce())).state == "waiting"


@pytest.mark.parametrize(
    "other",
    [
        {"number": 0},
        {"number": "1"},
        {"number": 2**60},
        {"runs": {"../x": {}}},
        {"runs": {"m": {"version": 1}}},
        {"runs": {"m": {"version": "x" * 5000}}},
        {"runs": [1]},
        {"events": [1]},
        {"events": [{"what": ["x"]}]},
        {"sent_at": "now"},
        {"schema": "lineside.report/9"},
    ],
)
def test_a_report_that_makes_no_sense_is_refused(site, press, other):
    """Although the device signed it; the state stays."""
    with pytest.raises(ReportRefused):
        site.registry.devices.report(press.report({}, **other))
    assert site.registry.devices.one("press-07").number == 0


def test_a_report_of_nobody_is_refused(site, press):
    """Too large, no JSON, an unknown device, another's signature."""
    registry = site.registry
    with pytest.raises(ContentTooLarge):
        registry.devices.report(b" " * (site.registry.settings.max_report_bytes + 1))
    for content in (b"{", b"[" * 100_000, b"[]", b'{"signed": {}, "signatures": []}'):
        with pytest.raises(MetadataInvalid):
            registry.devices.report(content)
    with pytest.raises(ReportRefused):
        registry.devices.report(Device("press-99").report({}))
    forged = Device("press-07").report({})
    with pytest.raises(SignatureInvalid):
        registry.devices.report(forged)


def test_events_of_long_ago_are_forgotten(site, press):
    """Whole reports at a time; the last 200 events stay."""
    for _ in range(5):
        site.registry.devices.report(press.report({}, [{"what": "x"}] * 100))
    assert 200 <= len(site.registry.devices.one("press-07").events) < 300
