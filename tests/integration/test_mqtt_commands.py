"""Commands over a real broker, to a publisher with a desk behind it: what is obeyed, what is not, and that delivery goes on."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from asking import Asker
from broker import Mosquitto, Proxy, Subscriber, needs_mosquitto
from commanding import Answers, Verbs, audited
from deadlines import LONG_S
from publishing import TOPICS, Links, send, status

from agent.commands.audit import Audit
from agent.commands.clerk import Clerk
from agent.commands.desk import BURST, BUSY_BURST, BUSY_HZ, RATE_HZ, WAITING, Desk
from agent.core.messages import HoldResult
from agent.mqtt.hearing import Hearing
from agent.mqtt.publisher import Publisher
from agent.mqtt.settings import MqttSettings

pytestmark = needs_mosquitto


class Agent:
    """A publisher that hears commands, the desk, and what became of it all."""

    def __init__(self, state_dir, url: str, *, verbs=None, **settings) -> None:
        self.verbs, self.links, self.troubles, self.state_dir = Verbs(), Links(), {}, state_dir
        self.changed = threading.Condition()
        hearing = Hearing(TOPICS.commands, self._command, self._trouble)
        self.publisher = Publisher(
            MqttSettings(url=url, **settings),
            TOPICS,
            device="press-07",
            session="session-1",
            agent_version="1.0",
            on_link=self.links,
            hearing=hearing,
        )
        clerk = Clerk(
            TOPICS,
            "session-1",
            self.verbs.by_name() if verbs is None else verbs,
            max_bytes=400,
            audit=Audit(state_dir, 100_000),
            answer=self.publisher.answer,
        )
        self.desk = Desk(TOPICS, clerk)

    def _command(self, incoming) -> None:
        self.desk.put(incoming)

    def _trouble(self, cause, sentence) -> None:
        with self.changed:
            self.troubles[cause] = sentence
            self.changed.notify_all()

    def wait_trouble(self, cause: str, saying: str | None) -> None:
        """Until this cause says so, or is over."""

        def reached() -> bool:
            now = self.troubles.get(cause, "")
            return now is None if saying is None else bool(now) and saying in now

        with self.changed:
            assert self.changed.wait_for(reached, LONG_S), self.troubles

    def __enter__(self):
        self.desk.start()
        self.publisher.start()
        with self.changed:  # the broker has answered the subscription; it may be asked now
            assert self.changed.wait_for(lambda: "subscription" in self.troubles, LONG_S), self.publisher.link
        return self

    def __exit__(self, *_: object) -> None:
        self.desk.close()
        self.publisher.stop(status("stopped"), 0.0)


@pytest.fixture
def broker():
    with Mosquitto() as running:
        yield running


@pytest.fixture
def asker(broker):
    with Asker(broker.port, TOPICS.root) as asking:
        yield asking


def test_a_command_is_obeyed_and_answered_on_its_own_topic(tmp_path, broker, asker):
    """QoS 1, not retained, with the correlation data; a response topic of the sender's choice gets nothing."""
    with Agent(tmp_path, broker.url) as agent, Subscriber(broker.port, "elsewhere/#") as elsewhere:
        ack = asker.ask("pause", {"id": "a", "pipeline": "p"}, correlation=b"\x00c", response_topic="elsewhere/here")
        assert ack.topic == f"{TOPICS.root}/cmd/pause/ack"
        assert (ack.qos, ack.is_retained, ack.correlation) == (1, False, b"\x00c")
        assert (ack.body["schema"], ack.body["id"], ack.body["device"]) == ("lineside.ack/1", "a", "press-07")
        assert ack.verdict == (True, None)
        assert asker.ask("pause", {"id": "b"}).correlation is None
        assert agent.verbs.asked == [{"pipeline": "p"}, {}]
        assert elsewhere.all() == []


def test_with_mqtt_3_1_1_too(tmp_path, broker):
    """Where there is no correlation data, the id tells which answer it is."""
    with Proxy(broker.port, refuse_5="answer") as old, Asker(broker.port, TOPICS.root, protocol="3.1.1") as asker:
        with Agent(tmp_path, old.url) as agent:
            assert asker.ask("pause", {"id": "a"}).body["id"] == "a"
        asker.send("pause", {"id": "kept"}, retain=True)
        with Agent(tmp_path, old.url):
            assert asker.wait("pause", 2)[-1].verdict == (False, "retained")
        assert len(agent.verbs.asked) == 1


@pytest.mark.parametrize(
    ("verb", "body", "reason"),
    [
        ("reboot", {}, "not_allowed"),
        ("resume", {}, "not_allowed"),
        ("pause", b"", "malformed"),
        ("pause", b"\xff\x00", "malformed"),
        ("pause", b"[" * 350, "malformed"),
        ("pause", b"x" * 500, "too_large"),
        ("pause", b"x" * 1_000_000, "too_large"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_what_is_no_allowed_command_is_answered_and_not_obeyed(tmp_path, broker, asker, verb, body, reason):
    """And the next one is."""
    with Agent(tmp_path, broker.url) as agent:
        assert asker.ask(verb, body).verdict == (False, reason)
        assert agent.verbs.asked == []
        assert asker.ask("pause").verdict == (True, None)
        assert agent.desk.counts == {reason: 1, "accepted": 1}
    assert [line["outcome"] for line in audited(tmp_path)] == [reason, "begun", "done"]


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_would_fill_the_memory_is_answered_and_not_kept(tmp_path, broker, protocol):
    """The sender of a huge command learns that it was refused; the connection stays."""
    with (
        Proxy(broker.port, refuse_5="" if protocol == "5" else "answer") as way,
        Asker(broker.port, TOPICS.root, protocol=protocol) as asker,
        Agent(tmp_path, way.url) as agent,
    ):
        assert asker.ask("pause", b"x" * 8_000_000).verdict == (False, "too_large")
        assert asker.ask("pause").verdict == (True, None)
        assert agent.desk.counts == {"too_large": 1, "accepted": 1}
    assert (tmp_path / "commands.jsonl").stat().st_size < 2000


def test_what_not_even_answering_is_worth_stays_at_the_broker(tmp_path, broker, asker):
    """With MQTT 5; and the connection stays."""
    with Agent(tmp_path, broker.url) as agent:
        asker.send("pause", b"x" * 20_000_000)
        assert asker.ask("pause").verdict == (True, None)
        assert agent.desk.counts == {"accepted": 1}


def test_a_retained_command_is_refused_before_and_while_the_agent_runs(tmp_path, broker, asker):
    """It comes back at each start, is refused at each, and never obeyed."""
    asker.send("pause", {"id": "before"}, retain=True)
    for start in (1, 2):
        with Agent(tmp_path, broker.url) as agent:
            assert asker.wait("pause", start)[-1].verdict == (False, "retained")
            assert asker.wait("pause", start)[-1].body["id"] == "before"
            if start == 2:
                assert asker.ask("set", {"id": "during"}, retain=True).verdict == (False, "retained")
            assert agent.verbs.asked == []
    asker.send("pause", b"", retain=True)  # that is how it is cleared
    with Agent(tmp_path, broker.url) as agent:
        assert asker.ask("reboot").verdict == (False, "not_allowed")
        assert asker.wait("set", 2)[-1].verdict == (False, "retained")
        assert agent.desk.counts == {"retained": 1, "not_allowed": 1}


def test_a_command_of_before_a_restart_does_not_come_back(tmp_path, broker, asker):
    """The session at the broker is a new one each time, so that what was not confirmed is gone with the old one."""
    with Agent(tmp_path, broker.url):
        assert asker.ask("pause", {"id": "a"}).verdict == (True, None)
    asker.send("pause", {"id": "nobody hears"})
    with Agent(tmp_path, broker.url) as agent:
        assert asker.ask("pause", {"id": "b"}).body["id"] == "b"
        assert agent.verbs.asked == [{}]


def test_after_a_restart_of_the_broker_commands_are_heard_again(tmp_path, broker):
    """It has forgotten our subscription."""
    with Agent(tmp_path, broker.url) as agent:
        broker.restart()
        agent.links.wait_for("connected", times=2)
        with Asker(broker.port, TOPICS.root) as asker:
            until_s = time.monotonic() + 15
            while not asker.acks() and time.monotonic() < until_s:  # until the subscription is there
                asker.send("pause", {"id": "a"})
            assert asker.wait("pause", 1)[0].verdict == (True, None)


def test_a_slow_verb_holds_up_no_prediction(tmp_path, broker, asker):
    """Nor does it hold up the refusal of what is too much."""
    began, go_on = threading.Event(), threading.Event()

    def hang(_arguments):
        began.set()
        assert go_on.wait(2 * LONG_S)
        return HoldResult(pipelines={})

    with (
        Subscriber(broker.port, TOPICS.event("p")) as events,
        Agent(tmp_path, broker.url, verbs={"pause": hang}) as agent,
    ):
        asker.send("pause")
        assert began.wait(LONG_S)
        for seq in range(200):
            send(agent.publisher, seq, event_seq=seq)
        assert [event["event_seq"] for event in events.wait_count("event", 200)] == list(range(200))
        for _ in range(WAITING + 10):
            asker.send("pause")
        assert asker.wait("pause", BUSY_BURST)[-1].verdict == (False, "busy")
        go_on.set()
        asker.wait("pause", BUSY_BURST + BURST)


def test_a_flood_is_refused_left_alone_and_holds_up_no_event(tmp_path):
    """Junk as fast as one client can send it, while events are delivered in order and without a gap.

    The broker forgets what is too much, as it does unless told otherwise. Else confirmations would come behind all the junk that an
    agent on a slow machine has not read yet.
    """
    began_s = time.monotonic()
    with (
        Mosquitto(options="max_queued_messages 1000") as broker,
        Asker(broker.port, TOPICS.root) as asker,
        Subscriber(broker.port, TOPICS.event("p")) as events,
        Agent(tmp_path, broker.url) as agent,
    ):
        flooding = threading.Event()

        def flood():
            with Asker(broker.port, "nobody") as stranger:
                while not flooding.is_set():
                    for _ in range(100):
                        said = stranger._client.publish(f"{TOPICS.root}/cmd/pause", b"junk" * 20, qos=0)
                    said.wait_for_publish(1)  # else what it has not sent yet grows without bound

        stranger = threading.Thread(target=flood)
        stranger.start()
        try:
            agent.wait_trouble("flood", "more than 200 commands")
            for seq in range(500):
                send(agent.publisher, seq, event_seq=seq)
            assert [e["event_seq"] for e in events.wait_count("event", 500)] == list(range(500))
        finally:
            flooding.set()
            stranger.join()
        assert agent.desk.counts["busy"] > 100
        assert len(agent.links.all) == 1
    took_s = time.monotonic() - began_s
    lines = (tmp_path / "commands.jsonl").read_bytes().splitlines()
    assert len(lines) <= BURST + RATE_HZ * took_s
    assert max(map(len, lines)) < 300
    assert len(asker.acks()) <= len(lines) + BUSY_BURST + BUSY_HZ * took_s


def test_answers_that_the_access_list_forbids_cost_no_event(tmp_path):
    """The device is not cut off, and says what is wrong; what is asked is obeyed all the same."""
    acl = tmp_path / "acl"
    allowed = ("cmd/+", "status", "pipeline/#")
    acl.write_text("topic read #\n" + "".join(f"topic write {TOPICS.root}/{topic}\n" for topic in allowed))
    with (
        Mosquitto(options=f"acl_file {acl}") as broker,
        Asker(broker.port, TOPICS.root) as asker,
        Subscriber(broker.port, TOPICS.event("p")) as events,
    ):
        asker.send("pause", {"id": "kept"}, retain=True)
        with Agent(tmp_path, broker.url) as agent:
            agent.wait_trouble("answers", "answers to commands")
            for seq in range(50):
                send(agent.publisher, seq, event_seq=seq)
            heard = [event["event_seq"] for event in events.wait_count("event", 50)]
            assert list(dict.fromkeys(heard)) == list(range(50))
        assert asker.acks() == []


class Refusing(Proxy):
    """A way to a broker that refuses each subscription, as mosquitto never does."""

    def _pump(self, source, sink) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                at = data.find(b"\x90\x04")  # SUBACK of MQTT 5: length, packet id, no properties, reason code
                if at >= 0:
                    data = data[: at + 5] + b"\x87" + data[at + 6 :]
                sink.sendall(data)


def test_a_refused_subscription_is_told_and_delivery_goes_on(tmp_path, broker):
    """The connection that predictions need is not given up for commands."""
    with (
        Refusing(broker.port) as refusing,
        Agent(tmp_path, refusing.url) as agent,
        Subscriber(broker.port, TOPICS.event("p")) as events,
    ):
        agent.wait_trouble("subscription", "does not let us subscribe")
        for seq in range(50):
            send(agent.publisher, seq, event_seq=seq)
        assert [event["event_seq"] for event in events.wait_count("event", 50)] == list(range(50))
        assert len(agent.links.all) == 1


def test_without_a_desk_nothing_is_subscribed_to(broker, tmp_path):
    """An agent that allows no command does not hear any, and refuses no packet."""
    publisher = Publisher(MqttSettings(url=broker.url), TOPICS, device="press-07", session="s", agent_version="1")
    publisher.start()
    assert publisher.wait_connected(LONG_S)
    publisher.stop(status("stopped"), 1.0)
    assert "SUBSCRIBE" not in broker.log()
    assert Answers().all == []
