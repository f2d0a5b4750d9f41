"""Whatever comes is a request or a refusal, never an exception."""

from __future__ import annotations

import json

import hypothesis.strategies as st
import pytest
from commanding import TOPICS, asked
from hypothesis import example, given

from agent.commands.request import Refusal, Request, judge
from agent.core.incoming import Incoming
from agent.core.names import is_name

ALLOW = ["pause", "set"]


def judged(incoming, verb="pause", max_bytes=400):
    return judge(incoming, verb, allow=ALLOW, max_bytes=max_bytes)


def test_an_object_is_a_request_with_its_id_and_the_rest():
    """The rest is for the verb to judge."""
    assert judged(asked("pause", {"id": "a-1", "pipeline": "p"})) == Request("pause", "a-1", {"pipeline": "p"})
    assert judged(asked("pause")) == Request("pause", None, {})


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe{}", "no JSON"),
        (b"{", "no JSON"),
        (b'{"pipeline": "p"} {}', "no JSON"),
        (b'"pause"', "no JSON object"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"min_score": NaN}', "NaN is no number"),
        (b'{"min_score": -Infinity}', "-Infinity is no number"),
        (b'{"pipeline": "p", "pipeline": "q"}', "twice"),
        (b'{"id": 7}', "id must be"),
        (b'{"id": ""}', "id must be"),
        (b'{"id": "two words"}', "id must be"),
        (json.dumps({"id": "x" * 65}).encode(), "id must be"),
        (b'{"id": "\\ud800"}', "id must be"),
    ],
    ids=ascii,
)
def test_what_is_no_command_is_malformed(body, why):
    """With the fault in words."""
    refusal = judged(asked("pause", body))
    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.reason) == (None, "malformed")
    assert why in refusal.message


@pytest.mark.parametrize("body", [b"[" * 60_000, b'{"a":' * 10_000, b"1" * 60_000], ids=["lists", "objects", "digits"])
def test_what_would_break_a_parser_is_malformed(body):
    """Depth and digits, as far as the size allows."""
    refusal = judged(asked("pause", body), max_bytes=65_536)
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "malformed"


def test_size_is_looked_at_before_the_content():
    """Correlation data counts, as it is carried back."""
    body = json.dumps({"id": "a", "x": "y" * 400}).encode()
    assert judged(asked("pause", body)).reason == "too_large"
    assert judged(asked("pause", {"id": "a"}, correlation=b"c" * 400)).reason == "too_large"
    assert isinstance(judged(asked("pause", {"id": "a"}, correlation=b"c" * 380)), Request)


def test_a_retained_command_is_refused_whatever_it_says():
    """Its id is given back where it can be read."""
    assert (judged(asked("pause", {"id": "a"}, retained=True)).id) == "a"
    for body in ({"id": "a"}, b"junk", b"x" * 1000, b""):
        assert judged(asked("pause", body, retained=True)).reason == "retained"


@pytest.mark.parametrize("verb", ["resume", "snapshot", "reboot", "PAUSE", "ack"])
def test_a_verb_that_is_not_listed_is_refused(verb):
    """Whether it exists or not, and whatever stands in it."""
    for body in ({"id": "a"}, b"junk"):
        refusal = judged(asked(verb, body), verb)
        assert refusal.reason == "not_allowed"
        assert "commands.allow has pause, set" in refusal.message


@given(st.binary(max_size=600), st.booleans(), st.none() | st.binary(max_size=100))
@example(b'{"id": null}', False, None)
def test_any_bytes_are_a_request_or_a_refusal(payload, retained, correlation):
    """And what is said of them is short, printable ASCII."""
    answer = judged(Incoming("t", payload, retained, correlation))
    if isinstance(answer, Refusal):
        assert answer.message.isascii()
        assert answer.message.isprintable()
        assert len(answer.message) < 300
    else:
        assert not retained


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["id", "pipeline", "min_score", "x", ""]), JSON))
def test_any_object_is_a_request_or_a_refusal(body):
    """Valid JSON as well as what Python writes for NaN."""
    answer = judged(asked("set", json.dumps(body).encode()), "set", 4096)
    assert isinstance(answer, Request) or answer.reason == "malformed"


@given(st.text(max_size=80))
def test_any_topic_has_a_verb_or_none(text):
    """A verb that can be answered is a name, and its answer is not heard as a command."""
    assert TOPICS.verb(text) == "" or text.startswith(TOPICS.root)
    verb = TOPICS.verb(f"{TOPICS.root}/cmd/{text}")
    assert verb in ("", text)
    if is_name(verb):
        assert TOPICS.verb(TOPICS.ack(verb)) == ""
