"""Whatever happens, and in whatever order: what was accepted is delivered, kept, set apart, or announced as missing."""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from publishing import prediction

from agent.core.backoff import Backoff
from agent.mqtt.ledger import REFUSED, Ledger
from agent.spool.faults import SpoolUnwritable
from agent.spool.settings import SpoolSettings
from agent.spool.spool import Spool

WINDOW = 4
PIPELINES = ("a", "b")


class Durability(RuleBasedStateMachine):
    """A ledger and a spool on a real folder, with a broker and a disk that do as they like.

    No thread: whatever the publisher and the writer do is a rule. A number is an `event_seq`, a key is session and pipeline.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="lineside-test-spool-"))
        self.sessions = itertools.count()
        self.made = defaultdict(int)
        """How many events of a key were put, and survive: those that were not accepted before a crash are forgotten."""
        self.durable = defaultdict(int)
        self.arrived = defaultdict(set)
        self.confirmed = defaultdict(set)
        self.announced = defaultdict(set)
        self.confirmed_gaps = defaultdict(set)
        self.refused_gaps = defaultdict(set)
        self.was_refused = set()
        self.now_s = 0.0
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("agent.spool.spool.time", SimpleNamespace(monotonic=lambda: self.now_s))

    @initialize(
        gives_up=st.sampled_from(["oldest", "newest", "decision"]),
        flush_ms=st.sampled_from([0, 100]),
        max_bytes=st.sampled_from([5_000, 10_000, 1 << 20]),
        max_age_s=st.sampled_from([150.0, 1e9]),
        refusals=st.integers(1, 3),
    )
    def begin(self, gives_up, flush_ms, max_bytes, max_age_s, refusals):
        update = {
            "gives_up": gives_up,
            "flush_ms": flush_ms,
            "max_bytes": max_bytes,
            "max_age_s": max_age_s,
            "refusals": refusals,
        }
        self.settings = SpoolSettings().model_copy(update=update)  # smaller than a person may choose
        self.open()

    def open(self):
        self.session = f"session-{next(self.sessions)}"
        self.spool = Spool(self.settings, self.folder, capacity=6)
        self.spool._disk._retry = Backoff(1.0, 30.0, rng=random.Random(0))
        self.spool.open()
        self.ledger = Ledger(self.spool, 10)
        self.in_flight = []
        self.is_connected = False
        self.is_disk_well = True
        self.confirmed_since = set()
        lane = self.spool.events
        rows = self.rows()
        assert lane.disk_count == len(rows)
        assert lane.disk_bytes == sum(row.size_bytes for row in rows)

    # -- what the world does --------------------------------------------------------------------------------------------

    @rule(
        pipeline=st.sampled_from(PIPELINES),
        decisions=st.lists(st.sampled_from([None, "accept", "unsure", "reject"]), min_size=1, max_size=6),
    )
    def put(self, pipeline, decisions):
        for decision in decisions:
            key = (self.session, pipeline)
            made = prediction(self.made[key], pipeline)
            made.session, made.decision = key[0], decision
            self.ledger.put(made, qos=0, event_seq=self.made[key], publish=False, wait=None)
            self.made[key] += 1
            if self.settings.flush_ms == 0:
                self.mark_durable()

    @rule(seconds=st.sampled_from([1.0, 20.0, 100.0]))
    def time_passes(self, seconds):
        self.now_s += seconds

    @rule()
    def flush(self):
        self.spool.flush()
        self.mark_durable()

    def mark_durable(self):
        if self.spool.fault is None:
            for key, made in self.made.items():
                self.durable[key] = made

    @precondition(lambda self: self.is_disk_well)
    @rule()
    def disk_breaks(self):
        def fail(*_, **__):
            raise SpoolUnwritable("the disk is full", hint="none")

        self.is_disk_well = False
        self.spool._disk.store.commit = self.spool._disk.store.try_commit = fail

    @precondition(lambda self: not self.is_disk_well)
    @rule()
    def disk_heals(self):
        self.is_disk_well = True
        del self.spool._disk.store.commit, self.spool._disk.store.try_commit

    @precondition(lambda self: not self.is_connected)
    @rule()
    def connect(self):
        self.ledger.connect(self.now_s)
        self.is_connected = True

    @precondition(lambda self: self.is_connected)
    @rule(arrived_unconfirmed=st.integers(0, WINDOW))
    def disconnect(self, arrived_unconfirmed):
        for shipment in self.in_flight[:arrived_unconfirmed]:
            self.arrive(shipment.what)
        self.ledger.disconnect(was_short=False)
        self.in_flight = []
        self.is_connected = False

    @precondition(lambda self: self.is_connected)
    @rule()
    def load(self):
        self.spool.load()

    @precondition(lambda self: self.is_connected)
    @rule()
    def record_confirmations(self):
        self.spool.record_confirmations()

    @precondition(lambda self: self.is_connected)
    @rule(most=st.integers(1, WINDOW))
    def take(self, most):
        self.spool.load()
        for _ in range(most):
            shipment = self.ledger.take(self.now_s, window=WINDOW)
            if shipment is not None:
                self.in_flight.append(shipment)

    @precondition(lambda self: self.in_flight)
    @rule(most=st.integers(1, WINDOW))
    def confirm(self, most):
        for shipment in self.in_flight[:most]:
            what = shipment.what
            self.arrive(what)
            numbers = range(what.first, what.last + 1)
            (self.confirmed_gaps if what.is_gap else self.confirmed)[what.session, what.pipeline].update(numbers)
            if not what.is_gap:
                self.confirmed_since.add((what.session, what.pipeline, what.first))
            self.ledger.settle(shipment.ticket)
        del self.in_flight[:most]

    @precondition(lambda self: self.in_flight)
    @rule(reason=st.sampled_from([REFUSED, "too_large"]))
    def refuse(self, reason):
        shipment = self.in_flight.pop(0)
        what = shipment.what
        self.was_refused.add((what.session, what.pipeline))
        if what.is_gap:
            self.refused_gaps[what.session, what.pipeline].update(range(what.first, what.last + 1))
        self.ledger.settle(shipment.ticket, reason, "not authorized")

    @rule()
    def crash(self):
        """The process is killed; of what was on its way, any part may have arrived, which the next start does not know."""
        rows = self.rows()
        again = {(row.session, row.pipeline, row.first) for row in rows if not row.is_gap}
        sent = {(shipment.what.session, shipment.what.pipeline, shipment.what.first) for shipment in self.in_flight}
        if self.is_disk_well and self.spool.fault is None:
            assert len(again & (self.confirmed_since | sent)) <= WINDOW
        for shipment in self.in_flight:
            self.arrive(shipment.what)
        self.spool._disk.store.close()
        for key in self.made:
            self.made[key] = self.durable[key]
        self.open()

    @precondition(lambda self: self.is_disk_well)
    @rule()
    def restart(self):
        self.spool.close()
        self.mark_durable()
        self.open()

    # -- what must hold -------------------------------------------------------------------------------------------------

    def arrive(self, what):
        """A subscriber can tell at each new event that nothing before it is still to come."""
        key = (what.session, what.pipeline)
        if what.is_gap:
            self.announced[key].update(range(what.first, what.last + 1))
        elif what.first not in self.arrived[key]:
            if key not in self.was_refused:
                assert set(range(what.first)) <= self.arrived[key] | self.announced[key]
                assert not self.arrived[key] or what.first > max(self.arrived[key])
            self.arrived[key].add(what.first)

    def rows(self):
        """What a new start would find in the file and send."""
        store = self.spool._disk.store
        return store.read("event", store.state("event").cursor + 1, 100_000)

    @invariant()
    def nothing_that_was_accepted_can_be_lost_now(self):
        """If it were killed at this point."""
        if not hasattr(self, "spool"):
            return
        rows = self.rows()
        kept = defaultdict(list)
        for row in rows:
            kept[row.session, row.pipeline] += range(row.first, row.last + 1)
        for numbers in kept.values():
            assert numbers == sorted(set(numbers))
        apart = defaultdict(set)
        if self.spool.quarantine is not None:
            for one in self.spool.quarantine.all():
                apart[one.session, one.pipeline].add(one.number)
        for key, made in self.durable.items():
            delivered = self.confirmed[key] | self.confirmed_gaps[key] | self.refused_gaps[key]
            accounted = delivered | apart[key] | set(kept[key])
            assert set(range(made)) <= accounted, key

    @invariant()
    def nothing_grows_without_bound(self):
        """The disk may hold more than its bound by what is being sent."""
        if hasattr(self, "spool") and self.spool.fault is None and not self.spool.events.has_unwritten:
            assert self.spool.events.disk_bytes <= self.settings.max_bytes + 256 * 1000

    def teardown(self):
        try:
            if hasattr(self, "spool"):
                self.deliver_all()
        finally:
            self.patch.undo()
            shutil.rmtree(self.folder)

    def deliver_all(self):
        """In the end the broker and the disk are well, and all is delivered."""
        if not self.is_disk_well:
            self.disk_heals()
        self.flush()
        if not self.is_connected:
            self.connect()
        for _ in range(1000):
            self.now_s += 100.0
            if not len(self.spool.events) and not self.in_flight:
                break
            self.spool.record_confirmations()
            self.spool.load()
            self.take(WINDOW)
            if self.in_flight:
                self.confirm(WINDOW)
        assert len(self.spool.events) == 0
        assert self.spool.record_confirmations()
        self.spool.flush()
        self.mark_durable()
        self.nothing_that_was_accepted_can_be_lost_now()
        assert self.rows() == []
        assert self.spool.events.disk_bytes == 0
        for key, made in self.made.items():
            if key not in self.was_refused:
                assert set(range(made)) <= self.arrived[key] | self.announced[key]
        self.spool.close()


TestDurability = Durability.TestCase
TestDurability.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
