"""What is owed to the broker, and when there is nothing left to do."""

from __future__ import annotations

import threading

import pytest
from deadlines import LONG_S
from publishing import prediction

from agent.mqtt.ledger import LAST_WORD_S, POISON_TRIES, Ledger
from agent.mqtt.notices import Notice
from agent.spool.record import Record
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

LAST_WORD = Notice("status", b"stopped", qos=1)


def ledger_of(capacity, *, backlog="keep"):
    """In memory; late predictions are kept unless the test says otherwise."""
    return Ledger(Spool(SpoolSettings(backlog=backlog), capacity=capacity), capacity)


def put(ledger, seq, *, event_seq=None, publish=True, wait=None):
    ledger.put(prediction(seq), qos=0, event_seq=event_seq, publish=publish, wait=wait)


def take_all(ledger, *, window=20, now_s=0.0):
    ledger._spool.load()
    return list(iter(lambda: ledger.take(now_s, window=window), None))


def number(what):
    """The topic of a notice, the number of a message."""
    if isinstance(what, Notice):
        return what.topic
    return what.first if isinstance(what, Record) else what.message.seq


def numbers(shipments):
    return [number(shipment.what) for shipment in shipments]


def test_notices_go_first_and_the_window_is_kept():
    """The birth precedes every prediction, and no more is unconfirmed than the broker takes."""
    ledger = ledger_of(10)
    for seq in range(4):
        put(ledger, seq, event_seq=seq, publish=False)
    ledger.announce("status", b"online", qos=1)
    ledger.connect(0.0)
    first = take_all(ledger, window=3)
    assert numbers(first) == ["status", 0, 1]
    ledger.settle(first[0].ticket)
    assert numbers(take_all(ledger, window=3)) == [2]
    assert ledger.queued == 4


def test_a_lost_connection_owes_what_was_not_confirmed_in_the_old_order():
    """Confirmed messages are done with; notices are said again all the same."""
    ledger = ledger_of(10)
    ledger.announce("status", b"online", qos=1)
    ledger.connect(0.0)
    for seq in range(3):
        put(ledger, seq, event_seq=seq, publish=False)
    shipments = take_all(ledger)
    for shipment in shipments[:2]:
        ledger.settle(shipment.ticket)
    assert ledger.disconnect(was_short=False) is None
    assert ledger.take(0.0, window=20) is None
    ledger.connect(0.0)
    assert numbers(take_all(ledger)) == ["status", 1, 2]


def test_the_message_that_the_broker_cuts_us_for_is_given_up_in_the_end():
    """One message never cuts the device off for good; those behind it are delivered."""
    ledger = ledger_of(10)
    ledger.announce("status", b"online", qos=1)
    put(ledger, 0, event_seq=0, publish=False)
    put(ledger, 1, event_seq=1, publish=False)
    given_up = []
    for _ in range(POISON_TRIES):
        ledger.connect(0.0)
        ledger._spool.load()
        ledger.settle(ledger.take(0.0, window=1).ticket)
        ledger.take(0.0, window=1)
        given_up.append(ledger.disconnect(was_short=True))
    assert given_up[:-1] == [None] * (POISON_TRIES - 1)
    assert given_up[-1].first == 0
    assert ledger.dropped == {"refused": 1}
    ledger.connect(0.0)
    status, gap, event = take_all(ledger)
    assert (status.what.topic, gap.what.last, event.what.first) == ("status", 0, 1)


def test_a_broker_that_refuses_and_cuts_is_not_tried_twice_as_often():
    """Whichever of the two is seen first, it is the same message that it does not take."""
    ledger = ledger_of(10)
    ledger.announce("status", b"online", qos=1)
    put(ledger, 0, event_seq=0, publish=False)
    for count in range(POISON_TRIES):
        ledger.connect(100.0 * count)
        status, event = take_all(ledger, now_s=100.0 * count)
        ledger.settle(status.ticket)
        if count % 2:
            ledger.settle(event.ticket, "refused", "not authorized")
        ledger.disconnect(was_short=True)
    assert ledger.dropped == {"refused": 1}


def test_a_refusal_explains_the_cut_behind_it():
    """Else it would be taken for another client with our id, and the next try be minutes away."""
    ledger = ledger_of(10)
    put(ledger, 0, event_seq=0, publish=False)
    ledger.connect(0.0)
    (event,) = take_all(ledger)
    ledger.settle(event.ticket, "refused", "not authorized")
    assert ledger.owes_confirmation
    ledger.disconnect(was_short=True)
    ledger.connect(1.0)
    assert not ledger.owes_confirmation


def test_a_broker_that_falls_over_is_no_reason_to_give_a_message_up():
    """It confirmed nothing, so the message is not to blame, however often it happens."""
    ledger = ledger_of(10)
    put(ledger, 0, event_seq=0, publish=False)
    for _ in range(3 * POISON_TRIES):
        ledger.connect(0.0)
        take_all(ledger)
        assert ledger.disconnect(was_short=True) is None
    assert ledger.queued == 1
    assert ledger.dropped == {}


def test_the_last_word_comes_when_all_is_delivered():
    """Then there is nothing left to do."""
    ledger = ledger_of(10)
    put(ledger, 0)
    ledger.connect(0.0)
    ledger.stop(LAST_WORD, deadline_s=100.0)
    assert not ledger.is_done(1.0)
    for shipment in take_all(ledger, now_s=1.0):
        ledger.settle(shipment.ticket)
    assert not ledger.is_done(2.0)
    (word,) = take_all(ledger, now_s=2.0)
    assert not ledger.is_done(2.0)
    ledger.settle(word.ticket)
    assert ledger.is_done(2.0)
    assert ledger.undelivered == 0


def test_the_last_word_comes_at_the_deadline_and_what_waits_is_undelivered():
    """A broker that confirms nothing holds nobody up."""
    ledger = ledger_of(10)
    for seq in range(3):
        put(ledger, seq, event_seq=seq, publish=False)
    ledger.connect(0.0)
    take_all(ledger, window=1)
    ledger.stop(LAST_WORD, deadline_s=10.0)
    assert not ledger.is_done(9.0)
    assert not ledger.is_done(10.0)
    assert numbers(take_all(ledger, now_s=10.0)) == ["status"]
    assert ledger.is_done(10.0 + LAST_WORD_S)
    assert ledger.undelivered == 4


def test_the_last_word_alone_has_the_whole_grace_too():
    """A broker that is slow to confirm `stopped` is waited for as long as one that is slow with events."""
    ledger = ledger_of(10)
    ledger.connect(0.0)
    ledger.stop(LAST_WORD, deadline_s=10.0)
    assert not ledger.is_done(1.0)
    (word,) = take_all(ledger, now_s=1.0)
    assert not ledger.is_done(9.0)
    assert ledger.deadline_s == 10.0
    ledger.settle(word.ticket)
    assert ledger.is_done(9.0)


def test_a_newest_prediction_that_waits_to_be_repeated_precedes_the_last_word():
    """Who comes after the end still sees what was last."""
    ledger = ledger_of(10)
    put(ledger, 0, event_seq=0)
    ledger.connect(0.0)
    (event,) = take_all(ledger)
    ledger.settle(event.ticket)
    ledger.stop(LAST_WORD, deadline_s=10.0)
    assert not ledger.is_done(0.1)
    assert [(s.what.channel, s.what.message.seq) for s in take_all(ledger, now_s=0.1)] == [("prediction", 0)]


def test_after_the_deadline_nobody_waits_for_what_is_not_sent_any_more():
    """Else the thread would turn in a circle until the last word is confirmed."""
    ledger = ledger_of(10)
    put(ledger, 0)
    ledger.connect(0.0)
    ledger.stop(LAST_WORD, deadline_s=0.0)
    ledger.is_done(0.0)
    assert numbers(take_all(ledger)) == ["status"]
    assert ledger.wait_s(0.0, window=20) is None


@pytest.mark.parametrize("reason", ["refused", "too_large", "unencodable"])
def test_what_can_never_be_delivered_is_undelivered(reason):
    """A prediction and a notice alike; the notice is not said again."""
    ledger = ledger_of(10)
    ledger.announce("status", b"online", qos=1)
    ledger.connect(0.0)
    put(ledger, 0)
    for shipment in take_all(ledger):
        assert ledger.settle(shipment.ticket, reason) is shipment
    assert ledger.dropped == {reason: 2}
    assert (ledger.queued, ledger.undelivered) == (0, 2)


def test_after_the_stop_nothing_is_taken():
    """What comes too late is counted."""
    ledger = ledger_of(10)
    ledger.stop(LAST_WORD, deadline_s=0.0)
    put(ledger, 0)
    ledger.announce("status", b"online", qos=1)
    ledger.say_last_word()
    ledger.say_last_word()
    assert ledger.dropped == {"stopping": 1}
    assert ledger.undelivered == 1


def test_a_sender_that_can_wait_goes_on_when_there_is_room_again():
    """It is woken by the delivery, and nothing is dropped."""
    ledger = ledger_of(1)
    ledger.connect(0.0)
    put(ledger, 0)
    sender = threading.Thread(target=put, args=(ledger, 1), kwargs={"wait": lambda: True})
    sender.start()
    first = ledger.take(0.0, window=20)
    sender.join(LONG_S)
    assert not sender.is_alive()
    assert numbers([first, *take_all(ledger)]) == [0, 1]
    assert ledger.dropped == {}


def test_a_forbidden_backlog_does_not_go_round_in_its_own_announcements():
    """They are refused as well; more of them than the window would else keep every late prediction from its turn."""
    ledger = ledger_of(1000)
    for seq in range(0, 120, 2):
        put(ledger, seq)
    ledger.connect(0.0)
    refused = []
    for now_s in range(100, 300):
        for shipment in take_all(ledger, window=20, now_s=float(now_s)):
            refused.append(number(shipment.what))
            if isinstance(shipment.what, Record):
                ledger.settle(shipment.ticket, "refused", "not authorized")
            else:
                ledger.settle(shipment.ticket)
    assert set(range(0, 120, 2)) <= set(refused)
    assert ledger.dropped["refused"] == 60


def test_who_can_wait_waits_before_the_bound_of_bytes_costs_an_event(tmp_path):
    """A slow broker slows a file down, also where `max_bytes` is reached long before the queue is full."""
    spool = Spool(SpoolSettings(max_bytes=64 << 10), tmp_path, capacity=10_000)
    spool.open()
    ledger = Ledger(spool, 10_000)
    ledger.connect(0.0)
    waited = []
    for seq in range(1000):
        put(ledger, seq, event_seq=seq, publish=False, wait=lambda: waited.append(1))
        spool.flush()
        if waited:
            break
    assert waited
    assert ledger.dropped == {}
    spool.close()


def test_a_sender_does_not_wait_for_a_broker_that_is_away_nor_after_it_was_told_not_to():
    """The line goes on; what cannot be sent is dropped and counted."""
    ledger = ledger_of(1, backlog="drop")
    put(ledger, 0, wait=lambda: True)
    put(ledger, 1, wait=lambda: True)
    assert ledger.dropped == {"away": 2}
    ledger.connect(0.0)
    put(ledger, 2)
    put(ledger, 3, wait=lambda: False)
    assert ledger.dropped == {"away": 2, "queue_full": 1}
