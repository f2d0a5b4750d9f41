"""The supervisor with parts that only remember: what is abandoned when, and what is tried again."""

from __future__ import annotations

from agent.core.supervision import Limits
from agent.supervisor import Supervisor


class Part:
    """Hangs while the test says so."""

    def __init__(self, name="inspect", kind="pipeline") -> None:
        self.name, self.kind = name, kind
        self.hangs = False
        self.wakes_before_abandon = False
        self.abandoned = 0
        self.abandoned_alive = 0
        self.restarts = 0
        self.plans = []

    def stalled_s(self, now_s):
        return 31.0 if self.hangs else None

    def abandon(self, now_s, plan):
        if self.wakes_before_abandon:
            self.hangs = False
            return False
        self.hangs = False
        self.abandoned += 1
        self.abandoned_alive += 1
        self.plans.append(plan)
        return True

    def restart(self):
        self.restarts += 1


def hang(part, supervisor, now_s):
    part.hangs = True
    supervisor.check(now_s)


def test_a_part_that_hangs_gets_a_fresh_thread_and_its_neighbour_nothing():
    """In the same look from outside."""
    part, neighbour = Part(), Part("other")
    supervisor = Supervisor([part, neighbour])
    hang(part, supervisor, 100.0)
    assert (part.restarts, neighbour.restarts, neighbour.abandoned) == (1, 0, 0)
    assert (supervisor.abandoned, supervisor.hanging, supervisor.beyond_help) == (1, 1, None)


def test_a_part_that_woke_up_in_the_last_moment_is_left_alone():
    """And that does not count as a restart."""
    part = Part()
    supervisor = Supervisor([part])
    part.wakes_before_abandon = True
    hang(part, supervisor, 0.0)
    part.wakes_before_abandon = False
    hang(part, supervisor, 1.0)
    assert (part.restarts, part.plans[0].delay_s) == (1, 0)


def test_backoff_is_waited_for_and_mended_meanwhile():
    """The second restart is a second later; until then the part is neither well nor given up."""
    part = Part()
    supervisor = Supervisor([part])
    hang(part, supervisor, 0.0)
    hang(part, supervisor, 40.0)
    assert (part.restarts, supervisor.is_mending(part)) == (1, True)
    supervisor.check(40.9)
    assert part.restarts == 1
    supervisor.check(41.0)
    assert (part.restarts, supervisor.is_mending(part)) == (2, False)


def test_a_part_that_failed_is_tried_slowly_and_others_go_on():
    """It is not being mended, it waits."""
    part, told = Part(kind="sink", name="mqtt"), []
    supervisor = Supervisor([part], Limits(max_restarts=1, retry_s=300), lambda p, plan: told.append((p.name, plan)))
    hang(part, supervisor, 0.0)
    hang(part, supervisor, 40.0)
    assert (part.restarts, supervisor.is_mending(part), part.plans[-1].failed) == (1, False, True)
    supervisor.check(339.0)
    assert part.restarts == 1
    supervisor.check(340.0)
    assert part.restarts == 2
    assert [plan is not None for _, plan in told] == [True, False, True, False]


def test_with_too_many_threads_that_hang_nothing_is_restarted_any_more():
    """A fresh process is asked for, with the number as its reason."""
    parts = [Part(str(k)) for k in range(3)]
    supervisor = Supervisor(parts, Limits(max_abandoned=3))
    for part in parts:
        hang(part, supervisor, 0.0)
    assert [part.restarts for part in parts] == [1, 1, 0]
    assert supervisor.beyond_help == "3 abandoned threads still hang; only a fresh process helps"


def test_a_thread_that_ends_after_all_no_longer_hangs():
    """What it held is free again, but it stays counted."""
    part = Part()
    supervisor = Supervisor([part], Limits(max_abandoned=1))
    hang(part, supervisor, 0.0)
    assert supervisor.beyond_help
    part.abandoned_alive = 0
    supervisor.check(1.0)
    assert (supervisor.beyond_help, supervisor.abandoned, part.restarts) == (None, 1, 1)
