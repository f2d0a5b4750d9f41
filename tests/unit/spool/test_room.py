"""Room for a group: what the file loses for it, as the operator chose, and never what somebody has in hand."""

from __future__ import annotations

from contextlib import closing

import pytest
from spooling import event, gap, said

from agent.spool.record import OVERHEAD_BYTES
from agent.spool.room import Room, make_room, outdated
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool
from agent.spool.store import NAME, Change, LaneState, Store

ONE = OVERHEAD_BYTES + 2


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / NAME)) as store:
        yield store


def write(store, *records, removed=()):
    store.commit([Change("event", LaneState(), records, list(removed))], durable=True)


def after(store, room):
    """What the file holds when the room is committed."""
    write(store, *room.put, removed=room.removed)
    return [said(record) for record in store.read("event", 0, 1000)]


def made(*decisions, start=0):
    return [event(start + k, record_id=start + k + 1, decision=decision) for k, decision in enumerate(decisions)]


def room_for(store, group, *, candidates=None, from_id=1, excess=ONE, order="oldest"):
    candidates = group if candidates is None else candidates
    return make_room(store, "event", group, candidates, from_id=from_id, excess_bytes=excess, order=order)


@pytest.mark.parametrize(
    ("order", "left"),
    [
        ("oldest", [(0, 1, "spool_full"), 2, 3]),
        ("newest", [0, 1, (2, 3, "spool_full")]),
        ("decision", [0, (1, 1, "spool_full"), 2, (3, 3, "spool_full")]),
    ],
)
def test_what_goes_may_be_on_the_disk_or_in_the_group(store, order, left):
    """And is counted by reason, and against the bytes."""
    write(store, *made("reject", "accept"))
    room = room_for(store, made("reject", "accept", start=2), excess=2 * ONE, order=order)
    assert room.lost == {"spool_full": 2}
    assert room.removed_count * ONE == room.removed_bytes
    assert after(store, room) == left


@pytest.mark.parametrize("order", ["oldest", "newest", "decision"])
@pytest.mark.parametrize(("lane", "step"), [("event", 1), ("backlog", 2)])
def test_announcements_do_not_pile_up_however_long_the_broker_is_away(tmp_path, order, lane, step):
    """Also in the backlog, where the numbers of events are missing in between."""
    settings = SpoolSettings(max_bytes=64 << 10, gives_up=order)
    backlog = {"backlog": "keep", "backlog_max_bytes": 64 << 10, "backlog_gives_up": order}
    spool = Spool(settings.model_copy(update=backlog), tmp_path)
    spool.open()
    [to] = [one for one in spool.lanes if one.name == lane]
    counts = []
    for number in range(0, 800 * step, step):
        record = event(number, decision=("accept", "unsure", "reject")[number // step % 3], payload=bytes(1000))
        record.lane = lane
        with spool.changed:
            spool.accept(to, record)
        if number // step % 4 == 3:
            spool.flush()
            counts.append(to.disk_count)
    assert counts[-1] <= counts[len(counts) // 2]
    assert to.disk_bytes <= 64 << 10
    spool.close()


def test_a_group_that_fits_costs_nothing(store):
    """The usual case reads nothing."""
    group = made("reject")
    assert room_for(store, group, excess=0) == Room(group)


def test_what_somebody_has_in_hand_stays(store):
    """Rows below the id that is free, and those of the group that are being sent."""
    write(store, *made(None, None))
    room = room_for(store, group := made(None, None, start=2), candidates=group[1:], from_id=2, excess=100 * ONE)
    assert after(store, room) == [0, (1, 1, "spool_full"), 2, (3, 3, "spool_full")]
    assert room_for(store, group, candidates=[], from_id=None, excess=100 * ONE).put == group


def test_a_gap_that_somebody_has_in_hand_is_not_joined(store):
    """It would be announced twice, and counted twice."""
    write(store, gap(0, 0, record_id=1), *made("accept", "reject", start=1))
    room = room_for(store, [], from_id=2, order="decision")
    assert after(store, room) == [(0, 0, "spool_full"), (1, 1, "spool_full"), 2]
    write(store, *made("accept", start=1))
    room = room_for(store, [], from_id=1, order="decision")
    assert after(store, room) == [(0, 1, "spool_full"), 2]


def test_what_is_too_old_goes_with_a_reason_of_its_own(store):
    """On the spool's clock; what follows stays, however much there is."""
    records = made(None, None, None)
    for record, at_s in zip(records, (1.0, 2.0, 9.0), strict=True):
        record.at_s = at_s
    write(store, *records)
    room = outdated(store, "event", Room([]), from_id=1, before_s=5.0)
    assert room.lost == {"too_old": 2}
    assert after(store, room) == [(0, 1, "too_old"), 2]
    assert outdated(store, "event", Room([]), from_id=1, before_s=5.0) == Room([])
