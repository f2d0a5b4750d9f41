"""What is done when a machine has too little: one step after the other, never too far, and taken back again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.limits import Limits, Measures, Readings, Watch, ladder

HOT = Limits(max_temperature_c=75.0, step_after_s=10.0, recover_after_s=60.0)
PRIORITIES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 100), min_size=1)
REACTIONS = st.sampled_from(["none", "slower", "fewer", "both"])


def follow(figures_c, *, limits=HOT, harshest=4, every_s=5.0, watch=None):
    """The watch after each look at a temperature."""
    watch, seen = watch or Watch(), []
    for k, celsius in enumerate(figures_c):
        watch = watch.next(Readings(temperature_c=celsius), limits, harshest, 1000.0 + k * every_s)
        seen.append(watch)
    return seen


def test_the_ladder_slows_first_and_sheds_the_least_important_then():
    """Of equals, the last in the configuration goes first; the highest priority stays."""
    priorities = {"main": 90, "side": 10, "extra": 10, "middle": 50, "twin": 90}
    assert ladder("both", 0.5, priorities) == (
        Measures(),
        Measures(0.5),
        Measures(0.25),
        Measures(0.25, ("extra",)),
        Measures(0.25, ("extra", "side")),
        Measures(0.25, ("extra", "side", "middle")),
    )
    assert ladder("fewer", 0.5, priorities)[1:3] == (Measures(1.0, ("extra",)), Measures(1.0, ("extra", "side")))
    assert ladder("slower", 0.5, priorities) == (Measures(), Measures(0.5), Measures(0.25))
    assert ladder("none", 0.5, priorities) == (Measures(),)


@given(REACTIONS, st.floats(0.1, 0.9), PRIORITIES)
def test_the_highest_priority_is_never_shed_and_each_step_is_a_little_harsher(reaction, factor, priorities):
    """Whatever is configured: nobody who is shed is more important than one who is not, and no step takes more than one."""
    steps = ladder(reaction, factor, priorities)
    assert steps[0] == Measures()
    for before, after in pairwise(steps):
        assert after.rate <= before.rate
        assert after.rate >= factor**2
        assert after.shed[: len(before.shed)] == before.shed
        assert len(after.shed) + (after.rate < before.rate) == len(before.shed) + 1
        kept = [priorities[name] for name in priorities if name not in after.shed]
        assert max(priorities.values()) in kept
        assert all(priorities[name] <= min(kept) for name in after.shed)


def test_without_priorities_no_pipeline_is_shed():
    """The agent does not guess which of them the line can do without."""
    assert ladder("fewer", 0.5, {"a": 50, "b": 50}) == (Measures(),)


def test_the_first_step_comes_at_once_and_each_further_one_when_it_had_time_to_help():
    """A look every 5 s, a step every 10 s, and none beyond the last."""
    assert [watch.step for watch in follow([80.0] * 10)] == [1, 1, 2, 2, 3, 3, 4, 4, 4, 4]


def test_steps_are_taken_back_one_by_one_when_all_has_been_well_for_a_while():
    """60 s after it became well, and 60 s after each step back."""
    seen = follow([80.0, 80.0, 80.0] + [60.0] * 40)
    changes = [
        (1000 + 5 * k, after.step) for k, (before, after) in enumerate(pairwise(seen), 1) if after.step != before.step
    ]
    assert changes == [(1010, 2), (1075, 1), (1135, 0)]


def test_around_the_bound_nothing_flaps():
    """What is short stays so until it is 3 °C cooler; in between no step is taken, neither up nor down."""
    seen = follow([75.5, *([74.9, 72.5, 75.0] * 100)])
    assert {watch.step for watch in seen} == {1}
    assert {tuple(watch.short.values()) for watch in seen} == {
        ("the machine has 75.5 °C, more than limits.max_temperature_c = 75",)
    }
    assert follow([72.0], watch=seen[-1])[-1].short == {}


@pytest.mark.parametrize(
    ("limits", "short", "well"),
    [
        (Limits(max_memory_bytes=1000), Readings(memory_bytes=1001), Readings(memory_bytes=950)),
        (Limits(min_memory_free_bytes=1000), Readings(memory_free_bytes=999), Readings(memory_free_bytes=1050)),
    ],
    ids=["of the agent", "of the machine"],
)
def test_memory_is_watched_like_heat(limits, short, well):
    """5 % of the bound is its hysteresis."""
    pressed = Watch().next(short, limits, 3, 0.0)
    assert (pressed.step, len(pressed.short)) == (1, 1)
    again = pressed.next(well, limits, 3, 20.0)
    assert (again.step, again.short) == (1, {})
    assert again.next(well, limits, 3, 80.0).step == 0


def test_a_full_disk_is_told_and_slows_nobody():
    """Fewer predictions would not make room; whoever writes has a bound of its own."""
    limits = Limits(min_disk_free_bytes=1000, max_temperature_c=75.0)
    watch = Watch().next(Readings(disk_free_bytes=10, temperature_c=50.0), limits, 3, 0.0)
    assert (watch.step, list(watch.short)) == (0, ["disk"])
    hot = watch.next(Readings(disk_free_bytes=10, temperature_c=80.0), limits, 3, 20.0)
    cool = hot.next(Readings(disk_free_bytes=10, temperature_c=50.0), limits, 3, 40.0)
    assert cool.next(Readings(disk_free_bytes=10, temperature_c=50.0), limits, 3, 100.0).step == 0


def test_what_cannot_be_measured_is_not_short():
    """A sensor that is there no longer ends the shortage that it reported."""
    watch = Watch().next(Readings(temperature_c=80.0), HOT, 3, 0.0)
    assert watch.next(Readings(), HOT, 3, 5.0).short == {}
    assert Watch().next(Readings(), Limits(1.0, 1, 1, 1), 3, 0.0).step == 0


FIGURES = st.lists(st.none() | st.floats(0, 149), max_size=40)


@given(FIGURES, st.integers(0, 6), st.floats(0.5, 30))
def test_steps_are_bounded_and_one_at_a_time(figures_c, harshest, every_s):
    """Whatever the figures do; and two steps up are never closer than `step_after_s`, a step down never sooner than `recover_after_s`."""
    last_s, step = None, 0
    for k, watch in enumerate(follow(figures_c, harshest=harshest, every_s=every_s)):
        now_s = 1000.0 + k * every_s
        assert 0 <= watch.step <= harshest
        assert abs(watch.step - step) <= 1
        if watch.step != step:
            least_s = HOT.step_after_s if watch.step > step else HOT.recover_after_s
            assert last_s is None or now_s - last_s >= least_s - 1e-6
            last_s, step = now_s, watch.step


@given(FIGURES, st.integers(0, 6))
def test_it_always_recovers(figures_c, harshest):
    """When all is well, no measure is left after `recover_after_s` for each step."""
    well = [50.0] * (13 * (harshest + 1) + 1)  # looks 5 s apart
    last = follow([*figures_c, *well], harshest=harshest)[-1]
    assert (last.step, last.short) == (0, {})
