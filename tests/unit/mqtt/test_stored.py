"""A message as the spool keeps it: what is put in when it is sent goes where it belongs, whatever stands in it."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import psutil
import pytest
from hypothesis import given
from publishing import prediction

from agent.core import results
from agent.mqtt.encoding import encode
from agent.mqtt.stored import sendable, stored

NOW = "2026-11-22T15:17:26.127342Z"
NASTY = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ['"historical":false', '"published_at":"', '","published_at":"x', '\\"historical":false,', '{"schema":"', "\\"]
    ),
)


@given(NASTY, NASTY, NASTY, st.booleans(), st.none() | st.integers(0, 2**40))
def test_what_is_sent_is_what_would_have_been_encoded_then(label, part_id, file, is_late, event_seq):
    """To the byte, with labels full of quotes and of the very names of the fields."""
    made = prediction(3, result=results.Classification(label=label, score=0.5, top=[]))
    made.part_id, made.source, made.frame.file = part_id, label, file
    payload = stored(made, event_seq)
    made.published_at, made.historical, made.event_seq = NOW, is_late, event_seq
    assert sendable(payload, NOW, historical=is_late) == encode(made)


def test_it_can_be_sent_again_later():
    """What is kept does not change when it is sent."""
    payload = stored(prediction(3), 7)
    first = json.loads(sendable(payload, NOW, historical=False))
    again = json.loads(sendable(payload, "later", historical=True))
    assert (first["published_at"], first["historical"], first["event_seq"]) == (NOW, False, 7)
    assert (again["published_at"], again["historical"], again["id"]) == ("later", True, first["id"])


def test_what_json_cannot_say_is_told_when_it_is_made():
    """Not when it is sent, hours later."""
    with pytest.raises(TypeError):
        stored(prediction(0, result=results.Regression(value=object(), unit=None)), 0)


def test_what_waits_takes_the_memory_that_is_counted():
    """Bounds count lengths: twenty thousand messages that wait take little more than they are long."""
    resident = psutil.Process()
    made = prediction(3)
    kept = [stored(made, 0)]
    before = resident.memory_info().rss
    kept += [stored(made, number) for number in range(20_000)]
    took = resident.memory_info().rss - before
    assert took < 2 * sum(map(len, kept))
