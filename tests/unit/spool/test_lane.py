"""A lane in memory: in which order messages leave it, and what the disk may say of it at any time."""

from __future__ import annotations

import pytest
from spooling import LaneOnDisk, event, said

from agent.spool.lane import WINDOW
from agent.spool.store import LaneState


def test_live_messages_go_from_hand_to_hand_beside_the_write():
    """Nobody waits for the disk, and nothing is read from it."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0, 1)
    assert disk.lane.plan_load() is None
    taken = disk.take()
    assert [(said(record), record.is_late) for record in taken] == [(0, False), (1, False)]


def test_what_is_confirmed_before_its_group_is_written_is_never_written():
    """The card is spared while the broker is quick."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0, 1)
    disk.lane.confirm(disk.take(1)[0])
    disk.write()
    assert [said(disk.rows[number]) for number in disk.waiting()] == [1]


def test_what_is_confirmed_while_its_group_is_written_is_not_sent_again():
    """It is on the disk then, and the next record says that it is done with."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0, 1)
    group = disk.lane.begin_group()
    disk.lane.confirm(disk.take(1)[0])
    assert [said(record) for record in disk.lane.still_unconfirmed(group)] == [1]
    assert len(disk.lane) == 1


def test_what_was_made_while_the_broker_was_away_is_loaded_in_order_and_is_late():
    """From the disk, and from memory behind it."""
    disk = LaneOnDisk()
    disk.accept(0, 1)
    disk.write()
    disk.accept(2)
    disk.lane.connect()
    assert disk.take() == []
    disk.load()
    assert [(said(record), record.is_late) for record in disk.take()] == [(0, True), (1, True), (2, True)]


def test_more_than_a_window_waits_on_the_disk_and_comes_in_order():
    """However many there are, few are in memory."""
    disk = LaneOnDisk(10_000)
    numbers = range(3 * WINDOW)
    disk.accept(*numbers)
    disk.write()
    disk.lane.connect()
    arrived = []
    while len(disk.lane):
        disk.load()
        for record in disk.take(window=20):
            arrived.append(said(record))
            disk.lane.confirm(record)
        disk.record()
    assert arrived == list(numbers)
    assert (disk.lane.disk_count, disk.lane.disk_bytes) == (0, 0)


def test_a_lost_connection_sends_again_what_was_not_confirmed_and_marks_it_late():
    """In the old order."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0, 1, 2)
    disk.lane.confirm(disk.take()[0])
    disk.lane.disconnect()
    disk.lane.connect()
    disk.load()
    assert [(said(record), record.is_late) for record in disk.take()] == [(1, True), (2, True)]


def test_no_more_are_confirmed_without_a_record_than_a_kill_may_send_twice():
    """Then the next one waits for the record."""
    disk = LaneOnDisk()
    disk.accept(*range(10))
    disk.write()
    disk.lane.connect()
    disk.load()
    for record in disk.take(window=4):
        disk.lane.confirm(record)
    assert disk.lane.must_record
    assert disk.take(window=4) == []
    disk.record()
    assert [said(record) for record in disk.take(window=4)] == [4, 5, 6, 7]


def test_a_message_that_is_tried_again_is_not_stopped_by_those_that_overtook_it():
    """A broker that takes fewer at a time after a reconnect would wait for ever."""
    disk = LaneOnDisk()
    disk.accept(*range(4))
    disk.write()
    disk.lane.connect()
    disk.load()
    first, *others = disk.take(window=4)
    for record in others:
        disk.lane.confirm(record)
    disk.lane.give_back(first)
    assert not disk.lane.must_record
    assert [said(record) for record in disk.take(window=1)] == [0]


def test_what_was_confirmed_behind_a_message_that_is_tried_again_is_not_loaded_again():
    """After a lost connection, it still lies on the disk."""
    disk = LaneOnDisk()
    disk.accept(*range(4))
    disk.write()
    disk.lane.connect()
    disk.load()
    first, *others = disk.take()
    for record in others:
        disk.lane.confirm(record)
    disk.lane.give_back(first)
    disk.lane.disconnect()
    disk.lane.connect()
    disk.load()
    assert [said(record) for record in disk.take()] == [0]
    assert len(disk.lane) == 1


def test_how_often_a_message_was_refused_is_known_after_a_lost_connection():
    """Some brokers refuse and then cut; else it would be tried for ever."""
    disk = LaneOnDisk()
    disk.accept(0)
    disk.write()
    for refusals in range(3):
        disk.lane.connect()
        disk.load()
        (record,) = disk.take()
        assert record.refusals == refusals
        record.refusals += 1
        disk.lane.give_back(record)
        disk.lane.disconnect()


def test_rows_that_were_confirmed_are_not_free_to_be_given_up():
    """Else a bound would announce as missing what has arrived."""
    disk = LaneOnDisk()
    disk.accept(*range(4))
    disk.write()
    disk.lane.connect()
    disk.load()
    first, *others = disk.take()
    disk.lane.confirm(others[-1])
    disk.lane.give_back(first)
    disk.lane.disconnect()
    assert disk.lane.free_from_id == 5


def test_a_disk_that_fails_stops_nobody():
    """What cannot be recorded may come twice after a kill; that is better than not at all."""
    disk = LaneOnDisk()
    disk.accept(*range(8))
    disk.write()
    disk.lane.connect()
    disk.load()
    disk.lane.is_durable = False
    for record in disk.take(4, window=4):
        disk.lane.confirm(record)
    assert [said(record) for record in disk.take(window=4)] == [4, 5, 6, 7]


# -- written first ------------------------------------------------------------------------------------------------------


def test_a_message_that_is_to_be_written_first_is_sent_when_it_is_written():
    """`flush_ms = 0`; live all the same."""
    disk = LaneOnDisk()
    disk.lane.connect()
    (record,) = disk.accept(0, ready=False)
    assert disk.take() == []
    disk.write()
    disk.lane.admit(record)
    assert [(said(taken), taken.is_late) for taken in disk.take()] == [(0, False)]


def test_a_message_that_is_written_is_never_taken_for_confirmed_before_it_is_admitted():
    """Another pipeline's write may come between, and its record must not pass it."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0, ready=False)
    disk.write()
    disk.accept(1, ready=False)
    disk.write()
    assert disk.cursor == 0
    assert disk.waiting() == [1, 2]


def test_two_that_are_written_together_leave_in_order_whoever_is_admitted_first():
    """Each pipeline's thread comes back from the write when the machine lets it."""
    disk = LaneOnDisk()
    disk.lane.connect()
    first, second = disk.accept(0, 1, ready=False)
    disk.write()
    disk.lane.admit(second)
    disk.lane.admit(first)
    assert [said(record) for record in disk.take()] == [0, 1]


def test_a_message_that_was_loaded_from_the_disk_is_not_admitted_once_more():
    """It would be sent twice, and counted twice."""
    disk = LaneOnDisk()
    disk.accept(0)
    (record,) = disk.accept(1, ready=False)
    disk.write()
    disk.lane.connect()
    disk.load()
    disk.lane.admit(record)
    assert [said(taken) for taken in disk.take()] == [0, 1]


def test_a_message_that_cannot_be_written_first_is_sent_from_memory():
    """A failing disk costs durability, never the message."""
    disk = LaneOnDisk()
    disk.lane.connect()
    (record,) = disk.accept(0, ready=False)
    disk.lane.begin_group()
    disk.lane.end_group(None)
    disk.lane.is_durable = False
    disk.lane.admit(record)
    assert [said(taken) for taken in disk.take()] == [0]


# -- gaps of what the broker does not take ------------------------------------------------------------------------------


def test_a_gap_is_announced_even_if_no_event_follows():
    """Who reads the topic learns of it now, not with the next reject."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(7)
    disk.lane.quarantined(disk.take()[0], "too_large")
    assert len(disk.lane) == 1
    (announced,) = disk.take()
    assert said(announced) == (7, 7, "too_large")
    disk.lane.confirm(announced)
    assert len(disk.lane) == 0


def test_a_gap_that_is_refused_too_waits_for_what_follows_in_its_pipeline():
    """It is not tried for ever, and nobody waits for it at the end; then it comes before its follower."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0)
    disk.lane.quarantined(disk.take()[0], "refused")
    (announced,) = disk.take()
    announced.refusals += 1
    disk.lane.give_back(announced)
    assert disk.take() == []
    assert len(disk.lane) == 0
    disk.accept(0, pipeline="other")
    disk.accept(1)
    assert [said(record) for record in disk.take()] == [0, (0, 0, "refused"), 1]


def test_gaps_that_touch_become_one_and_others_stay_apart():
    """None takes the place of another."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(*range(5))
    taken = disk.take()
    for number in (0, 1, 3):
        disk.lane.quarantined(taken[number], "refused")
    assert [said(record) for record in disk.take()] == [(0, 1, "refused"), (3, 3, "refused")]


def test_a_gap_that_was_on_its_way_survives_a_lost_connection_beside_another():
    """Both are announced on the next one."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(*range(3))
    taken = disk.take()
    disk.lane.quarantined(taken[0], "refused")
    assert [said(record) for record in disk.take()] == [(0, 0, "refused")]
    disk.lane.quarantined(taken[2], "refused")
    disk.lane.disconnect()
    disk.lane.connect()
    disk.load()
    assert [said(record) for record in disk.take()] == [(0, 0, "refused"), 1, (2, 2, "refused")]


def test_a_gap_does_not_overtake_what_was_before_it():
    """What was on its way with the event is sent again first."""
    disk = LaneOnDisk()
    disk.lane.connect()
    disk.accept(0, 1)
    taken = disk.take()
    disk.lane.quarantined(taken[1], "too_large")
    disk.lane.disconnect()
    disk.lane.connect()
    disk.load()
    assert [said(record) for record in disk.take()] == [0, (1, 1, "too_large")]


# -- memory is the bound ------------------------------------------------------------------------------------------------


def test_without_a_disk_the_oldest_go_and_one_gap_stands_for_them():
    """And the reason says why memory is the bound."""
    disk = LaneOnDisk(3, durable=False)
    disk.lane.reason = "disk_full"
    disk.accept(*range(6))
    disk.lane.connect()
    disk.load()
    # The gap takes a place too.
    assert [said(record) for record in disk.take()] == [(0, 3, "disk_full"), 4, 5]
    assert disk.dropped == {"disk_full": 4}


def test_what_is_on_its_way_is_not_given_up():
    """It may have arrived."""
    disk = LaneOnDisk(3, durable=False)
    disk.lane.connect()
    disk.accept(0)
    taken = disk.take()
    disk.accept(1, 2, 3, 4)
    disk.lane.confirm(taken[0])
    disk.load()
    assert [said(record) for record in disk.take()] == [(1, 3, "queue_full"), 4]


def test_what_is_given_back_after_memory_was_bounded_keeps_its_place():
    """It is loaded again with what was made ready before it, and what is on its way is not free to be given up."""
    disk = LaneOnDisk(3)
    disk.accept(0, 1, 2)
    disk.write()
    disk.lane.connect()
    disk.load()
    first, second, third = disk.take()
    disk.lane.is_durable = False
    disk.lane.give_back(first)
    disk.accept(3, 4, 5, 6)
    assert disk.lane.free_from_id == third.id + 1
    disk.lane.give_back(second)
    disk.load()
    assert [said(record) for record in disk.take()][:2] == [0, 1]


def test_behind_each_gap_goes_a_message_however_fast_new_ones_push_in():
    """Else a line that overflows all the time would only say what is missing."""
    disk = LaneOnDisk(3, durable=False)
    disk.lane.connect()
    sent = []
    for number in range(0, 30, 3):
        disk.accept(number, number + 1, number + 2)
        disk.load()
        (taken,) = disk.take(1)
        disk.lane.confirm(taken)
        sent.append(said(taken))
    assert sum(isinstance(one, int) for one in sent) >= 5


# -- the disk comes and goes --------------------------------------------------------------------------------------------


def test_what_an_earlier_session_left_comes_first():
    """Ids go on where they had ended."""
    disk = LaneOnDisk(durable=False)
    disk.rows = {number: event(number, record_id=number, session="before") for number in (5, 6)}
    disk.accept(0, 1)
    disk.lane.attach(LaneState(cursor=4, last_id=6, count=2))
    disk.lane.connect()
    disk.load()
    assert [(record.session, record.id) for record in disk.take()] == [("before", 5), ("before", 6), ("s", 7), ("s", 8)]


def test_a_disk_that_comes_late_makes_nothing_go_twice():
    """What is on its way stays there, what was ready waits behind what an earlier session left."""
    disk = LaneOnDisk(durable=False)
    disk.lane.connect()
    disk.accept(0, 1)
    (on_its_way,) = disk.take(1)
    disk.rows = {1: event(9, record_id=1, session="before")}
    disk.lane.attach(LaneState(cursor=0, last_id=1, count=1))
    disk.write()
    disk.load()
    assert [said(record) for record in disk.take()] == [9, 1]
    disk.lane.confirm(on_its_way)
    assert len(disk.lane) == 2


def test_a_disk_that_comes_late_makes_nothing_old():
    """Its clock goes on from where it stood, and what was made meanwhile goes with it."""
    disk = LaneOnDisk(durable=False)
    (record,) = disk.accept(0)
    record.at_s = 5.0
    disk.lane.attach(LaneState(), clock_s=1000.0)
    assert record.at_s == 1005.0


@pytest.mark.parametrize("is_saved", [True, False])
def test_a_disk_that_is_lost_costs_what_was_only_there(is_saved):
    """What is in memory, on its way or could be saved goes on; the rest is counted."""
    disk = LaneOnDisk()
    disk.accept(0, 1, 2)
    disk.write()
    disk.accept(3)
    lost = disk.lane.detach(list(disk.rows.values()) if is_saved else [])
    disk.rows = {}
    disk.lane.attach(LaneState())
    disk.write()
    disk.lane.connect()
    disk.load()
    assert [said(record) for record in disk.take()] == ([0, 1, 2, 3] if is_saved else [3])
    assert lost == disk.dropped["spool_corrupt"] == (0 if is_saved else 3)
