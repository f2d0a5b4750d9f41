"""Heat, memory and disk: what is measured becomes a measure, and each change is told once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from agent.caretaker import Caretaker, measured
from agent.core.health import Figures, Reasons
from agent.core.limits import Readings
from agent.pipeline.intake import Intake
from agent.telemetry.settings import LimitsSettings

COOL, HOT = Readings(temperature_c=50.0), Readings(temperature_c=80.0)


def _measure(intake: Intake) -> str | None:
    """What is done to a pipeline, the harsher of two."""
    return "shed" if intake.holds else "slowed" if intake.slowed_to_hz is not None else None


class Plant:
    """A machine and its pipelines without a thread; `pass_s` lets them work."""

    def __init__(self, priorities, **limits) -> None:
        self.now_s = 1000.0
        self.readings = COOL
        self.told = []
        self.reasons = Reasons(self.told.append)
        self.pipelines = {
            name: SimpleNamespace(
                settings=SimpleNamespace(priority=priority), figures=Figures(), intake=Intake(), rate_hz=30.0
            )
            for name, priority in priorities.items()
        }
        settings = LimitsSettings(max_temperature_c=75.0, **limits)
        self.caretaker = Caretaker(
            settings, self.pipelines, self.reasons, lambda: self.readings, clock=lambda: self.now_s
        )

    def pass_s(self, seconds: float, readings: Readings | None = None) -> None:
        """Look every 5 s; pipelines make predictions at their rate unless they are shed or slowed."""
        self.readings = readings or self.readings
        for _ in range(round(seconds / 5)):
            self.now_s += 5
            for pipeline in self.pipelines.values():
                period_ns = pipeline.intake._period_ns
                rate_hz = min(pipeline.rate_hz, 1e9 / period_ns) if period_ns else pipeline.rate_hz
                pipeline.figures.predictions += 0 if pipeline.intake.holds else round(5 * rate_hz)
            self.caretaker.look()

    def measures(self) -> dict:
        return {name: _measure(pipeline.intake) for name, pipeline in self.pipelines.items()}

    def limit_hz(self, name: str) -> float | None:
        period_ns = self.pipelines[name].intake._period_ns
        return round(1e9 / period_ns, 2) if period_ns else None


def test_a_machine_that_is_well_is_left_alone():
    """Nothing is slowed, shed or told."""
    plant = Plant({"a": 10, "b": 90})
    plant.pass_s(60)
    assert (plant.measures(), plant.told) == ({"a": None, "b": None}, [])


def test_heat_slows_all_then_sheds_the_lesser_and_all_comes_back():
    """Half of each pipeline's own rate, then a quarter, then the lesser one; and the same way back."""
    plant = Plant({"a": 10, "b": 90})
    plant.pipelines["b"].rate_hz = 12.0
    plant.pass_s(10)
    plant.pass_s(5, HOT)
    assert (plant.limit_hz("a"), plant.limit_hz("b")) == (15.0, 6.0)
    plant.pass_s(10)
    assert (plant.limit_hz("a"), plant.limit_hz("b")) == (7.5, 3.0)
    plant.pass_s(10)
    assert plant.measures() == {"a": "shed", "b": "slowed"}
    plant.pass_s(70, COOL)
    assert plant.measures() == {"a": "slowed", "b": "slowed"}
    assert plant.limit_hz("a") == 7.5, "its rate before it all began"
    plant.pass_s(130)
    assert plant.measures() == {"a": None, "b": None}
    assert plant.reasons.all() == []


def test_each_change_is_told_once(caplog):
    """What is short, what was done, and that it is over: in the status and in the log."""
    caplog.set_level("INFO", "lineside.limits")
    plant = Plant({"a": 10, "b": 90}, reaction="fewer")
    plant.pass_s(30, HOT)
    heat = "the machine has 80.0 °C, more than limits.max_temperature_c = 75"
    assert plant.reasons.all() == [heat, "limits: shed: a"]
    assert len(plant.told) == 2
    plant.pass_s(70, COOL)
    assert [record.getMessage() for record in caplog.records] == [
        heat,
        "limits: shed: a",
        "temperature is well again",
        "limits: no measure",
    ]


def test_a_pipeline_that_only_comes_to_work_is_slowed_when_its_rate_is_known():
    """A camera that is plugged in while it is hot is no exception."""
    plant = Plant({"a": 50}, reaction="slower")
    plant.pipelines["a"].rate_hz = 0.0
    plant.pass_s(5, HOT)
    assert plant.measures() == {"a": None}
    plant.pipelines["a"].rate_hz = 20.0
    plant.pass_s(15)
    assert plant.limit_hz("a") == 5.0


def test_a_pipeline_that_waits_for_motion_keeps_its_eyes_open():
    """Its rate is that of the frames it looked at, though nothing moved in them."""
    plant = Plant({"a": 50}, reaction="slower")
    plant.pipelines["a"].intake._gate = gate = SimpleNamespace(still=0)
    plant.pipelines["a"].rate_hz = 0.2
    for _ in range(3):
        gate.still += 149
        plant.pass_s(5)
    gate.still += 149
    plant.pass_s(5, HOT)
    assert plant.limit_hz("a") == 15.0


def test_the_reaction_none_only_tells():
    """For those who would rather have the system slow down."""
    plant = Plant({"a": 10, "b": 90}, reaction="none")
    plant.pass_s(60, HOT)
    assert plant.measures() == {"a": None, "b": None}
    assert len(plant.reasons.all()) == 1


def test_a_full_disk_is_told_and_changes_no_rate():
    """Its writers have bounds of their own."""
    plant = Plant({"a": 10, "b": 90})
    plant.pass_s(60, Readings(disk_free_bytes=5_000_000))
    assert plant.measures() == {"a": None, "b": None}
    assert plant.reasons.all() == [
        "5,000,000 bytes are left on the disk, less than limits.min_disk_free_bytes = 100,000,000"
    ]


def test_a_hold_by_command_is_not_released():
    """Only what the caretaker took it takes back."""
    plant = Plant({"a": 10, "b": 90})
    plant.pipelines["a"].intake.hold("paused")
    plant.pass_s(60)
    assert plant.pipelines["a"].intake.holds == {"paused"}


def test_the_figures_of_this_machine_can_be_had(tmp_path):
    """And one that cannot is none."""
    readings = measured(tmp_path)
    assert readings.memory_bytes > 5e6
    assert readings.memory_free_bytes > 0
    assert readings.disk_free_bytes > 0
    assert measured(tmp_path / "gone").disk_free_bytes is None


@pytest.mark.parametrize("key", ["min_memory_free_bytes", "min_disk_free_bytes"])
def test_zero_is_not_watched(key):
    """None cannot be written in TOML."""
    assert getattr(LimitsSettings(**{key: 0}).bounds, key) is None
