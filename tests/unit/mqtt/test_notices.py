"""What is retained: the newest of each topic, again on each connect."""

from __future__ import annotations

from agent.mqtt.notices import Notices


def take_all(notices):
    return [(notice.topic, notice.payload) for notice in iter(notices.take, None)]


def test_each_topic_is_said_once_with_its_newest_payload():
    """Who was away says how things are, not how they were."""
    notices = Notices()
    notices.announce("status", b"online", qos=1)
    notices.announce("source", b"connecting", qos=1)
    notices.announce("source", b"ok", qos=1)
    assert take_all(notices) == [("status", b"online"), ("source", b"ok")]
    assert not notices.is_waiting


def test_everything_is_said_again_in_the_order_of_its_first_announcement():
    """A broker that lost its memory gets the birth first."""
    notices = Notices()
    for topic in ("status", "source", "model"):
        notices.announce(topic, b"1", qos=1)
    take_all(notices)
    notices.announce("status", b"2", qos=1)
    notices.repeat()
    assert take_all(notices) == [("status", b"2"), ("source", b"1"), ("model", b"1")]


def test_undelivered_is_what_was_never_confirmed():
    """A repetition that nobody confirmed is no loss; figures of QoS 0 are none either."""
    notices = Notices()
    notices.announce("status", b"online", qos=1)
    notices.announce("health", b"{}", qos=0)
    assert notices.undelivered == 1
    notices.take().is_confirmed = True
    notices.repeat()
    assert notices.undelivered == 0
    notices.announce("status", b"degraded", qos=1)
    assert notices.undelivered == 1
