"""What a figure says of its rounds: median, spread, verdict, and its line in the table."""

from __future__ import annotations

import pytest

from benchmarks.harness import table
from benchmarks.harness.figures import Figure, at_least, at_most


def test_the_median_and_not_the_best_round_is_judged():
    """One good round among bad ones does not hold a bound."""
    figure = Figure("ratio", values=(0.90, 0.91, 0.99), bound=at_least(0.97))
    assert (figure.median, figure.spread, figure.verdict) == (0.91, (0.90, 0.99), "misses")


@pytest.mark.parametrize(("bound", "value"), [(at_least(0.97), 0.97), (at_most(2.0), 2.0)])
def test_the_limit_itself_is_within_the_bound(bound, value):
    """`>=` and `<=` mean what they say."""
    assert bound.holds(value)


@pytest.mark.parametrize(("bound", "value"), [(at_least(0.97), 0.9699), (at_most(2.0), 2.001)])
def test_nothing_is_rounded_before_it_is_judged(bound, value):
    """A miss by less than the table shows is still a miss."""
    assert not bound.holds(value)


def test_what_was_not_measured_neither_holds_nor_misses():
    """A peer that cannot be had is no success."""
    figure = Figure("agent / mediapipe", bound=at_least(1.1), reason="mediapipe: no wheel")
    assert (figure.median, figure.spread, figure.verdict) == (None, None, "not measured")


def test_a_line_shows_figure_bound_verdict_and_what_it_was_made_of():
    """Everything that a reader needs to judge the figure himself."""
    figure = Figure("p50", "ms", (0.7, 0.9, 0.8), at_most(0.8), {"paho p50": (0.06, 0.07, 0.08)}, note="over 4 s")
    assert table.row("latency", figure) == (
        "latency", "p50", "0.800 ms", "0.700 … 0.900", "3", "≤ 0.8 ms", "yes", "paho p50 0.070; over 4 s",
    )  # fmt: skip


def test_a_missed_bound_is_seen_at_once():
    """It stands out, and is reported as it is."""
    assert "**no**" in table.row("throughput", Figure("ratio", "", (0.5,), at_least(0.97)))


def test_a_figure_that_is_missing_says_why():
    """In the place of what it would have been made of."""
    row = table.row("gate", Figure("ratio", bound=at_most(0.1), reason="the agent ended with 3"))
    assert row[2:] == ("–", "–", "0", "≤ 0.1", "–", "not measured: the agent ended with 3")


def test_no_text_breaks_the_table():
    """Pipes and line ends of an error message stay within their cell."""
    lines = table.markdown_table([("a", "b|c\nd", "", "", "", "", "", "")]).splitlines()
    assert lines[2].startswith("| a | b/c d |")


@pytest.mark.parametrize(
    ("value", "text"), [(312.4, "312"), (14.26, "14.3"), (1.234, "1.23"), (0.0712, "0.071"), (-12.34, "-12.3")]
)
def test_numbers_show_about_three_digits(value, text):
    """No more than was measured."""
    assert table.number(value) == text
