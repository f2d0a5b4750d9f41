"""What is really published fits the schemas in the reference, on the topics that the reference names."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from broker import Mosquitto, Subscriber, needs_mosquitto
from deadlines import LONG_S
from publishing import TOPICS, Links, publishing, send, status

from agent.core import results
from agent.core.messages import (
    CommandAck,
    Drift,
    Health,
    HoldResult,
    ModelState,
    ModelVersion,
    PipelineHealth,
    SourceState,
    SpoolHealth,
    StatisticDrift,
)
from agent.core.times import now_text
from agent.mqtt import reference

pytestmark = needs_mosquitto


def validators():
    """`lineside.<name>/1` → its validator."""
    files = reference.build()
    schemas = [json.loads(text) for name, text in files.items() if name.endswith(".schema.json")]
    return {schema["properties"]["schema"]["const"]: jsonschema.Draft202012Validator(schema) for schema in schemas}


def channels():
    """Address pattern → (channel, `retain`) of the AsyncAPI document."""
    document = json.loads(reference.build()["asyncapi.json"])
    found = {}
    for operation in document["operations"].values():
        channel = document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
        address = re.sub(r"\\{location\\}", ".+", re.escape(channel["address"]))
        found[re.sub(r"\\{\w+\\}", "[^/]+", address)] = (channel, operation["bindings"]["mqtt"]["retain"])
    return found


def health():
    figures = PipelineHealth(
        state="ok", rate_hz=30.0, latency_p50_ms=3.1, latency_p99_ms=None, predictions=9, drops={"overrun": 1}, stale=0
    )
    return Health(
        device="press-07",
        session="session-1",
        at=now_text(),
        uptime_s=1.5,
        pipelines={"p": figures},
        cpu_percent=12.5,
        memory_bytes=1 << 26,
        temperature_c=None,
        disk_free_bytes=1 << 40,
        queued_messages=0,
        spool=SpoolHealth(events=0, backlog=0, size_bytes=0, quarantined=0, durable=True),
        dropped_messages={},
        abandoned_threads=0,
        clock="synced",
        clock_jumps=0,
    )


def ack():
    return CommandAck(
        device="press-07",
        session="session-1",
        verb="pause",
        id="a",
        ok=True,
        reason=None,
        message=None,
        result=HoldResult(pipelines={"p": ["paused"]}),
        at=now_text(),
    )


def drift():
    statistic = StatisticDrift(
        state="drifting",
        since=now_text(),
        psi=0.5,
        psi_limit=0.3,
        ks=None,
        ks_limit=None,
        worth=200.0,
        windows=3,
        unjudged=0,
    )
    return Drift(
        device="press-07",
        session="session-1",
        pipeline="p",
        state="drifting",
        since=now_text(),
        reason=None,
        model="sha256:0",
        statistics={"brightness": statistic},
    )


def say_everything(publisher, broker, links):
    """Each kind of payload, on each topic: live, late, and given up."""
    publisher.announce(TOPICS.status, status("degraded", ("source cam failed",)))
    source = SourceState(
        device="press-07", session="session-1", source="cam", state="ok", since=now_text(), captured_at_from="driver"
    )
    publisher.announce(TOPICS.source_state("cam"), source)
    version = ModelVersion(version="1", digest="sha256:0", state="active", reason=None)
    model = ModelState(
        device="press-07",
        session="session-1",
        model="parts",
        since=now_text(),
        active=version,
        candidate=None,
        previous=None,
    )
    publisher.announce(TOPICS.model_state("parts"), model)
    publisher.announce(TOPICS.drift("p"), drift())
    publisher.health(health())
    objects = [results.DetectedObject(label="bottle", score=0.9, box=[0.0, 0.1, 0.5, 1.0])]
    send(publisher, 0, event_seq=0, result=results.Detection(objects=objects))
    broker.kill()
    links.wait_for("away")
    for seq in range(1, 40):
        send(publisher, seq, event_seq=seq if seq % 2 else None)
    broker.start()


def test_everything_that_is_published_fits_the_reference():
    """Payload, topic and retain flag, for each channel there is."""
    links = Links()
    with Mosquitto() as broker, Subscriber(broker.port) as subscriber:
        with publishing(broker.url, on_link=links, queue_messages=10) as publisher:
            say_everything(publisher, broker, links)
            subscriber.wait_subscribed(2)
            publisher.answer(ack(), b"c")
            subscriber.wait_count("cmd/pause/ack", 1)
            send(publisher, 40, event_seq=40)
            assert publisher.stop(status("stopped"), LONG_S) == 0
        subscriber.wait_for("/status", lambda body: body["state"] == "stopped")
        heard = subscriber.all()
        with Subscriber(broker.port) as late:
            for ending in ("/status", "/health", "/cam/state", "/parts/state", "/prediction"):
                assert late.wait_for(ending, lambda _: True).is_retained
            kept = {message.topic for message in late.all()}
    by_schema, by_channel = validators(), channels()
    met = set()
    for message in heard:
        by_schema[message.body["schema"]].validate(message.body)
        (pattern,) = [pattern for pattern in by_channel if re.fullmatch(pattern, message.topic)]
        channel, is_retained = by_channel[pattern]
        assert by_schema[message.body["schema"]].schema["title"] in channel["messages"]
        assert is_retained == (message.topic in kept), message.topic
        met.add(pattern)
    assert met >= {pattern for pattern, (channel, _) in by_channel.items() if "backlog" not in channel["address"]}


@pytest.mark.parametrize("topic", ["status", "health"])
def test_the_topics_of_the_reference_are_those_of_the_agent(topic):
    """The pattern with its parameters filled in is the topic that is used."""
    patterns = [pattern for pattern in channels() if re.fullmatch(pattern, getattr(TOPICS, topic))]
    assert len(patterns) == 1
