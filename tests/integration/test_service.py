"""The agent as a service, with real pipelines and a service manager of the test's own: alive, how it is, and when not."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from deadlines import LONG_S
from inspecting import Trap, TrappedModel, job, pipeline
from manager import Manager

from agent.service import Service
from agent.supervisor import Supervisor
from agent.telemetry.systemd import Notifier

WATCHDOG_S = 60.0


class House:
    """A service over one pipeline whose model hangs at the first frame; its source gives pictures."""

    def __init__(self, manager, *, watchdog_s=WATCHDOG_S) -> None:
        self.trap = Trap()
        self.runner, self.box, self.sink = pipeline(self._load, name="inspect")
        self._models = [TrappedModel(infer=self.trap)]
        self.source = SimpleNamespace(status=SimpleNamespace(state="ok"))
        self.publisher = SimpleNamespace(link=SimpleNamespace(state="connected"), queued=0)
        notifier = Notifier(manager.address, watchdog_s)
        self.service = Service(notifier, {"inspect": self.runner}, {"s": self.source}, self.publisher)
        self.now_s = time.monotonic()
        self.box.put(job(0), 0)
        self.runner.start()
        assert self.trap.reached.wait(LONG_S)

    def _load(self):
        return self._models.pop() if self._models else TrappedModel()

    def tick(self, later_s) -> None:
        self.service.tick(self.now_s + later_s)

    def close(self) -> None:
        self.trap.release()
        self.box.close()
        assert self.runner.join(LONG_S)


@pytest.fixture
def manager(tmp_path):
    with Manager(tmp_path) as running:
        yield running


@pytest.fixture
def house(manager):
    house = House(manager)
    yield house
    house.close()


def fed(manager, times) -> None:
    """Wait until it was fed so often; what came after is seen by the marker that follows."""
    manager.wait_for("WATCHDOG", times=times)
    assert len(manager.of("WATCHDOG")) == times


def test_it_is_fed_at_half_of_its_time_and_not_more_often(house, manager):
    """From the first look on."""
    for later_s in (0, 0.5, 20, WATCHDOG_S / 2 - 1):
        house.tick(later_s)
    house.service.stopping(1.0)
    manager.wait_for("STOPPING")
    assert len(manager.of("WATCHDOG")) == 2, "the first look, and that of the stop"


def test_a_pipeline_that_hangs_and_is_not_restarted_withholds_it(house, manager):
    """Until it comes round again."""
    house.tick(0)
    fed(manager, 1)
    for later_s in (40, 70, 100):
        house.tick(later_s)
    assert "pipeline inspect hangs" in manager.wait_for("STATUS", lambda text: "hangs" in text)
    assert len(manager.of("WATCHDOG")) == 1
    house.trap.release()
    house.sink.wait_for(1)
    house.tick(130)
    fed(manager, 2)


def test_a_camera_without_a_signal_does_not_withhold_it(house, manager):
    """There is nothing to inspect, and no restart brings it back."""
    house.source.status.state = "no_signal"
    house.tick(0)
    house.tick(40)
    fed(manager, 2)


def test_a_paused_pipeline_does_not_withhold_it(house, manager):
    """Somebody wanted it so."""
    house.runner.intake.hold("paused")
    house.tick(40)
    house.tick(80)
    fed(manager, 2)


def test_a_pipeline_that_the_supervisor_has_in_hand_does_not_withhold_it(house, manager):
    """A fresh thread is the milder cure, and it has a bound of its own."""
    supervisor = Supervisor([house.runner])
    supervisor.check(house.now_s + 40)
    assert house.runner.abandoned == 1
    house.tick(40)
    house.tick(80)
    fed(manager, 2)


def test_the_status_is_said_on_change_and_every_ten_seconds(house, manager):
    """A rate that moves is no change."""
    house.runner.figures.record(1.0, house.now_s)
    for later_s in (0, 0.5, 1.0):
        house.tick(later_s)
    house.source.status.state = "no_signal"
    house.tick(1.5)
    house.publisher.link.state = "away"
    house.publisher.queued = 3
    house.tick(2.0)
    house.tick(11.9)
    house.tick(12.0)
    manager.wait_for("STATUS", times=4)
    said = manager.of("STATUS")
    assert len(said) == 4
    assert said[0].startswith("1 of 1 pipeline inspects, ")
    assert said[0].endswith("/s; broker connected; 0 messages wait")
    assert "source s has no signal; broker connected" in said[1]
    assert said[2].endswith("source s has no signal; broker away; 3 messages wait")


def test_a_stop_asks_for_the_time_that_it_needs(house, manager):
    """Its grace, and some seconds until the process has gone; the main loop, which feeds the watchdog, comes round no more."""
    house.service.stopping(120.0)
    assert manager.wait_for("EXTEND_TIMEOUT_USEC") == "130000000"
    assert manager.wait_for("WATCHDOG_USEC") == "130000000"
    assert "at most 120 s" in manager.wait_for("STATUS", lambda text: "stopping" in text)


def test_where_nobody_watches_nothing_is_fed(manager):
    """`WatchdogSec=` is the unit's to set."""
    house = House(manager, watchdog_s=None)
    try:
        house.service.ready(house.now_s)
        manager.wait_for("STATUS")
        assert manager.of("READY") == ["1"]
        assert manager.of("WATCHDOG") == []
    finally:
        house.close()
