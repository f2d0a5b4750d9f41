"""Live predictions: what can be sent now is sent, the newest is repeated, and what is too late is counted or kept elsewhere."""

from __future__ import annotations

from collections import Counter

import pytest
from publishing import prediction

from agent.mqtt.outbox import REPEAT_AFTER_S, Outbox


class Tray:
    """An outbox, and what it gave up to somebody who keeps it or not."""

    def __init__(self, capacity=10, *, keeps=False):
        self.kept = []
        self.dropped = Counter()
        self.outbox = Outbox(capacity, self.dropped, self.keep)
        self.keeps = keeps

    def keep(self, made):
        if self.keeps:
            self.kept.append(made.seq)
        return self.keeps

    def put(self, *seqs, pipeline="p", is_event=False, qos=0):
        for seq in seqs:
            self.outbox.put(prediction(seq, pipeline), qos=qos, is_event=is_event)

    def take(self, now_s=0.0, *, may_confirm=True):
        """Everything that may be sent now."""
        taken = []
        while parcel := self.outbox.take_repeat(now_s, may_confirm=may_confirm) or self.outbox.take(
            may_confirm=may_confirm
        ):
            taken.append(parcel)
        return taken


def seqs(parcels):
    return [parcel.message.seq for parcel in parcels]


def test_a_live_prediction_goes_to_prediction_and_is_no_history():
    """While the broker is there, nothing is late."""
    tray = Tray()
    tray.outbox.connect(0)
    tray.put(0, qos=1)
    (parcel,) = tray.take()
    message = parcel.stamp("2026-01-01T00:00:00.000000Z")
    assert (parcel.channel, parcel.qos, parcel.retain) == ("prediction", 1, True)
    assert (message.historical, message.event_seq, message.published_at[:4]) == (False, None, "2026")


@pytest.mark.parametrize("keeps", [True, False])
def test_what_is_made_while_the_broker_is_away_is_kept_or_counted_and_the_newest_is_repeated(keeps):
    """A late subscriber sees the last prediction, and the rest is history."""
    tray = Tray(keeps=keeps)
    tray.put(0, 1, 2)
    tray.outbox.connect(0)
    assert seqs(tray.take(100.0)) == [2]
    assert tray.kept == ([0, 1, 2] if keeps else [])
    assert tray.dropped == ({} if keeps else {"away": 3})


def test_an_event_is_not_history_twice():
    """The spool has it."""
    tray = Tray(keeps=True)
    tray.put(0, is_event=True)
    tray.outbox.connect(0)
    tray.put(1, is_event=True)
    tray.outbox.disconnect([])
    assert (tray.kept, tray.dropped) == ([], {})


def test_what_was_on_its_way_when_the_connection_was_lost_is_history_in_order():
    """With what waited behind it."""
    tray = Tray(keeps=True)
    tray.outbox.connect(0)
    tray.put(0, 1, 2, qos=1)
    taken = tray.take()[:1]
    tray.put(3, 4)
    tray.outbox.disconnect(taken)
    assert tray.kept == [0, 3, 4]


def reconnected_after_one_prediction(now_s=100.0):
    """Its prediction 0 was delivered before the connection was lost."""
    tray = Tray()
    tray.outbox.connect(0)
    tray.put(0)
    assert seqs(tray.take()) == [0]
    tray.outbox.disconnect([])
    tray.outbox.connect(now_s)
    return tray


def test_the_last_prediction_is_repeated_after_each_connect():
    """A broker that forgot everything knows it again, from a pipeline that is silent."""
    tray = reconnected_after_one_prediction(100.0)
    assert tray.outbox.owes_repeat
    assert tray.take(100.0 + 0.9 * REPEAT_AFTER_S) == []
    assert tray.outbox.wait_s(100.0) == REPEAT_AFTER_S
    assert seqs(tray.take(100.0 + REPEAT_AFTER_S)) == [0]
    assert not tray.outbox.owes_repeat
    assert tray.outbox.wait_s(200.0) is None


def test_a_pipeline_that_runs_repeats_nothing():
    """Its next prediction takes the place of the old one, and no subscriber sees one twice."""
    tray = reconnected_after_one_prediction(100.0)
    tray.put(1)
    assert seqs(tray.take(200.0)) == [1]


@pytest.mark.parametrize("hurry_first", [True, False])
def test_in_a_hurry_the_last_prediction_is_repeated_at_once(hurry_first):
    """Before the agent ends, no newer one comes, and there is no second to lose."""
    tray = reconnected_after_one_prediction(100.0)
    if hurry_first:
        tray.outbox.disconnect([])
    tray.outbox.hurry()
    if hurry_first:
        tray.outbox.connect(100.0)
    assert seqs(tray.take(100.0)) == [0]


def test_a_repeat_is_history_only_if_it_was_late():
    """What came on time is no history because the broker was restarted; what was made meanwhile or cut off on its way is."""
    on_time = reconnected_after_one_prediction(100.0)
    assert [parcel.is_late for parcel in on_time.take(200.0)] == [False]

    made_while_away = Tray()
    made_while_away.put(0)
    made_while_away.outbox.connect(100.0)
    assert [parcel.is_late for parcel in made_while_away.take(200.0)] == [True]

    for is_taken in (True, False):
        cut_off = Tray()
        cut_off.outbox.connect(0)
        cut_off.put(0)
        cut_off.outbox.disconnect(cut_off.take() if is_taken else [])
        cut_off.outbox.connect(100.0)
        assert [parcel.is_late for parcel in cut_off.take(200.0)] == [True]


@pytest.mark.parametrize("keeps", [True, False])
def test_the_last_prediction_of_a_pipeline_is_not_lost_to_the_many_of_another(keeps):
    """A full queue gives it up, so it is repeated; it comes late and says so."""
    tray = Tray(1, keeps=keeps)
    tray.outbox.connect(0)
    tray.put(0, pipeline="slow")
    tray.put(1, pipeline="fast")
    assert [(parcel.pipeline, parcel.is_late) for parcel in tray.take(100.0)] == [("slow", True), ("fast", False)]
    assert tray.dropped == ({} if keeps else {"queue_full": 1})


def test_a_broker_that_is_slow_gets_the_newest():
    """The oldest goes first, and there is room for as many as were asked for."""
    tray = Tray(3)
    tray.outbox.connect(0)
    tray.put(0, 1)
    assert tray.outbox.has_room()
    tray.put(2, 3, 4)
    assert not tray.outbox.has_room()
    assert seqs(tray.take()) == [2, 3, 4]
    assert tray.dropped == {"queue_full": 2}


def test_a_broker_that_confirms_slowly_holds_up_no_prediction_of_qos_0():
    """With the window full, only what needs no confirmation is sent."""
    tray = Tray()
    tray.outbox.connect(0)
    tray.put(0)
    tray.put(1, qos=1)
    assert seqs(tray.take(may_confirm=False)) == [0]
    assert seqs(tray.take()) == [1]


def test_a_prediction_that_can_never_be_sent_is_counted_and_its_repetition_is_not():
    """Nobody misses a repetition; it is not tried again."""
    tray = reconnected_after_one_prediction(100.0)
    (repeat,) = tray.take(200.0)
    tray.outbox.discard(repeat, "refused")
    assert tray.dropped == {}
    tray.outbox.disconnect([])
    tray.outbox.connect(300.0)
    assert tray.take(400.0) == []
    tray.put(1)
    tray.outbox.discard(tray.take()[0], "refused")
    assert tray.dropped == {"refused": 1}


def test_a_repetition_that_is_refused_takes_nothing_from_a_newer_prediction():
    """That one may still be pushed out, and be repeated."""
    tray = Tray(1)
    tray.put(0, qos=1)
    tray.outbox.connect(0)
    (repeat,) = tray.take(100.0)
    tray.put(1)
    tray.outbox.discard(repeat, "refused")
    tray.put(2, pipeline="fast")
    assert sorted(seqs(tray.take(100.0))) == [1, 2]
