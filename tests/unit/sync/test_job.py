"""The sync's own thread: when it looks, what it tells, and that whatever goes wrong the next look comes."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from pathlib import Path

import pytest

from agent.life.events import Event
from agent.sync.job import SyncJob
from agent.sync.outcome import Fault, Outcome, enrolment_exit_code, failed, outcome_of
from agent.sync.settings import SyncSettings
from agent.sync.status import Failures, degraded_by, words

LONG_S = 30.0
URL = "https://registry.example"


class Line:
    """A job whose child and adoption are the test's."""

    def __init__(self, *outcomes, events=(), local="12:00", **settings) -> None:
        self.orders, self.degraded, self.adopted = [], [], 0
        self._outcomes, self._events = list(outcomes), list(events)
        self._changed = threading.Condition()
        self.local = datetime.fromisoformat(f"2026-11-28T{local}:00")
        self.job = SyncJob(
            SyncSettings.model_validate({"url": URL, "interval_s": 3600} | settings),
            self,
            self,
            run=self._run,
            on_degraded=self.degraded.append,
            local=lambda: self.local,
            first_look_s=0.0,
        )

    def order(self, import_dir=None, enrol_token=None, events=()):
        return {"import_dir": import_dir, "token": enrol_token, "events": [event.what for event in events]}

    def adopt(self, is_over):
        self.adopted += 1
        return self._events.pop(0) if self._events else []

    def _run(self, order, **_):
        with self._changed:
            self.orders.append(order)
            self._changed.notify_all()
        came = self._outcomes.pop(0) if self._outcomes else Outcome("current")
        if isinstance(came, Exception):
            raise came
        return came

    def wait(self, count) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.orders) >= count, LONG_S), self.orders

    def wait_done(self, number) -> None:
        until_s = time.monotonic() + LONG_S
        while self.job.status()["done"] < number:
            assert time.monotonic() < until_s
            time.sleep(0.002)


@pytest.fixture
def started():
    """Makes a line, and ends it."""
    lines = []

    def start(*outcomes, **more):
        lines.append(Line(*outcomes, **more))
        lines[-1].job.start()
        return lines[-1]

    yield start
    for line in lines:
        line.job.close()


def test_it_adopts_what_was_staged_then_looks_soon_after_the_start_then_at_its_interval(started):
    """What an earlier start has left comes first."""
    line = started()
    line.wait(1)
    assert line.adopted >= 1
    while line.job.status()["state"] != "idle":
        time.sleep(0.002)
    assert 3600 - 31 < line.job.status()["next_in_s"] <= 3600 + 30


def test_what_was_adopted_is_reported_soon_and_until_the_registry_has_it(started):
    """A failed look does not lose it."""
    event = Event("activated", "m", "1.1.0", "", "2026-11-28T12:00:00Z")
    line = started(Outcome("staged"), failed("x", "no route"), Outcome("current"), events=[[], [event]])
    line.wait(1)
    for number in (1, 2, 3):
        line.job.nudge()
        line.wait_done(number)
    told = [order["events"] for order in line.orders]
    assert told[0] == []
    assert ["activated"] in told
    assert told[-1] in ([], ["activated"])
    line.job.nudge()
    line.wait_done(4)
    assert line.orders[-1]["events"] == []


def test_outside_the_window_nobody_looks_but_for_a_person_at_the_machine(started):
    """A nudge over MQTT waits for it too, and says so."""
    line = started(window="02:00-05:00", local="12:00")
    number, waits = line.job.ask_politely()
    assert (number, waits) == (1, True)
    by_hand = line.job.nudge(at_any_time=True)
    line.wait_done(by_hand)
    assert len(line.orders) == 1
    assert line.job.status()["next_in_s"] >= 13 * 3600
    line.local = datetime.fromisoformat("2026-11-29T02:00:00")
    assert line.job.ask_politely() == (1, False), "it still waits, so it is the same one"


def test_asks_of_the_same_kind_are_one(started):
    """A storm of nudges is one look."""
    line = started(window="02:00-05:00", local="12:00")
    assert {line.job.nudge() for _ in range(20)} == {1}


def test_without_an_address_it_works_when_it_is_asked_only(started):
    """A stick is read; a look has nothing to look at, and says what to do."""
    line = started(url=None)
    line.wait_done(line.job.nudge(import_dir=Path("/media/stick"), at_any_time=True))
    assert [order["import_dir"] for order in line.orders] == [Path("/media/stick")]
    assert line.job.status()["next_in_s"] is None
    line.wait_done(line.job.nudge(at_any_time=True))
    assert line.job.status()["last"]["fault"]["code"] == "no-registry"


def test_whatever_breaks_the_next_look_comes(started):
    """A fault of ours is one of the look, not of the thread."""
    line = started(RuntimeError("boom"))
    line.wait(1)
    line.wait_done(line.job.nudge())
    assert len(line.orders) == 2
    assert line.job.status()["last"]["fault"] is None


def test_what_is_not_trusted_is_said_at_once_and_taken_back(started):
    """And only then."""
    fault = Fault("rollback-refused", "older than before", distrusted=True)
    line = started(Outcome("failed", fault=fault))
    line.wait(1)
    line.wait_done(line.job.nudge())
    assert line.degraded == ["sync: not trusted, so nothing changes: older than before", None]


def test_a_registry_out_of_reach_is_no_fault_until_it_lasts():
    """Three tries and an hour."""
    outcome, failures = failed("registry-unreachable", "no route"), Failures()
    sentences = []
    for now_s in (0.0, 1800.0, 3599.0, 3601.0):
        failures = failures.after(outcome, now_s)
        sentences.append(degraded_by(outcome, failures, now_s))
    assert sentences == [None, None, None, "sync: no success for 1 h: no route"]
    assert failures.after(Outcome("current"), 4000.0) == Failures()


def test_the_status_is_said_in_words(started):
    """What is wrong, and what to do."""
    line = started(
        Outcome("failed", fault=Fault("not-found", "there is no assignment", "ask for one")),
        window="02:00-05:00",
        local="02:30",
    )
    line.wait(1)
    while line.job.status()["state"] != "idle":
        time.sleep(0.002)
    said = "\n".join(words(line.job.status()))
    assert "registry  https://registry.example" in said
    assert "there is no assignment  [not-found]" in said
    assert "next: ask for one" in said
    assert "in the window 02:00-05:00" in said


def test_a_place_without_anybody_who_takes_reports_is_told_plainly():
    """A state of its own, with the status, and no fault."""
    outcome = outcome_of({"state": "current", "no_reports": "files.example takes nothing at api: it answers 405"})
    line = Line(outcome)
    line.job.once()
    said = words(line.job.status())
    assert "reports   none: files.example takes nothing at api: it answers 405" in said
    assert not any("not taken" in line for line in said)
    assert line.degraded == [None]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"enrolment": "admitted"}, 0),
        ({"enrolment": "waiting"}, 0),
        ({"enrolment": "admitted", "error": {"code": "registry-unreachable"}}, 0),
        ({"report_error": {"code": "refused"}}, 1),
        ({"report_error": {"code": "registry-unreachable"}}, 4),
        ({"no_reports": "plain files"}, 4),
        ({"error": {"code": "metadata-expired"}}, 5),
    ],
)
def test_who_introduces_a_device_hears_whether_it_is_known(told, code):
    """As an exit code: 0 admitted or waiting, 1 refused, 4 nobody is there, 5 not trusted."""
    assert enrolment_exit_code(outcome_of({"state": "current"} | told).as_dict()) == code
