"""The spool as a whole: what is accepted is there after a restart, and a disk that fails costs durability and nothing else."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from deadlines import LONG_S
from spooling import event, said

from agent.core.errors import BadData
from agent.spool.desk import SpoolDesk
from agent.spool.faults import SpoolUnwritable
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool


@pytest.fixture
def clock(monkeypatch):
    """Monotonic time that passes when the test says so."""
    clock = SimpleNamespace(now_s=1000.0)
    for module in ("spool", "disk"):
        monkeypatch.setattr(f"agent.spool.{module}.time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def opened(folder, *, capacity=1000, on_fault=lambda *_: None, **settings):
    """A spool without its thread; bounds may be smaller than a person may choose."""
    spool = Spool(SpoolSettings().model_copy(update=settings), folder, capacity=capacity, on_fault=on_fault)
    spool.open()
    return spool


def accept(spool, *numbers, **fields):
    for number in numbers:
        with spool.changed:
            spool.accept(spool.events, event(number, **fields))


def delivered(spool):
    """What a broker gets that confirms everything."""
    with spool.changed:
        spool.events.connect()
    arrived = []
    while True:
        assert spool.record_confirmations()
        spool.load()
        with spool.changed:
            record = spool.events.take(20)
            if record is None:
                return arrived
            spool.events.confirm(record)
        arrived.append(record)


def killed(spool):
    """The process ends; nothing more is written."""
    spool._disk.store.close()


def broken(spool, monkeypatch, sentence="the disk is full"):
    def fail(*_, **__):
        raise SpoolUnwritable(sentence, hint="df -h")

    monkeypatch.setattr(spool._disk.store, "commit", fail)
    monkeypatch.setattr(spool._disk.store, "try_commit", fail)


def test_what_was_written_is_there_after_a_kill_and_is_late(tmp_path):
    """And what was not written is not."""
    spool = opened(tmp_path)
    accept(spool, 0, 1)
    spool.flush()
    accept(spool, 2)
    killed(spool)
    arrived = delivered(opened(tmp_path))
    assert [(said(record), record.is_late) for record in arrived] == [(0, True), (1, True)]


def test_who_ends_in_good_order_writes_what_waits(tmp_path):
    """`close` may be called twice."""
    spool = opened(tmp_path)
    accept(spool, 0)
    spool.close()
    spool.close()
    assert [said(record) for record in delivered(opened(tmp_path))] == [0]


def test_what_was_delivered_is_not_delivered_again(tmp_path):
    """After a kill, as each confirmation was put down."""
    spool = opened(tmp_path)
    accept(spool, *range(5))
    spool.flush()
    assert len(delivered(spool)) == 5
    killed(spool)
    again = opened(tmp_path)
    assert delivered(again) == []
    assert (len(again.events), again.size_bytes) == (0, 0)


def test_an_earlier_session_comes_first(tmp_path):
    """Whatever was made before the broker was there."""
    before = opened(tmp_path)
    accept(before, 0, 1, session="before")
    before.close()
    spool = opened(tmp_path)
    accept(spool, 0, 1, session="now")
    assert [record.session for record in delivered(spool)] == ["before"] * 2 + ["now"] * 2


def test_without_a_folder_everything_is_in_memory():
    """For whoever measures or tests."""
    spool = opened(None, capacity=2)
    accept(spool, *range(4))
    assert [said(record) for record in delivered(spool)] == [(0, 2, "queue_full"), 3]
    spool.flush()
    spool.close()


def test_the_thread_writes_a_group_after_flush_ms(tmp_path):
    """Nobody has to ask for it."""
    spool = opened(tmp_path, flush_ms=1.0)
    spool.start()
    accept(spool, 0)
    with spool.changed:
        assert spool.changed.wait_for(lambda: spool.events.disk_count == 1, LONG_S)
    spool.close()


def test_a_confirmation_that_waits_for_its_record_holds_no_group_up(tmp_path, monkeypatch):
    """The writer that would put it down in its time is woken by the first event that comes meanwhile."""
    monkeypatch.setattr("agent.spool.spool._RECORD_S", 30.0)
    spool = opened(tmp_path, flush_ms=10.0)
    accept(spool, 0)
    spool.flush()
    with spool.changed:
        spool.events.connect()
    spool.load()
    with spool.changed:
        spool.events.confirm(spool.events.take(20))
    holding = threading.Event()
    wait = spool._work.wait
    monkeypatch.setattr(spool._work, "wait", lambda timeout_s: (timeout_s > 20 and holding.set()) or wait(timeout_s))
    spool.start()
    spool._work.set()
    assert holding.wait(5)
    accept(spool, 1)
    with spool.changed:
        assert spool.changed.wait_for(lambda: not spool.events.has_unwritten, timeout=5)
    spool.close()


def test_with_flush_ms_0_an_event_is_on_the_disk_before_it_is_sent(tmp_path):
    """Before anything else happens with it."""
    spool = opened(tmp_path, flush_ms=0)
    with spool.changed:
        spool.events.connect()
        record = event(0)
        spool.accept(spool.events, record)
        assert spool.events.take(20) is None
    spool.commit(record)
    assert spool.events.disk_count == 1
    assert [said(record) for record in delivered(spool)] == [0]


def test_with_flush_ms_0_many_pipelines_lose_nothing_and_send_nothing_twice(tmp_path):
    """Each waits for its own event only; a kill at the end finds all of them."""
    spool = opened(tmp_path, flush_ms=0)
    with spool.changed:
        spool.events.connect()

    def work(pipeline):
        for number in range(50):
            with spool.changed:
                record = event(number, pipeline)
                spool.accept(spool.events, record)
            spool.commit(record)
            spool.record_confirmations()

    threads = [threading.Thread(target=work, args=(pipeline,)) for pipeline in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    killed(spool)
    arrived = delivered(opened(tmp_path))
    for pipeline in "abcd":
        assert [said(record) for record in arrived if record.pipeline == pipeline] == list(range(50))


def test_what_is_given_up_as_the_newest_is_not_sent_all_the_same(tmp_path):
    """With `flush_ms = 0` it is announced and nothing else."""
    spool = opened(tmp_path, flush_ms=0, gives_up="newest", max_bytes=3 * 66)
    for number in range(5):
        with spool.changed:
            record = event(number)
            spool.accept(spool.events, record)
        spool.commit(record)
    with spool.changed:
        assert spool.events.disk_count == len(spool.events)
    arrived = [said(record) for record in delivered(spool)]
    assert [number for number in arrived if isinstance(number, int)] == [0, 1, 2]
    gaps = [number for number in arrived if isinstance(number, tuple)]
    assert gaps[0][0] == 3
    assert gaps[-1][1] == 4
    assert spool.size_bytes == 0


def test_the_bound_of_bytes_is_kept_and_what_goes_is_announced_and_counted(tmp_path):
    """Oldest first; the gap is what a subscriber hears first."""
    spool = opened(tmp_path, max_bytes=10 * 66)
    for number in range(100):
        accept(spool, number)
        spool.flush()
        assert spool.size_bytes <= 10 * 66
    first, *rest = [said(record) for record in delivered(spool)]
    assert rest == list(range(100 - len(rest), 100))
    assert first == (0, 99 - len(rest), "spool_full")
    assert spool.dropped["spool_full"] == 100 - len(rest)


def test_age_counts_while_agents_run_over_restarts(tmp_path, clock):
    """Not the time in which the device was switched off, and not a jump of the clock on the wall."""
    spool = opened(tmp_path, max_age_s=100.0)
    accept(spool, 0)
    spool.flush()
    clock.now_s += 60.0
    accept(spool, 1)
    spool.close()
    clock.now_s += 1_000_000.0
    again = opened(tmp_path, max_age_s=100.0)
    clock.now_s += 30.0
    again.flush()
    assert again.dropped["too_old"] == 0
    clock.now_s += 20.0
    again.flush()
    assert again.dropped["too_old"] == 1
    assert [said(record) for record in delivered(again)] == [(0, 0, "too_old"), 1]


def test_a_disk_that_comes_late_makes_nothing_old(tmp_path, clock, monkeypatch):
    """What was made before it was there is as young as it is."""
    first = opened(tmp_path)
    clock.now_s += 1_000_000.0
    accept(first, 0, session="before")
    first.close()

    def not_mounted(_):
        raise SpoolUnwritable("not mounted", hint="mount")

    with monkeypatch.context() as patch:
        patch.setattr("agent.spool.disk.Store", not_mounted)
        spool = opened(tmp_path, max_age_s=100.0)
    assert spool.fault is not None
    accept(spool, 1)
    clock.now_s += 40.0
    spool.flush()
    clock.now_s += 40.0
    spool.flush()
    assert spool.fault is None
    assert spool.dropped["too_old"] == 0
    assert [said(record) for record in delivered(spool)] == [0, 1]


def test_all_that_is_too_old_goes_however_much_it_is(tmp_path, clock):
    """A chunk at a time, without a pause between them."""
    spool = opened(tmp_path, max_age_s=100.0)
    spool.flush()
    accept(spool, *range(3500))
    spool.flush()
    clock.now_s += 101.0
    accept(spool, 3500)
    for _ in range(4):
        spool.flush()
    assert spool.dropped["too_old"] == 3500
    assert [said(record) for record in delivered(spool)] == [(0, 3499, "too_old"), 3500]


def test_a_small_age_is_looked_after_more_often(tmp_path, clock):
    """A bound of seconds is not one of ten more."""
    spool = opened(tmp_path, max_age_s=2.0)
    accept(spool, 0)
    spool.flush()
    clock.now_s += 2.3
    spool.flush()
    assert [said(record) for record in delivered(spool)] == [(0, 0, "too_old")]


def test_a_full_disk_costs_durability_and_no_message_while_memory_lasts(tmp_path, clock, monkeypatch):
    """It is told once, and so is its end; then what waited is written."""
    told = []
    spool = opened(tmp_path, on_fault=lambda *fault: told.append(fault))
    with monkeypatch.context() as patch:
        broken(spool, patch)
        for number in range(3):
            accept(spool, number)
            spool.flush()
    assert [(cause, sentence is None) for cause, sentence in told] == [("spool", False)]
    spool.flush()
    assert told[-1] == ("spool", None)
    killed(spool)
    assert [said(record) for record in delivered(opened(tmp_path))] == [0, 1, 2]


def test_a_full_disk_is_bounded_by_memory_and_says_why(tmp_path, monkeypatch):
    """The gap names the disk."""
    spool = opened(tmp_path, capacity=3)
    broken(spool, monkeypatch)
    accept(spool, 0)
    spool.flush()
    accept(spool, *range(1, 6))
    assert [said(record) for record in delivered(spool)] == [(0, 3, "disk_full"), 4, 5]
    assert spool.dropped["disk_full"] == 4


def test_a_disk_that_fails_holds_nobody_up_and_is_tried_again_later(tmp_path, clock, monkeypatch):
    """What lies on it is delivered; what was confirmed is put down when it is well."""
    spool = opened(tmp_path)
    accept(spool, *range(100))
    spool.flush()
    with monkeypatch.context() as patch:
        broken(spool, patch)
        tried = []
        patch.setattr(spool._disk.store, "try_commit", lambda *_: tried.append(1) or spool._disk.store.commit())
        spool.events.connect()
        spool.load()
        with spool.changed:
            spool.events.confirm(spool.events.take(20))
        assert not spool.record_confirmations()
        assert [said(record) for record in delivered(spool)] == list(range(1, 100))
    assert tried == [1]
    clock.now_s += 60.0
    spool.flush()
    killed(spool)
    assert delivered(opened(tmp_path)) == []


def test_a_disk_that_works_again_is_no_longer_said_to_fail_although_there_is_nothing_to_write(tmp_path, monkeypatch):
    """The broker may have taken meanwhile what the disk did not."""
    told = []
    spool = opened(tmp_path, on_fault=lambda *what: told.append(what))
    with spool.changed:
        spool.events.connect()
    with monkeypatch.context() as fault:
        broken(spool, fault)
        accept(spool, 0)
        spool.flush()
    with spool.changed:
        spool.events.confirm(spool.events.take(20))
    spool.flush()
    assert spool.fault is None
    assert told[-1] == ("spool", None)
    spool.close()


def test_a_disk_that_lets_no_file_be_opened_is_not_tried_without_pause(tmp_path, monkeypatch):
    """Also while there is nothing to write."""
    tried = []

    def refused(path):
        tried.append(path)
        raise SpoolUnwritable("read-only")

    monkeypatch.setattr("agent.spool.disk.Store", refused)
    spool = opened(tmp_path)
    resting = threading.Event()
    wait = spool._work.wait
    monkeypatch.setattr(spool._work, "wait", lambda timeout_s: (0 < timeout_s < 5 and resting.set()) or wait(timeout_s))
    spool.start()
    spool._work.set()
    assert resting.wait(5)
    assert len(tried) == 1
    spool.close()


def test_a_damaged_file_is_moved_aside_and_the_agent_starts(tmp_path):
    """Where nothing can be read of it, too."""
    told = []
    (tmp_path / "spool.db").write_bytes(b"rubbish" * 1000)
    spool = opened(tmp_path, on_fault=lambda *fault: told.append(fault))
    accept(spool, 0)
    spool.flush()
    assert [said(record) for record in delivered(spool)] == [0]
    assert (tmp_path / "spool.db.damaged").exists()
    assert spool.damaged == 1
    assert told[0][0] == "spool/damaged"


@pytest.mark.parametrize("flush_ms", [0, 100])
def test_a_message_of_the_quarantine_that_is_retried_is_sent_once(tmp_path, flush_ms):
    """Behind what waits; and it is no longer in quarantine."""
    spool = opened(tmp_path, flush_ms=flush_ms)
    spool.events.connect()
    assert spool.set_apart(event(7), "not authorized", "now")
    assert SpoolDesk(spool).retry([]) == {"retried": [1]}
    assert [said(record) for record in delivered(spool)] == [7]
    assert spool.quarantine.count == 0
    assert len(spool.events) == 0


def test_who_overflows_the_quarantine_is_counted(tmp_path):
    """What goes for good is no secret."""
    spool = opened(tmp_path, quarantine_messages=1)
    assert spool.set_apart(event(0), "no", "now")
    assert spool.set_apart(event(1), "no", "now")
    assert spool.dropped["quarantine_full"] == 1


def test_a_retry_that_cannot_be_written_leaves_the_message_in_quarantine(tmp_path, monkeypatch):
    """It is sent, and a kill before the disk is well again does not lose it."""
    spool = opened(tmp_path)
    assert spool.set_apart(event(7), "not authorized", "now")
    with monkeypatch.context() as patch:
        broken(spool, patch)
        with pytest.raises(SpoolUnwritable):
            SpoolDesk(spool).retry([])
    assert spool.quarantine.count == 1
    assert [said(record) for record in delivered(spool)] == [7]


def test_messages_that_are_retried_together_are_written_together(tmp_path, monkeypatch):
    """A thousand fsyncs on an SD card would outlast whoever asked; and a number that is named twice is one message."""
    spool = opened(tmp_path)
    for number in range(3):
        assert spool.set_apart(event(number), "not authorized", "now")
    commits = []
    commit = spool._disk.store.commit
    monkeypatch.setattr(spool._disk.store, "commit", lambda *what, **how: commits.append(what) or commit(*what, **how))
    assert SpoolDesk(spool).retry([3, 1, 2, 3]) == {"retried": [3, 1, 2]}
    assert len(commits) == 1
    assert [said(record) for record in delivered(spool)] == [2, 0, 1]


def test_a_late_prediction_is_not_retried_as_an_event(tmp_path):
    """Where the backlog is no longer kept, `event` would get a message without `event_seq`."""
    spool = opened(tmp_path)
    late = event(7)
    late.lane = "backlog"
    assert spool.set_apart(late, "not authorized", "now")
    with pytest.raises(BadData, match="not kept"):
        SpoolDesk(spool).retry([])
    assert spool.quarantine.count == 1
    assert len(spool.events) == 0
