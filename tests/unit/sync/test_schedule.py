"""When to look: windows of local time, intervals with jitter, and what the registry asks for."""

from __future__ import annotations

from datetime import datetime

import pytest

from agent.sync.schedule import Window, next_look_s


def at(text):
    return datetime.fromisoformat(f"2026-11-28T{text}:00")


@pytest.mark.parametrize(
    ("window", "now", "opens_in_min"),
    [
        ("02:00-05:00", "01:59", 1),
        ("02:00-05:00", "02:00", 0),
        ("02:00-05:00", "04:59", 0),
        ("02:00-05:00", "05:00", 21 * 60),
        ("22:30-04:00", "22:29", 1),
        ("22:30-04:00", "23:59", 0),
        ("22:30-04:00", "00:00", 0),
        ("22:30-04:00", "03:59", 0),
        ("22:30-04:00", "04:00", 18 * 60 + 30),
    ],
)
def test_a_window_holds_until_its_end_also_over_midnight(window, now, opens_in_min):
    """Its beginning is in it, its end is not."""
    parsed = Window.parse(window)
    assert parsed.opens_in_s(at(now)) == opens_in_min * 60
    assert parsed.holds(at(now)) == (opens_in_min == 0)


@pytest.mark.parametrize("text", ["", "2-5", "02:00", "25:00-03:00", "02:00-02:00", "02:00-05:60", "02:00 - 05:00"])
def test_what_is_no_window_is_refused(text):
    """An empty one too, in which nothing would ever happen."""
    with pytest.raises(ValueError, match="window"):
        Window.parse(text)


def test_the_registry_may_ask_for_more_time_but_not_for_less():
    """Jitter spreads a fleet in both cases; nobody comes before the time that was asked for."""
    assert next_look_s(300, 30, -1) == 270
    assert next_look_s(300, 30, 1, retry_after_s=10) == 330
    assert next_look_s(300, 30, -1, retry_after_s=1000) == 1030
    assert next_look_s(300, 30, 0, retry_after_s=1000) == 1000
