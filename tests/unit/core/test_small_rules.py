"""Names, topics, times, ids, backoff, reasons and figures."""

from __future__ import annotations

import random
import threading
import uuid
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from types import SimpleNamespace

import pytest
from deadlines import LONG_S
from hypothesis import given
from hypothesis import strategies as st

from agent.core import times
from agent.core.backoff import Backoff
from agent.core.health import Figures, Reasons
from agent.core.names import is_name, to_name
from agent.core.times import new_id, utc_text
from agent.core.topics import Topics


@given(st.text())
def test_every_text_becomes_a_name(text):
    """A host name of any shape gives a device id that may stand in a topic."""
    assert is_name(to_name(text))


@pytest.mark.parametrize("bad", ["", ".", "-a", "a/b", "a b", "ü", "a" * 65, "a\n", "#", "+"])
def test_what_would_break_a_topic_is_no_name(bad):
    """MQTT's separators and wildcards, and anything that is not plain."""
    assert not is_name(bad)


def test_topics_lie_under_prefix_version_location_and_device():
    """The contract of design 4.3, with and without a location."""
    topics = Topics("lineside", "graz/stamping", "press-07")
    assert topics.prediction("p") == "lineside/v1/graz/stamping/press-07/pipeline/p/prediction"
    assert Topics("plant/lineside", "", "d").status == "plant/lineside/v1/d/status"


@given(st.integers(0, 4_102_444_800_000_000))
def test_times_keep_their_microseconds(us):
    """Also where they are zero: a fixed width sorts as text."""
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=us)
    assert utc_text(us * 1000) == moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_ids_are_unique_uuids_of_version_7():
    """RFC 9562: version and variant bits in their places."""
    ids = [uuid.UUID(new_id()) for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert {(i.version, i.variant) for i in ids} == {(7, uuid.RFC_4122)}


@given(st.lists(st.integers(0, 2**47), min_size=1, max_size=50))
def test_ids_sort_by_the_order_of_making_whatever_the_clock_does(times_ms):
    """A clock that goes back, for an hour or to 1970, does not put a later id before an earlier one (RFC 9562, section 6.2)."""
    clock = iter(times_ms)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(times, "_last_ms", 0)
        patch.setattr(times, "time", SimpleNamespace(time_ns=lambda: next(clock) * 1_000_000))
        ids = [new_id() for _ in times_ms]
    assert ids == sorted(ids)
    assert [uuid.UUID(made).int >> 80 for made in ids] == list(accumulate(times_ms, max))


def test_ids_of_several_threads_differ_and_sort_within_each():
    """Pipelines number their predictions at the same time."""
    made = [[] for _ in range(4)]

    def make(ids: list[str]) -> None:
        ids.extend(new_id() for _ in range(2000))

    threads = [threading.Thread(target=make, args=(ids,)) for ids in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert len({id_ for ids in made for id_ in ids}) == 8000
    assert all(ids == sorted(ids) for ids in made)


@given(st.integers(0, 2**32), st.floats(0.1, 10), st.floats(10, 600))
def test_backoff_grows_to_its_ceiling_and_spreads(seed, first_s, max_s):
    """Each delay lies in the upper half of its step, and none is above the ceiling."""
    backoff = Backoff(first_s, max_s, rng=random.Random(seed))
    for k in range(40):
        step_s = min(max_s, first_s * 2.0 ** min(k, 32))
        assert step_s / 2 <= backoff.next_s() <= step_s
    backoff.reset()
    assert backoff.next_s() <= first_s


def test_reasons_tell_each_change_once():
    """A reason that is set twice, or cleared though it is not there, is not told."""
    told: list[list[str]] = []
    reasons = Reasons(told.append)
    reasons.set("a", "camera gone")
    reasons.set("a", "camera gone")
    reasons.set("b", "broker gone")
    reasons.clear("a")
    reasons.clear("a")
    assert told == [["camera gone"], ["camera gone", "broker gone"], ["broker gone"]]


def test_figures_cover_the_window_only():
    """Rate and percentiles speak of the last seconds, not of the whole session."""
    figures = Figures()
    assert figures.over(1.0, 0.0) == (0.0, None, None)
    for k in range(1, 101):
        figures.record(float(k), now_s=k / 100)
    assert figures.over(2.0, 1.0) == (pytest.approx(100 / 0.99), 50.5, 99.01), "the session is shorter than the window"
    assert figures.over(0.095, 1.0) == (pytest.approx(10 / 0.095), 95.5, 99.91)
    assert figures.over(1.0, 5.0) == (0.0, None, None)
    assert figures.predictions == 100
