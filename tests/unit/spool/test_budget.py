"""How much may be written: an SD card lives as long as its writes allow."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from agent.spool.budget import MAX_HOLD_S, WriteBudget, cost_bytes


def test_without_a_budget_nothing_is_held_back():
    """The default."""
    budget = WriteBudget(None, 0.0)
    budget.spend(1 << 30, 0.0)
    assert budget.wait_s(1 << 30, 0.0, 0.0) == 0.0
    assert budget.overdrawn == 0


def test_a_group_costs_whole_pages_twice():
    """Once to the log, once to the database; so many small groups are dear."""
    assert cost_bytes(1) == 2 * 4 * 4096
    assert 10 * cost_bytes(1000) > 2 * cost_bytes(10_000)


def test_a_group_is_held_back_until_the_budget_allows_it_and_never_longer_than_a_minute():
    """An event is accepted only when it is written."""
    hour = 3600 * 100
    budget = WriteBudget(hour, 0.0)
    budget.spend(100_000, 0.0)
    assert budget.wait_s(1000, 0.0, 0.0) == MAX_HOLD_S
    assert budget.wait_s(1000, 59.0, 0.0) == pytest.approx(1.0)
    assert budget.wait_s(1000, 61.0, 0.0) == 0.0
    assert budget.wait_s(1000, 0.0, 3600.0) == 0.0


def test_what_could_wait_no_longer_is_counted():
    """The budget was too small for what the line makes."""
    budget = WriteBudget(64 << 10, 0.0)
    budget.spend(1 << 20, 0.0)
    assert budget.overdrawn == 1


@given(st.lists(st.tuples(st.floats(0.01, 30.0), st.integers(50, 20_000)), min_size=1, max_size=200))
def test_over_an_hour_no_more_is_written_than_the_budget_while_groups_can_wait(arrivals):
    """What was saved up before counts too, and one group that had waited for its minute may overdraw."""
    bytes_h = 32 << 20
    budget = WriteBudget(bytes_h, 0.0)
    now_s = written = group_bytes = 0.0
    since_s = None
    has_waited_long = False
    for pause_s, payload_bytes in arrivals:
        now_s += pause_s
        group_bytes += payload_bytes
        since_s = now_s if since_s is None else since_s
        if budget.wait_s(int(group_bytes), now_s - since_s, now_s) == 0.0:
            has_waited_long |= now_s - since_s >= MAX_HOLD_S
            budget.spend(int(group_bytes), now_s)
            written += cost_bytes(int(group_bytes))
            group_bytes, since_s = 0.0, None
    saved = bytes_h / 6
    assert has_waited_long or budget.overdrawn == 0
    assert has_waited_long or written <= saved + bytes_h * now_s / 3600 + 1
