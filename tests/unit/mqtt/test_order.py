"""Events, live predictions and history together: nothing is lost uncounted, nothing overtakes, and nothing grows without a bound."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from publishing import prediction

from agent.mqtt.ledger import REFUSED, Ledger
from agent.spool.record import Record
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

WINDOW = 20


class Line:
    """A ledger with its spool in memory, and a broker that does as the test says."""

    def __init__(self, capacity=1000, **spool):
        self.spool = Spool(SpoolSettings(**{"backlog": "keep"} | spool), capacity=capacity)
        self.ledger = Ledger(self.spool, capacity)

    def put(self, *seqs, pipeline="p", event=False, publish=True, qos=0):
        """Predictions; as events their `event_seq` is their number too."""
        for seq in seqs:
            event_seq = seq if event else None
            self.ledger.put(prediction(seq, pipeline), qos=qos, event_seq=event_seq, publish=publish, wait=None)

    def take(self, now_s=0.0, *, window=WINDOW):
        """The next shipment."""
        self.spool.load()
        return self.ledger.take(now_s, window=window)

    def deliver(self, now_s=0.0):
        """Everything that may be sent now, confirmed at once, as (channel, numbers); time does not pass."""
        sent = []
        while shipment := self.take(now_s):
            sent.append(said(shipment))
            self.ledger.settle(shipment.ticket)
        return sent


def said(shipment):
    what = shipment.what
    if isinstance(what, Record):
        return ("gap", what.first, what.last) if what.is_gap else (what.channel, what.first)
    return (what.channel, what.message.seq)


def test_an_event_is_sent_on_both_topics():
    """Once for whoever acts, once for whoever looks."""
    line = Line()
    line.ledger.connect(0)
    line.put(4, event=True)
    shipments = [line.take(), line.take()]
    assert {said(one): (one.what.qos, one.what.retain, one.what.is_late) for one in shipments} == {
        ("event", 4): (1, False, False),
        ("prediction", 4): (0, True, False),
    }


def test_what_was_taken_while_the_broker_was_away_goes_to_backlog_and_the_newest_to_prediction():
    """Where the operator keeps it."""
    line = Line()
    line.put(0, 1, 2)
    line.ledger.connect(0)
    sent = [one for now_s in (100.0, 100.1, 100.2) for one in line.deliver(now_s)]
    assert sent == [("prediction", 2), ("backlog", 0), ("backlog", 1), ("backlog", 2)]


def test_what_was_taken_while_the_broker_was_away_is_counted_where_nobody_keeps_it():
    """Events are kept all the same."""
    line = Line(backlog="drop")
    line.put(0, 1)
    line.put(2, event=True)
    line.ledger.connect(0)
    assert sorted(line.deliver(100.0)) == [("event", 2), ("prediction", 2)]
    assert line.ledger.dropped == {"away": 2}


def test_a_late_event_is_not_history_twice():
    """`backlog` is for predictions that are no events."""
    line = Line()
    line.put(0, event=True)
    line.put(1)
    line.ledger.connect(0)
    assert sorted(line.deliver(100.0)) == [("backlog", 1), ("event", 0), ("prediction", 1)]


def test_what_was_on_its_way_is_sent_again_in_order_before_what_waits():
    """A lost connection neither loses nor reorders; what was live is late now."""
    line = Line(backlog_rate=100_000)
    line.ledger.connect(0)
    for seq in range(4):
        line.put(seq, event=True)
        line.put(10 + seq, qos=1)
    for _ in range(5):
        assert line.take()
    line.ledger.disconnect(was_short=False)
    line.ledger.connect(0)
    shipments = []
    for now_s in range(1, 30):
        while shipment := line.take(float(now_s)):
            shipments.append(shipment)
    assert all(shipment.what.is_late for shipment in shipments)
    sent = [said(shipment) for shipment in shipments]
    assert [number for channel, number in sent if channel == "event"] == [0, 1, 2, 3]
    assert [number for channel, number in sent if channel == "backlog"] == [10, 11, 12, 13]
    assert ("prediction", 13) in sent


def test_events_that_memory_cannot_hold_give_up_the_oldest_and_say_so_before_the_next():
    """A subscriber can tell what is missing from what is still to come. The gap takes a place too."""
    line = Line(3)
    line.put(*range(5), event=True, publish=False)
    line.ledger.connect(0)
    assert line.deliver() == [("gap", 0, 2), ("event", 3), ("event", 4)]
    assert line.ledger.dropped == {"queue_full": 3}


def test_a_gap_is_announced_even_if_no_event_follows():
    """An event that is given up after it was taken is announced all the same."""
    line = Line()
    line.ledger.connect(0)
    line.put(7, event=True, publish=False)
    line.ledger.settle(line.take().ticket, "too_large", "5000 bytes")
    assert line.ledger.queued == 1
    assert line.deliver() == [("gap", 7, 7)]
    assert line.ledger.dropped == {"too_large": 1}


def test_an_event_that_cannot_be_encoded_is_announced_in_its_place():
    """A faulty decoder does not stop the others."""
    line = Line()
    line.ledger.connect(0)
    broken = prediction(0)
    broken.part_id = object()
    line.ledger.put(broken, qos=0, event_seq=0, publish=False, wait=None)
    line.put(1, event=True, publish=False)
    assert line.deliver() == [("gap", 0, 0), ("event", 1)]
    assert line.ledger.dropped == {"unencodable": 1}


def test_a_line_that_overflows_all_the_time_still_sends_events():
    """However fast new ones push in."""
    line = Line(4)
    line.ledger.connect(0)
    numbers = itertools.count()
    sent = []
    for _ in range(20):
        line.put(*itertools.islice(numbers, 3), event=True, publish=False)
        shipment = line.take()
        sent.append(said(shipment))
        line.ledger.settle(shipment.ticket)
    assert sum(channel == "event" for channel, *_ in sent) >= 9


def test_a_refused_event_is_tried_again_and_given_up_in_the_end():
    """After a pause each time; what is behind it waits, and then goes."""
    line = Line(refusals=3)
    line.ledger.connect(0)
    line.put(0, 1, event=True, publish=False)
    now_s, tries = 0.0, 0
    while (shipment := line.take(now_s, window=1)) and said(shipment) == ("event", 0):
        line.ledger.settle(shipment.ticket, REFUSED, "not authorized")
        tries += 1
        assert line.take(now_s, window=1) is None or tries == 3
        if tries < 3:
            wait_s = line.ledger.wait_s(now_s, window=1)
            assert 0 < wait_s <= 1.0
            now_s += wait_s
    assert tries == 3
    assert line.ledger.dropped == {"refused": 1}


def test_a_broker_that_refuses_for_a_moment_costs_no_event():
    """The count begins anew with each event that it takes."""
    line = Line(refusals=3)
    line.ledger.connect(0)
    for number in range(5):
        line.put(number, event=True, publish=False)
        now_s = number * 100.0
        for _ in range(2):
            line.ledger.settle(line.take(now_s).ticket, REFUSED, "quota exceeded")
            now_s += 10.0
        assert line.deliver(now_s) == [("event", number)]
    assert line.ledger.dropped == {}


def test_a_message_that_is_too_large_says_nothing_of_its_pipeline():
    """The next one that is refused has all its tries."""
    line = Line(refusals=3)
    line.ledger.connect(0)
    line.put(0, 1, event=True, publish=False)
    line.ledger.settle(line.take().ticket, "too_large", "5000 bytes")
    gap, event = line.take(), line.take()
    assert (said(gap), said(event)) == (("gap", 0, 0), ("event", 1))
    line.ledger.settle(event.ticket, REFUSED, "quota exceeded")
    line.ledger.settle(gap.ticket)
    assert line.deliver(10.0) == [("event", 1)]


def test_what_is_said_of_one_topic_is_not_said_of_another():
    """Where events are forbidden, history may be allowed, and has all its tries."""
    line = Line(refusals=2)
    line.ledger.connect(0)
    line.put(0, event=True, publish=False)
    for now_s in (1.0, 2.0):
        line.ledger.settle(line.take(now_s).ticket, REFUSED, "not authorized")
    line.ledger.disconnect(was_short=False)
    line.put(1)
    line.ledger.connect(10.0)
    shipment = line.take(10.0)
    assert said(shipment) == ("backlog", 1)
    line.ledger.settle(shipment.ticket, REFUSED, "quota exceeded")
    assert ("backlog", 1) in line.deliver(20.0)


def test_a_pipeline_whose_topic_is_forbidden_holds_up_no_other():
    """Its events are given up one after the other, at the first refusal once the broker has shown that it means it."""
    line = Line(refusals=2)
    line.ledger.connect(0)
    line.put(*range(50), pipeline="forbidden", event=True, publish=False)
    line.put(*range(50), pipeline="fine", event=True, publish=False)
    arrived, now_s, refusals = [], 0.0, 0
    while len(arrived) < 50:
        now_s += 1.0
        for shipment in list(iter(lambda now_s=now_s: line.take(now_s), None)):
            if shipment.what.pipeline == "forbidden":
                refusals += 1
                line.ledger.settle(shipment.ticket, REFUSED, "not authorized")
            else:
                arrived.append(said(shipment))
                line.ledger.settle(shipment.ticket)
        assert now_s < 100
    assert arrived == [("event", number) for number in range(50)]
    assert line.ledger.dropped == {"refused": 50}
    assert refusals < 200


@pytest.mark.parametrize("late_by_s", [0.0, 0.0003, 0.0019])
def test_the_backlog_keeps_its_rate_although_whoever_calls_wakes_late(late_by_s):
    """At 500/s a second has 500, whether or not each wake-up comes a little late."""
    line = Line(10_000)
    line.put(*range(2_000))
    line.ledger.connect(0)
    now_s, sent = 1000.0, 0
    while now_s < 1001.0:
        sent += sum(channel == "backlog" for channel, _ in line.deliver(now_s))
        now_s += max(line.ledger.wait_s(now_s, window=WINDOW), 1e-6) + late_by_s
    assert 490 <= sent <= 502


def test_live_predictions_are_not_held_up_by_many_late_events():
    """Events and live predictions take turns."""
    line = Line()
    line.put(*range(500), event=True, publish=False)
    line.ledger.connect(0)
    line.put(500)
    assert ("prediction", 500) in [said(line.take()) for _ in range(2)]


def test_a_broker_that_confirms_slowly_holds_up_no_prediction_of_qos_0():
    """With the window full, only what needs no confirmation is sent."""
    line = Line()
    line.ledger.connect(0)
    line.put(0, 1, event=True, publish=False)
    line.put(2)
    taken = [line.take(window=1) for _ in range(3)]
    assert sorted(said(shipment) for shipment in taken if shipment) == [("event", 0), ("prediction", 2)]


def test_in_a_hurry_the_backlog_has_no_rate():
    """Before the agent ends, history goes as fast as it can."""
    line = Line(backlog_rate=1)
    line.put(*range(100))
    line.ledger.connect(0)
    line.ledger.stop(None, deadline_s=100.0)  # no last word: it is not said here
    line.ledger._last_word = object()
    assert line.deliver(5.0) == [("prediction", 99), *[("backlog", seq) for seq in range(100)]]


class Delivery(RuleBasedStateMachine):
    """Any order of taking, sending, confirming, losing the connection and coming back."""

    CAPACITY = 6
    PIPELINES = ("a", "b")

    def __init__(self):
        super().__init__()
        self.now_s = 0.0
        self.is_connected = False
        self.on_their_way = []
        self.arrived = {pipeline: [] for pipeline in self.PIPELINES}
        self.seqs = {pipeline: itertools.count() for pipeline in self.PIPELINES}
        self.events = dict.fromkeys(self.PIPELINES, 0)
        self.published = {pipeline: [] for pipeline in self.PIPELINES}
        self.plain = {pipeline: set() for pipeline in self.PIPELINES}
        self.on_time = {pipeline: set() for pipeline in self.PIPELINES}
        self.cut_off = {pipeline: set() for pipeline in self.PIPELINES}
        self.late = {pipeline: set() for pipeline in self.PIPELINES}

    @initialize(connected=st.booleans(), backlog=st.sampled_from(["keep", "drop"]))
    def begin(self, connected, backlog):
        self.line = Line(self.CAPACITY, backlog=backlog, backlog_rate=100_000)
        if connected:
            self.come_back()

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
            if not self.is_connected:
                self.late[pipeline].add(seq)
            if not is_event:
                self.plain[pipeline].add(seq)
        made = prediction(seq, pipeline)
        self.line.ledger.put(made, qos=qos, event_seq=event_seq, publish=publish, wait=None)

    @precondition(lambda self: self.is_connected)
    @rule(window=st.sampled_from([1, 4, WINDOW]))
    def take(self, window):
        self.now_s += 1.0
        shipment = self.line.take(self.now_s, window=window)
        if shipment and shipment.qos:
            unconfirmed = sum(other.qos for other in self.on_their_way)
            assert unconfirmed < window
        if shipment:
            self.on_their_way.append(shipment)

    @precondition(lambda self: self.on_their_way)
    @rule()
    def confirm(self):
        shipment = self.on_their_way.pop(0)
        what = shipment.what
        self.arrive(what)
        self.line.ledger.settle(shipment.ticket)
        if what.channel == "prediction" and not what.is_repeat:
            self.on_time[what.pipeline].add(what.message.seq)

    @precondition(lambda self: self.is_connected)
    @rule(arrived_unconfirmed=st.integers(0, 10))
    def lose(self, arrived_unconfirmed):
        for shipment in self.on_their_way[:arrived_unconfirmed]:
            self.arrive(shipment.what)
        for shipment in self.on_their_way:
            if not isinstance(shipment.what, Record):
                self.cut_off[shipment.what.pipeline].add(shipment.what.message.seq)
        self.line.ledger.disconnect(was_short=False)
        self.on_their_way = []
        self.is_connected = False
        for pipeline in self.PIPELINES:
            self.late[pipeline] |= set(self.published[pipeline]) - self.on_time[pipeline]

    @precondition(lambda self: not self.is_connected)
    @rule()
    def come_back(self):
        self.line.ledger.connect(self.now_s)
        self.is_connected = True

    def arrive(self, what):
        if isinstance(what, Record):
            numbers = (f"{what.channel} gap", what.first, what.last) if what.is_gap else (what.channel, what.first)
            self.arrived[what.pipeline].append(numbers)
            return
        seq = what.message.seq
        self.arrived[what.pipeline].append((what.channel, seq))
        assert what.is_late or seq not in self.late[what.pipeline]
        assert not what.is_late or seq not in self.on_time[what.pipeline]

    @invariant()
    def nothing_grows_without_bound(self):
        """Two lanes, live predictions, a window on its way, and a gap beside each that is."""
        if hasattr(self, "line"):
            assert self.line.ledger.queued <= 3 * self.CAPACITY + 2 * len(self.on_their_way) + 2 * len(self.PIPELINES)

    def teardown(self):
        if not hasattr(self, "line"):
            return
        while self.on_their_way:
            self.confirm()
        if not self.is_connected:
            self.come_back()
        while self.line.ledger.queued or self.line.ledger._outbox.owes_repeat:
            self.take(window=WINDOW)
            while self.on_their_way:
                self.confirm()
        missing = 0
        for pipeline in self.PIPELINES:
            missing += self.check_events(pipeline) + self.check_predictions(pipeline)
        dropped = sum(self.line.ledger.dropped.values())
        # What was given up may have arrived before, unconfirmed; and an event that is published waits in two places.
        assert missing <= dropped <= missing + sum(map(len, self.published.values())) * 2

    def check_events(self, pipeline):
        """First arrivals are in order, and with the gaps they are all there; how many never arrived."""
        first_arrivals = list(dict.fromkeys(n for kind, n, *_ in self.arrived[pipeline] if kind == "event"))
        assert first_arrivals == sorted(first_arrivals)
        given_up = set()
        for kind, *numbers in self.arrived[pipeline]:
            if kind == "event gap":
                given_up |= set(range(numbers[0], numbers[1] + 1))
            elif kind == "event":
                assert set(range(numbers[0])) <= given_up | set(first_arrivals[: first_arrivals.index(numbers[0])])
        assert given_up | set(first_arrivals) == set(range(self.events[pipeline]))
        return self.events[pipeline] - len(first_arrivals)

    def check_predictions(self, pipeline):
        """`prediction` never goes back and ends with the newest, `backlog` is in order; how many never arrived.

        One that was cut off on its way may come behind younger ones that a full queue had pushed out before.
        """
        live = [n for kind, n, *_ in self.arrived[pipeline] if kind == "prediction"]
        assert live == sorted(live)
        assert live[-1:] == self.published[pipeline][-1:]
        history = list(dict.fromkeys(n for kind, n, *_ in self.arrived[pipeline] if kind == "backlog"))
        in_order = [seq for seq in history if seq not in self.cut_off[pipeline]]
        assert in_order == sorted(in_order)
        assert set(history) <= self.plain[pipeline]
        return len(self.plain[pipeline] - set(live) - set(history))


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
