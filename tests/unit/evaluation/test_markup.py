"""How figures stand in a report."""

from __future__ import annotations

import re

import pytest

from agent.evaluation.drawing import bars
from agent.evaluation.markup import chance, signed, table


@pytest.mark.parametrize(
    ("value", "shown"), [(0.0126, "+0.013"), (-0.0126, "−0.013"), (-0.0004, "0.000"), (0.0, "0.000"), (None, "–")]
)
def test_a_difference_has_its_sign_unless_it_rounds_to_nothing(value, shown):
    """A reader asks which way it went; minus nothing is no answer."""
    assert signed(value) == shown


@pytest.mark.parametrize(("p", "shown"), [(0.0312, "0.031"), (1.0, "1.000"), (2e-9, "< 0.001"), (None, "–")])
def test_a_p_value_is_never_nothing(p, shown):
    """Chance can do anything."""
    assert chance(p) == shown


def test_words_stand_to_the_left_and_numbers_to_the_right():
    """The first column names the row."""
    drawn = table(("measure", "value", "test"), [("recall", "0.7", "<exact>")], words=1)
    assert '<td>recall</td><td class="n">0.7</td><td>&lt;exact&gt;</td>' in drawn


@pytest.mark.parametrize("said", ["1", "4.03 ms (p99 34.70 ms)", "123,456 kB, and much more besides"])
def test_what_is_said_beside_the_longest_bar_is_within_the_drawing(said):
    """A browser cuts off the rest."""
    drawn = bars([("float", 1.0, said)])
    begins = float(re.search(r'<text x="([\d.]+)" y="[\d.]+" class="value">', drawn).group(1))
    width = float(re.search(r'viewBox="0 0 ([\d.]+) ', drawn).group(1))
    assert begins + 7 * len(said) <= width
