"""What waits to be sent: nothing is lost uncounted, nothing overtakes, and nothing grows without a bound."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from publishing import prediction

from agent.core.messages import Gap
from agent.mqtt.outbox import REPEAT_AFTER_S, Outbox


def put(outbox, seq, *, pipeline="p", event_seq=None, publish=True, qos=0):
    outbox.put(prediction(seq, pipeline), qos=qos, event_seq=event_seq, publish=publish)


def drain(outbox, now_s=0.0):
    """Everything that may be sent now, as (channel, numbers) in order; time does not pass."""
    return [said(parcel) for parcel in iter(lambda: outbox.take(now_s), None)]


def said(parcel):
    message = parcel.message
    if isinstance(message, Gap):
        return ("gap", message.first, message.last)
    return (parcel.channel, parcel.event_seq if parcel.channel == "event" else message.seq)


def test_a_live_prediction_goes_to_prediction_and_is_no_history():
    """While the broker is there, nothing is late."""
    outbox = Outbox(10, 500)
    outbox.connect(0)
    put(outbox, 0, qos=1)
    parcel = outbox.take(0)
    message = parcel.stamp("2026-01-01T00:00:00.000000Z")
    assert (parcel.channel, parcel.qos, parcel.retain) == ("prediction", 1, True)
    assert (message.historical, message.event_seq, message.published_at[:4]) == (False, None, "2026")


def test_an_event_is_sent_on_both_topics_with_its_number_on_one():
    """`event_seq` is set in event messages only, although both share one prediction."""
    outbox = Outbox(10, 500)
    outbox.connect(0)
    put(outbox, 4, event_seq=2)
    seen = {}
    while parcel := outbox.take(0):
        seen[parcel.channel] = (parcel.stamp("now").event_seq, parcel.qos, parcel.retain)
    assert seen == {"event": (2, 1, False), "prediction": (None, 0, True)}


def test_what_was_taken_while_the_broker_was_away_goes_to_backlog_and_the_newest_to_prediction():
    """A late subscriber sees the last prediction, and the rest is history."""
    outbox = Outbox(10, 500)
    for seq in range(3):
        put(outbox, seq)
    outbox.connect(0)
    sent = [taken for now_s in (100.0, 100.1, 100.2) for taken in drain(outbox, now_s)]
    assert sent == [("prediction", 2), ("backlog", 0), ("backlog", 1), ("backlog", 2)]


def reconnected_after_one_prediction(now_s=100.0):
    """An outbox whose prediction 0 was delivered before the connection was lost."""
    outbox = Outbox(10, 500)
    outbox.connect(0)
    put(outbox, 0)
    assert drain(outbox) == [("prediction", 0)]
    outbox.disconnect([])
    outbox.connect(now_s)
    return outbox


def test_the_last_prediction_is_repeated_after_each_connect():
    """A broker that forgot everything knows it again, from a pipeline that is silent."""
    outbox = reconnected_after_one_prediction(100.0)
    assert outbox.owes_repeat
    assert drain(outbox, 100.0 + 0.9 * REPEAT_AFTER_S) == []
    assert outbox.wait_s(100.0) == REPEAT_AFTER_S
    assert drain(outbox, 100.0 + REPEAT_AFTER_S) == [("prediction", 0)]
    assert not outbox.owes_repeat
    assert outbox.wait_s(200.0) is None


def test_a_pipeline_that_runs_repeats_nothing():
    """Its next prediction takes the place of the old one, and no subscriber sees one twice."""
    outbox = reconnected_after_one_prediction(100.0)
    put(outbox, 1)
    assert drain(outbox, 200.0) == [("prediction", 1)]


@pytest.mark.parametrize("hurry_first", [True, False])
def test_in_a_hurry_the_last_prediction_is_repeated_at_once(hurry_first):
    """Before the agent ends, no newer one comes, and there is no second to lose."""
    outbox = reconnected_after_one_prediction(100.0)
    if hurry_first:
        outbox.disconnect([])
    outbox.hurry()
    if hurry_first:
        outbox.connect(100.0)
    assert drain(outbox, 100.0) == [("prediction", 0)]


def test_a_repeat_is_history_only_if_it_was_late():
    """What came on time is no history because the broker was restarted; what was made meanwhile or cut off on its way is."""
    on_time = reconnected_after_one_prediction(100.0)
    assert not on_time.take(200.0).is_late

    made_while_away = Outbox(10, 500)
    put(made_while_away, 0)
    made_while_away.connect(100.0)
    assert made_while_away.take(200.0).is_late

    for is_taken in (True, False):
        cut_off = Outbox(10, 500)
        cut_off.connect(0)
        put(cut_off, 0)
        cut_off.disconnect([cut_off.take(0)] if is_taken else [])
        cut_off.connect(100.0)
        repeat = cut_off.take(200.0)
        assert (repeat.channel, repeat.is_late) == ("prediction", True)


def test_the_last_prediction_of_a_pipeline_is_not_lost_to_the_many_of_another():
    """A full lane gives it up, so it is repeated; it comes late and says so."""
    outbox = Outbox(1, 500)
    outbox.connect(0)
    put(outbox, 0, pipeline="slow")
    put(outbox, 1, pipeline="fast")
    parcels = [outbox.take(100.0), outbox.take(100.0)]
    assert [(parcel.pipeline, parcel.is_late) for parcel in parcels] == [("slow", True), ("fast", False)]
    assert outbox.dropped == {"queue_full": 1}


def test_a_late_event_is_not_history_twice():
    """`backlog` is for predictions that are no events."""
    outbox = Outbox(10, 500)
    put(outbox, 0, event_seq=0)
    put(outbox, 1)
    outbox.connect(0)
    channels = drain(outbox, 100.0)
    assert sorted(channels) == [("backlog", 1), ("event", 0), ("prediction", 1)]


def test_what_was_on_its_way_is_sent_again_in_order_before_what_waits():
    """A lost connection neither loses nor reorders; what was live is late now."""
    outbox = Outbox(10, 1e9)
    outbox.connect(0)
    for seq in range(4):
        put(outbox, seq, event_seq=seq)
        put(outbox, 10 + seq)
    on_their_way = [outbox.take(0) for _ in range(5)]
    outbox.disconnect(on_their_way)
    outbox.connect(0)
    everything = []
    now_s = 0.0
    while len(outbox):
        now_s += 1.0
        if parcel := outbox.take(now_s):
            everything.append(parcel)
    assert all(parcel.is_late for parcel in everything)
    assert [p.event_seq for p in everything if p.channel == "event"] == [0, 1, 2, 3]
    assert [p.message.seq for p in everything if p.channel == "backlog"] == [10, 11, 12, 13]


def test_a_full_lane_of_events_gives_up_the_oldest_and_says_so_before_the_next():
    """A subscriber can tell what is missing from what is still to come."""
    outbox = Outbox(2, 500)
    for seq in range(5):
        put(outbox, seq, event_seq=seq, publish=False)
    outbox.connect(0)
    assert drain(outbox) == [("gap", 0, 2), ("event", 3), ("event", 4)]
    assert outbox.dropped == {"queue_full": 3}


def test_a_gap_is_announced_even_if_no_event_follows():
    """An event that is given up after it was taken is announced all the same."""
    outbox = Outbox(2, 500)
    outbox.connect(0)
    put(outbox, 0, event_seq=7, publish=False)
    outbox.discard(outbox.take(0), "too_large")
    assert drain(outbox) == [("gap", 7, 7)]
    assert outbox.dropped == {"too_large": 1}


def test_a_lane_that_overflows_all_the_time_still_sends_events():
    """Behind each gap goes an event, however fast new ones push in."""
    outbox = Outbox(2, 500)
    outbox.connect(0)
    numbers = itertools.count()
    for _ in range(4):
        seq = next(numbers)
        put(outbox, seq, event_seq=seq, publish=False)
    sent = []
    for _ in range(20):
        sent.append(said(outbox.take(0)))
        for _ in range(2):
            seq = next(numbers)
            put(outbox, seq, event_seq=seq, publish=False)
    assert sum(kind == "event" for kind, *_ in sent) == 10


def test_a_full_lane_of_predictions_gives_up_history_before_live_ones():
    """The oldest goes first, whatever topic it waits for."""
    outbox = Outbox(3, 500)
    for seq in range(3):
        put(outbox, seq)
    outbox.connect(0)
    for seq in range(3, 5):
        put(outbox, seq)
    assert not outbox.has_room(event=False, publish=True)
    assert outbox.has_room(event=True, publish=False)
    assert drain(outbox, 100.0) == [("prediction", 3), ("prediction", 4), ("backlog", 2)]
    assert outbox.dropped == {"queue_full": 2}


@pytest.mark.parametrize("late_by_s", [0.0, 0.0003, 0.0019])
def test_the_backlog_keeps_its_rate_although_whoever_calls_wakes_late(late_by_s):
    """At 500/s a second has 500, whether or not each wake-up comes a little late."""
    outbox = Outbox(10_000, 500)
    for seq in range(2_000):
        put(outbox, seq)
    outbox.connect(0)
    now_s, sent = 1000.0, 0
    while now_s < 1001.0:
        while parcel := outbox.take(now_s):
            sent += parcel.channel == "backlog"
        now_s += max(outbox.wait_s(now_s), 1e-6) + late_by_s
    assert 490 <= sent <= 502


def test_live_predictions_are_not_held_up_by_many_late_events():
    """Events and live predictions take turns."""
    outbox = Outbox(1000, 500)
    for seq in range(500):
        put(outbox, seq, event_seq=seq, publish=False)
    outbox.connect(0)
    put(outbox, 500)
    assert ("prediction", 500) in [said(outbox.take(0)) for _ in range(2)]


def test_a_broker_that_confirms_slowly_holds_up_no_prediction_of_qos_0():
    """With the window full, only what needs no confirmation is sent."""
    outbox = Outbox(10, 500)
    outbox.connect(0)
    put(outbox, 0, event_seq=0)
    put(outbox, 1)
    taken = [outbox.take(0, may_confirm=False) for _ in range(3)]
    assert [said(parcel) for parcel in taken if parcel] == [("prediction", 0), ("prediction", 1)]
    assert drain(outbox) == [("event", 0)]


def test_in_a_hurry_the_backlog_has_no_rate():
    """Before the agent ends, history goes as fast as it can."""
    outbox = Outbox(100, 1)
    for seq in range(100):
        put(outbox, seq)
    outbox.connect(0)
    outbox.hurry()
    assert drain(outbox, 5.0) == [("prediction", 99), *[("backlog", seq) for seq in range(100)]]


class Delivery(RuleBasedStateMachine):
    """Any order of taking, sending, confirming, losing the connection and coming back."""

    CAPACITY = 4
    PIPELINES = ("a", "b")

    def __init__(self):
        super().__init__()
        self.outbox = Outbox(self.CAPACITY, 1e9)
        self.now_s = 0.0
        self.on_their_way = []
        self.arrived = {pipeline: [] for pipeline in self.PIPELINES}
        self.seqs = {pipeline: itertools.count() for pipeline in self.PIPELINES}
        self.events = dict.fromkeys(self.PIPELINES, 0)
        self.published = {pipeline: [] for pipeline in self.PIPELINES}
        self.plain = {pipeline: set() for pipeline in self.PIPELINES}
        self.on_time = {pipeline: set() for pipeline in self.PIPELINES}
        self.late = {pipeline: set() for pipeline in self.PIPELINES}

    @initialize(connected=st.booleans())
    def begin(self, connected):
        if connected:
            self.outbox.connect(self.now_s)

    @rule(
        pipeline=st.sampled_from(PIPELINES), is_event=st.booleans(), publish=st.booleans(), qos=st.sampled_from([0, 1])
    )
    def put(self, pipeline, is_event, publish, qos):
        if not (is_event or publish):
            return
        seq = next(self.seqs[pipeline])
        event_seq = self.events[pipeline] if is_event else None
        self.events[pipeline] += is_event
        if publish:
            self.published[pipeline].append(seq)
            if not self.outbox.is_connected:
                self.late[pipeline].add(seq)
            if not is_event:
                self.plain[pipeline].add(seq)
        put(self.outbox, seq, pipeline=pipeline, event_seq=event_seq, publish=publish, qos=qos)

    @precondition(lambda self: self.outbox.is_connected)
    @rule(may_confirm=st.booleans())
    def take(self, may_confirm):
        self.now_s += 1.0
        parcel = self.outbox.take(self.now_s, may_confirm=may_confirm)
        if parcel:
            assert may_confirm or parcel.qos == 0
            self.on_their_way.append(parcel)

    @precondition(lambda self: self.on_their_way)
    @rule()
    def confirm(self):
        parcel = self.on_their_way.pop(0)
        self.arrive(parcel)
        if parcel.channel == "prediction" and not parcel.is_repeat:
            self.on_time[parcel.pipeline].add(parcel.message.seq)

    @precondition(lambda self: self.outbox.is_connected)
    @rule(arrived_unconfirmed=st.integers(0, 10))
    def lose(self, arrived_unconfirmed):
        for parcel in self.on_their_way[:arrived_unconfirmed]:
            self.arrive(parcel)
        self.outbox.disconnect(self.on_their_way)
        self.on_their_way = []
        for pipeline in self.PIPELINES:
            self.late[pipeline] |= set(self.published[pipeline]) - self.on_time[pipeline]

    @precondition(lambda self: not self.outbox.is_connected)
    @rule()
    def come_back(self):
        self.outbox.connect(self.now_s)

    def arrive(self, parcel):
        self.arrived[parcel.pipeline].append((*said(parcel), parcel.is_late))
        if parcel.channel == "prediction":
            seq = parcel.message.seq
            assert parcel.is_late or seq not in self.late[parcel.pipeline]
            assert not parcel.is_late or seq not in self.on_time[parcel.pipeline]

    @invariant()
    def nothing_grows_without_bound(self):
        """Both lanes, one protected event with its gaps, and a gap for what was given up."""
        assert len(self.outbox) <= 2 * self.CAPACITY + 1 + 2 * len(self.PIPELINES)

    def teardown(self):
        while self.on_their_way:
            self.confirm()
        if not self.outbox.is_connected:
            self.outbox.connect(self.now_s)
        while len(self.outbox) or self.outbox.owes_repeat:
            self.take(may_confirm=True)
            while self.on_their_way:
                self.confirm()
        missing = 0
        for pipeline in self.PIPELINES:
            missing += self.check_events(pipeline) + self.check_predictions(pipeline)
        # An event that is published waits in two lanes, and each may give it up.
        assert missing <= self.outbox.dropped.total() <= missing + sum(map(len, self.published.values())) * 2

    def check_events(self, pipeline):
        """First arrivals are in order, and with the gaps they are all there; how many never arrived."""
        first_arrivals = list(dict.fromkeys(n for kind, n, *_ in self.arrived[pipeline] if kind == "event"))
        assert first_arrivals == sorted(first_arrivals)
        given_up = set()
        for kind, *numbers in self.arrived[pipeline]:
            if kind == "gap":
                given_up |= set(range(numbers[0], numbers[1] + 1))
        assert given_up | set(first_arrivals) == set(range(self.events[pipeline]))
        return self.events[pipeline] - len(first_arrivals)

    def check_predictions(self, pipeline):
        """`prediction` never goes back and ends with the newest, `backlog` is in order; how many never arrived."""
        live = [n for kind, n, *_ in self.arrived[pipeline] if kind == "prediction"]
        assert live == sorted(live)
        assert live[-1:] == self.published[pipeline][-1:]
        history = list(dict.fromkeys(n for kind, n, *_ in self.arrived[pipeline] if kind == "backlog"))
        assert history == sorted(history)
        assert set(history) <= self.plain[pipeline]
        return len(self.plain[pipeline] - set(live) - set(history))


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
