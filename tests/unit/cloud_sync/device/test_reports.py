"""Reports and enrolment: signed by a key that never leaves, numbered, kept until they are taken, and never in the way of an update."""

from __future__ import annotations

import json

import pytest
from folder_registry import NOW, FolderRegistry
from securesystemslib.signer import Key
from syncing import Device

from cloud_sync import envelope
from cloud_sync.device.faults import DiskFailed
from cloud_sync.device.identity import identity
from cloud_sync.device.journal import MOST_REPORTS, Journal
from cloud_sync.device.reports import ASK_AGAIN, HEARTBEAT
from cloud_sync.errors import NotFound, Refused, Unreachable


class Office:
    """A registry's desk: knows keys, wants a nonce once, and takes each number once, rising."""

    def __init__(self, state: str = "admitted") -> None:
        self.state = state
        self.is_down = self.loses_answers = False
        self.nonces: list[str] = []
        self.enrolled: list[dict[str, object]] = []
        self.reports: list[dict[str, object]] = []
        self.key: Key | None = None

    def post(self, path: str, content: bytes, max_bytes: int) -> bytes:
        if self.is_down:
            raise Unreachable("nobody answers")
        return json.dumps(
            {"api/v1/enrol/nonce": self._nonce, "api/v1/enrol": self._enrol, "api/v1/reports": self._report}[path](
                content
            )
        ).encode()

    def _nonce(self, _: bytes):
        self.nonces.append(f"nonce-{len(self.nonces)}")
        return {"nonce": self.nonces[-1]}

    def _enrol(self, content: bytes):
        listed = json.loads(content)["signed"]["key"]
        keyid = json.loads(content)["signatures"][0]["keyid"]
        self.key = Key.from_dict(keyid, dict(listed))
        signed, _ = envelope.opened(content, {keyid: self.key}, what="the enrolment")
        assert signed["nonce"] == self.nonces[-1]
        self.enrolled.append(signed)
        return {"device": signed["device"], "keyid": keyid, "state": self.state}

    def _report(self, content: bytes):
        if self.state != "admitted":
            raise Refused("not admitted")
        signed, _ = envelope.opened(content, {self.key.keyid: self.key}, what="the report")
        if self.reports and signed["number"] <= self.reports[-1]["number"]:
            raise Refused("the number does not rise")
        self.reports.append(signed)
        if self.loses_answers:
            raise Unreachable("the line is cut")
        return {"device": signed["device"]}


@pytest.fixture
def registry(tmp_path):
    registry = FolderRegistry(tmp_path / "registry")
    registry.publish("parts", "1", {"model.tflite": b"one"})
    registry.assign("channel:stable", {"parts": "1"})
    return registry


@pytest.fixture
def device(tmp_path, registry):
    return Device(tmp_path / "state", registry, desk=Office())


EVENT = {"at": "2026-11-28T12:00:00Z", "what": "activated", "model": "parts", "version": "1", "reason": "it loads"}


def test_a_device_enrols_and_says_what_runs_and_what_happened(device):
    """With its token, its profile, and a key that the registry sees half of."""
    device.options |= {"enrol_token": "secret", "profile": "raspberry-pi-5", "agent_version": "0.1.0"}
    device.options |= {"runs": {"parts": {"version": "1", "state": "active", "score": 0.5}}, "events": (EVENT,)}
    assert device.sync().enrolment == "admitted"
    (asked,) = device.desk.enrolled
    assert (
        asked.items()
        >= {"schema": "lineside.enrol/1", "device": "press-07", "token": "secret", "profile": "raspberry-pi-5"}.items()
    )
    (report,) = device.desk.reports
    assert report.items() >= {"schema": "lineside.report/1", "device": "press-07", "error": None}.items()
    assert report["runs"]["parts"]["version"] == "1"
    assert [event["what"] for event in report["events"]] == ["activated", "staged"]


def test_the_key_is_made_once_and_nobody_else_may_read_it(device):
    """Whatever the process's umask."""
    device.sync()
    path = device.folder / "identity.pem"
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    device.sync()
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (before, 0o600)
    assert not any(part in json.dumps(device.desk.enrolled) for part in before.decode().splitlines()[1:-1])


def test_a_key_that_cannot_be_read_is_not_replaced(tmp_path):
    """The registry would take the device for a stranger, and nobody would know why."""
    (tmp_path / "identity.pem").write_bytes(b"damaged")
    with pytest.raises(DiskFailed):
        identity(tmp_path)
    assert (tmp_path / "identity.pem").read_bytes() == b"damaged"


def test_nothing_new_is_not_said_again_for_an_hour(device):
    """Then a sign of life."""
    device.sync()
    device.adopt()
    device.sync()
    count = len(device.desk.reports)
    device.sync()
    assert len(device.desk.reports) == count
    device.now = NOW + HEARTBEAT
    device.sync()
    assert len(device.desk.reports) == count + 1


def test_reports_are_kept_and_sent_in_order(device):
    """Numbers rise by one, also over an outage."""
    device.desk.is_down = True
    for number in range(3):
        device.options["events"] = ({**EVENT, "reason": str(number)},)
        outcome = device.sync()
        assert (outcome.state, outcome.report_error["code"]) == ("staged", "registry-unreachable")
    device.desk.is_down = False
    assert device.sync().report_error is None
    numbers = [report["number"] for report in device.desk.reports]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    reasons = [
        event["reason"] for report in device.desk.reports for event in report["events"] if event["what"] == "activated"
    ]
    assert reasons == ["0", "1", "2"]


def test_an_event_is_told_once_however_often_the_agent_repeats_it(device):
    """It does so when a sync was killed before its outcome was said."""
    device.options["events"] = (EVENT,)
    device.sync()
    device.sync()
    told = [event for report in device.desk.reports for event in report["events"] if event["what"] == "activated"]
    assert told == [EVENT]


def test_a_report_whose_answer_was_lost_is_forgotten_when_it_is_refused(device):
    """It was taken; the ones behind it are sent."""
    device.desk.loses_answers = True
    device.sync()
    device.desk.loses_answers = False
    device.options["events"] = (EVENT,)
    assert device.sync().report_error is None
    assert len(device.desk.reports) == 2
    with Journal.open(device.folder) as journal:
        assert journal.reports() == []


def test_who_waits_for_an_operator_keeps_reports_and_does_not_ask_at_each_poll(device):
    """And sends them when it is admitted."""
    device.desk.state = "waiting"
    assert device.sync().enrolment == "waiting"
    device.sync()
    assert (len(device.desk.enrolled), device.desk.reports) == (1, [])
    device.desk.state = "admitted"
    device.now = NOW + ASK_AGAIN
    assert device.sync().enrolment == "admitted"
    assert device.desk.reports


def test_who_asks_by_hand_is_heard_at_once(device):
    """An operator says that it is done, and the person at the device asks again: without a token, which is no empty one."""
    device.desk.state = "waiting"
    waiting = device.sync()
    device.desk.state = "admitted"
    device.options["enrol_token"] = ""
    admitted = device.sync()
    assert (waiting.enrolment, admitted.enrolment) == ("waiting", "admitted")
    assert waiting.keyid == admitted.keyid == device.desk.key.keyid
    assert [asked["token"] for asked in device.desk.enrolled] == [None, None]


def test_a_device_that_is_sent_away_keeps_its_reports(device):
    """It was admitted, and an operator took that back."""
    device.sync()
    device.desk.state = "waiting"
    device.options["events"] = (EVENT,)
    assert device.sync().enrolment == "waiting"
    with Journal.open(device.folder) as journal:
        assert len(journal.reports()) == 1


def test_reports_that_nobody_takes_do_not_pile_up(tmp_path):
    """The newest stay."""
    with Journal.open(tmp_path) as journal:
        for number in range(MOST_REPORTS + 10):
            journal.add_report(number, b"report", [], {})
        assert [number for number, _ in journal.reports()] == list(range(10, MOST_REPORTS + 10))


def test_a_lost_journal_goes_on_counting_above_what_was_said(device):
    """Else its reports would be refused for ever as replays."""
    device.sync()
    (device.folder / "journal.db").unlink()
    device.now = NOW + HEARTBEAT
    device.sync()
    first, *_, last = [report["number"] for report in device.desk.reports]
    assert last > first


def test_an_office_that_talks_nonsense_stops_no_update(device):
    """Whatever it answers."""
    for answer in (b"", b"[]", b"[" * 100_000, b'{"nonce": 3}', b'{"nonce": "n", "state": "king"}'):
        device.desk.post = lambda *_, answer=answer: answer
        outcome = device.sync()
        assert (outcome.state, outcome.report_error["code"]) == ("staged", "registry-unreachable")


def test_plain_files_take_no_reports_and_that_is_no_fault(device):
    """A bucket, or a mirror."""

    def nobody(*_: object) -> bytes:
        raise NotFound("it takes nothing")

    device.desk.post = nobody
    outcome = device.sync()
    assert (outcome.state, outcome.report_error, outcome.no_reports) == ("staged", None, "it takes nothing")
