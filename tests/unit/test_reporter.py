"""What the agent says of itself: one state, its reasons, and every part on its own topic."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace

import pytest
from reporting import DIGEST, TOPICS, Desk, active, failed, refused

from agent.core.errors import ModelCrashed, ModelRefused
from agent.core.findings import Finding
from agent.core.messages import Health, ModelVersion
from agent.core.supervision import Plan
from agent.mqtt.publisher import LinkState
from agent.reporter import LINK_STABLE_S
from agent.sources.runner import SourceStatus

CONNECTED = LinkState("connected", "connected")


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


@pytest.fixture
def clock(monkeypatch):
    """Monotonic time that passes when the test says so."""
    clock = SimpleNamespace(now_s=1000.0)
    monkeypatch.setattr("agent.reporter.time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def status(desk):
    return desk.publisher.last(TOPICS.status)


def report_health(desk):
    desk.reporter.health({"inspect": desk.pipeline}, {"cam": desk.source}, 10.0, abandoned=1)


def test_the_first_word_is_online(desk):
    """Without a reason there is nothing to degrade."""
    desk.reporter.born()
    assert (status(desk).state, status(desk).reasons, status(desk).session) == ("online", [], "session-1")


@pytest.mark.parametrize(
    ("fall", "rise", "reason"),
    [
        (
            lambda desk: desk.reporter.source("cam", failed()),
            lambda desk: desk.reporter.source("cam", SourceStatus("ok")),
            "source cam failed: no such device",
        ),
        (
            lambda desk: desk.reporter.source("cam", SourceStatus("stale")),
            lambda desk: desk.reporter.source("cam", SourceStatus("ended")),
            "source cam gives no new frames",
        ),
        (
            lambda desk: desk.reporter.source("cam", SourceStatus("no_signal")),
            lambda desk: desk.reporter.source("cam", SourceStatus("ok")),
            "source cam has no signal",
        ),
        (
            lambda desk: desk.reporter.model("parts", refused()),
            lambda desk: desk.reporter.model("parts", active()),
            "model parts was refused: 3 classes, 2 labels",
        ),
    ],
    ids=["failed", "stale", "no signal", "refused model"],
)
def test_a_fault_degrades_and_its_end_heals(desk, fall, rise, reason):
    """Each is said at once, with its sentence."""
    fall(desk)
    assert (status(desk).state, status(desk).reasons) == ("degraded", [reason])
    rise(desk)
    assert (status(desk).state, status(desk).reasons) == ("online", [])


def test_a_pipeline_that_failed_is_a_reason(desk):
    """Until it works again."""
    desk.pipeline.state, desk.pipeline.fault = "failed", ModelRefused("no tensor fits")
    desk.reporter.pipeline(desk.pipeline)
    assert status(desk).reasons == ["pipeline inspect failed: no tensor fits"]
    desk.pipeline.state, desk.pipeline.fault = "ok", None
    desk.reporter.pipeline(desk.pipeline)
    assert status(desk).state == "online"


def test_a_pipeline_whose_model_crashed_is_a_reason_until_it_is_loaded_again(desk):
    """However short that is, a subscriber sees that it was, and how often since."""
    desk.pipeline.state, desk.pipeline.fault = "starting", ModelCrashed("its child process ended (SIGSEGV)")
    desk.pipeline.child_restarts = 1
    desk.reporter.pipeline(desk.pipeline)
    assert status(desk).reasons == ["pipeline inspect starting: its child process ended (SIGSEGV)"]
    desk.pipeline.state, desk.pipeline.fault = "ok", None
    desk.reporter.pipeline(desk.pipeline)
    assert (status(desk).state, status(desk).reasons) == ("online", [])
    assert desk.snapshot()["pipelines"]["inspect"]["child_restarts"] == 1


def test_a_sink_that_hung_too_often_is_a_reason_until_its_next_try(desk):
    """A restart within the limits is none."""
    desk.reporter.sink("mqtt", Plan(0.0, failed=False))
    desk.reporter.sink("mqtt", None)
    assert desk.reporter.status().state == "online"
    desk.reporter.sink("mqtt", Plan(300.0, failed=True))
    assert status(desk).reasons == ["sink mqtt failed: it hung too often, tried again in 300 s"]
    desk.reporter.sink("mqtt", None)
    assert status(desk).state == "online"


@pytest.mark.parametrize("state", ["refused", "taken_over"])
def test_a_subscriber_sees_that_the_link_was_refused(desk, clock, state):
    """While it is refused nobody hears of it; so the reason, with its time, is kept until the connection has been stable."""
    desk.reporter.link(LinkState(state, "another client came"))
    (reason,) = status(desk).reasons
    assert reason.startswith("mqtt: another client came (at 2")
    desk.reporter.link(CONNECTED)
    clock.now_s += LINK_STABLE_S - 1
    report_health(desk)
    assert (status(desk).state, status(desk).reasons) == ("degraded", [reason])
    clock.now_s += 1
    report_health(desk)
    assert (status(desk).state, status(desk).reasons) == ("online", [])


def test_a_connection_that_is_cut_again_is_not_stable(desk, clock):
    """The minute begins anew with each connection, and time without one does not count."""
    desk.reporter.link(LinkState("taken_over", "another client came"))
    for state in (CONNECTED, LinkState("away", "was cut"), CONNECTED):
        clock.now_s += 0.75 * LINK_STABLE_S
        desk.reporter.link(state)
        report_health(desk)
        assert desk.reporter.status().state == "degraded"
    clock.now_s += LINK_STABLE_S
    report_health(desk)
    assert desk.reporter.status().state == "online"


def test_a_link_that_is_refused_for_an_hour_stays_a_reason(desk, clock):
    """Only a connection ends it."""
    desk.reporter.link(LinkState("refused", "the password is wrong"))
    clock.now_s += 3600
    report_health(desk)
    assert desk.reporter.status().state == "degraded"


def test_a_message_that_was_given_up_is_a_reason(desk):
    """One per kind of fault, and it stays: what was given up does not come back."""
    desk.reporter.drop("refused", "a message on t was dropped: Not authorized")
    desk.reporter.drop("too_large", "a message on u was dropped: 5000 of 4000 bytes")
    desk.reporter.link(CONNECTED)
    assert (status(desk).state, status(desk).reasons) == (
        "degraded",
        ["mqtt: a message on t was dropped: Not authorized", "mqtt: a message on u was dropped: 5000 of 4000 bytes"],
    )


def test_what_was_changed_by_command_is_told_and_is_no_fault(desk):
    """In `status`, which is retained, and in `health`; the agent stays `online`."""
    desk.reporter.note("paused/inspect", "pipeline inspect is paused by command")
    assert (status(desk).state, status(desk).notes) == ("online", ["pipeline inspect is paused by command"])
    desk.pipeline.intake.hold("paused")
    desk.pipeline.tuning.change({"min_score": 0.8})
    desk.reporter.commands = lambda: {"accepted": 2}
    report_health(desk)
    said = desk.publisher.last(TOPICS.health)
    assert (said.pipelines["inspect"].holds, said.pipelines["inspect"].set) == (["paused"], {"min_score": 0.8})
    assert said.commands == {"accepted": 2}
    desk.reporter.note("paused/inspect", None)
    assert status(desk).notes == []


def test_commands_that_cannot_be_heard_degrade(desk):
    """Until they can."""
    desk.reporter.command_trouble("flood", "more than 200 came in a second")
    assert status(desk).reasons == ["commands: more than 200 came in a second"]
    desk.reporter.command_trouble("flood", None)
    assert status(desk).state == "online"


@pytest.mark.parametrize("state", ["connecting", "connected", "away"])
def test_a_broker_that_is_away_is_no_fault_of_the_agent(desk, state):
    """The messages wait for it."""
    desk.reporter.link(LinkState(state, "whatever"))
    assert desk.reporter.status().state == "online"


@pytest.mark.parametrize("code", ["delegate-unavailable", "no-xnnpack"])
def test_a_lost_delegate_degrades(desk, code):
    """The line may be too slow without it."""
    desk.reporter.finding("parts", Finding(code, "warning", "the npu is not there"))
    assert status(desk).reasons == ["model parts: the npu is not there"]


def test_other_findings_are_for_the_log(desk):
    """A bundle that is not packed runs as well as any."""
    desk.reporter.finding("parts", Finding("not-packed", "warning", "no manifest"))
    assert desk.reporter.status().state == "online"


def test_since_changes_with_the_state_only(desk, monkeypatch):
    """A second reason does not make the first one younger."""
    times = iter(f"2026-11-22T00:00:{second:02d}.000000Z" for second in range(60))
    monkeypatch.setattr("agent.reporter.now_text", lambda: next(times))
    began = desk.reporter.status().since
    desk.reporter.source("cam", failed())
    degraded = status(desk).since
    assert degraded != began
    desk.pipeline.state, desk.pipeline.fault = "failed", ModelRefused("no")
    desk.reporter.pipeline(desk.pipeline)
    assert (status(desk).since, len(status(desk).reasons)) == (degraded, 2)
    desk.reporter.source("cam", SourceStatus("ok"))
    assert (status(desk).since, len(status(desk).reasons)) == (degraded, 1)
    desk.pipeline.state, desk.pipeline.fault = "ok", None
    desk.reporter.pipeline(desk.pipeline)
    assert status(desk).since not in (began, degraded)


def test_the_same_fault_again_is_not_said_again(desk):
    """Retained state is news, not noise."""
    for _ in range(3):
        desk.reporter.link(LinkState("refused", "no"))
    assert [topic for topic, _ in desk.publisher.said] == [TOPICS.status]


def test_the_last_word_is_what_the_caller_says(desk):
    """`stopped` holds whatever the reasons are."""
    desk.reporter.link(LinkState("refused", "no"))
    assert desk.reporter.status("stopped").state == "stopped"


def test_a_source_speaks_on_its_own_topic(desk):
    """With the reason, and when it is tried again."""
    desk.reporter.source("cam", failed("gone"))
    said = desk.publisher.last("lineside/v1/plant/line/press/source/cam/state")
    assert (said.state, said.reason, said.retry_in_s, said.captured_at_from) == ("failed", "gone", 2.3, "arrival")


def test_a_model_speaks_on_its_own_topic(desk):
    """An active version is active, a refused one a candidate with its reason; what there is none of is null."""
    topic = "lineside/v1/plant/line/press/model/parts/state"
    desk.reporter.model("parts", active())
    said = desk.publisher.last(topic)
    assert (said.active, said.candidate, said.previous) == (active(), None, None)
    desk.reporter.model("parts", refused())
    said = desk.publisher.last(topic)
    assert (said.active, said.candidate, said.previous) == (None, refused(), None)


def test_health_carries_the_figures_of_the_interval(desk):
    """Of pipelines, machine and queue."""
    before_s = time.monotonic()
    desk.predict(2.0, 2.0, 4.0)
    report_health(desk)
    took_s = time.monotonic() - before_s
    said = desk.publisher.last(TOPICS.health)
    assert isinstance(said, Health)
    figures = said.pipelines["inspect"]
    assert (figures.state, figures.predictions, figures.latency_p50_ms) == ("ok", 3, 2.0)
    assert 3 / (3 + took_s) - 0.05 <= figures.rate_hz <= 1.0, "three within the 3 s that the session has lasted"
    assert figures.drops == {"overrun": 1}
    assert (said.queued_messages, said.dropped_messages, said.abandoned_threads) == (
        3,
        {"queue_full": 2, "too_large": 1},
        1,
    )
    assert said.memory_bytes > 1e6


def test_health_tells_what_the_clock_is_worth(desk):
    """And how often it was set, as nobody reads the log of ten thousand devices."""
    desk.clock.jumps = 2
    report_health(desk)
    said = desk.publisher.last(TOPICS.health)
    assert (said.clock, said.clock_jumps) == ("synced", 2)


def test_the_snapshot_is_plain_data(desk):
    """It goes over the control socket as JSON."""
    desk.predict(3.0)
    desk.reporter.source("cam", SourceStatus("ok", "driver"))
    desk.reporter.model("parts", active())
    snapshot = json.loads(json.dumps(desk.snapshot()))
    assert snapshot["status"]["state"] == "online"
    assert snapshot["mqtt"]["state"] == "connected"
    assert snapshot["mqtt"]["queued"] == 3
    assert snapshot["pipelines"]["inspect"]["source"] == "cam"
    assert snapshot["pipelines"]["inspect"]["latency_p99_ms"] == 3.0
    assert snapshot["sources"]["cam"]["frames"] == 1234
    assert snapshot["models"]["parts"]["active"]["digest"] == DIGEST


def test_a_candidate_is_shown_beside_what_works_until_it_works_itself(desk):
    """One that was rejected stays to be seen, and is no reason to be degraded: the old one goes on."""
    old, new = active(), ModelVersion(version="2.0.0", digest="sha256:2", state="rejected", reason="worse")
    desk.reporter.model("m", old)
    desk.reporter.candidate("m", new)
    said = desk.publisher.last(TOPICS.model_state("m"))
    assert (said.active, said.candidate, said.previous) == (old, new, None)
    desk.reporter.model("m", old)
    assert desk.publisher.last(TOPICS.model_state("m")).candidate == new
    taken = ModelVersion(version="2.0.0", digest="sha256:2", state="active", reason="it loads here")
    desk.reporter.model("m", taken, old)
    said = desk.publisher.last(TOPICS.model_state("m"))
    assert (said.active, said.candidate, said.previous) == (taken, None, old)
    assert desk.reporter.reasons.all() == []
