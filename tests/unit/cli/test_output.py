"""Tables and numbers for people."""

from __future__ import annotations

import io
import sys

import pytest

from agent.cli import output


def test_columns_are_aligned_and_numbers_stand_to_the_right():
    """A dash is a number that is not there."""
    rows = [("cam", 1, "1.5", "ok"), ("camera", 1000, "-", None), ("c", -3, "10.25", "failed")]
    assert output.table(rows, head=("name", "made", "p50 ms", "state")).splitlines() == [
        "name    made  p50 ms  state",
        "cam        1     1.5  ok",
        "camera  1000       -",
        "c         -3   10.25  failed",
    ]


def test_a_table_without_rows_is_its_head_or_nothing():
    """Nothing to align is no fault."""
    assert output.table([]) == ""
    assert output.table([], head=("a", "b")) == "a  b"


def test_rows_may_be_indented_widened_and_of_unequal_length():
    """For tables that continue others."""
    assert output.table([("a",), ("b", "c")], indent=2, widths=(4,)) == "  a\n  b     c"


@pytest.mark.parametrize(("number", "text"), [(0, "no error"), (1, "1 error"), (2, "2 errors")])
def test_counts_are_words(number, text):
    """As a person says them."""
    assert output.counted(number, "error") == text


def test_a_result_does_not_wait_in_a_buffer(monkeypatch):
    """Who reads `registry serve` through a pipe has its address while it runs."""
    pipe = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(pipe, encoding="utf-8"))
    output.result({}, "listening", as_json=False)
    assert pipe.getvalue() == b"listening\n"
