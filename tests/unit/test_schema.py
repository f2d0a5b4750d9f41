"""Faults of a table in plain words: the path as it was written, and a next step."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from agent.schema import Name, Problem, Strict, closest, problems


class Circle(Strict):
    type: Literal["circle"] = "circle"
    radius: float = Field(gt=0)
    """Radius in pixels."""


class Square(Strict):
    type: Literal["square"] = "square"
    side: int
    """Side in pixels."""


class Drawing(Strict):
    shapes: dict[Name, Annotated[Circle | Square, Field(discriminator="type")]] = Field(default={})
    """Shapes by name."""
    points: list[Circle] = Field(default=[])
    """Places."""
    note: int | str | None = None
    """A remark."""
    inner: Circle | None = None
    """One more."""


def found(values: object) -> list[Problem]:
    with pytest.raises(ValidationError) as caught:
        Drawing.model_validate(values)
    return problems(caught.value, Drawing)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"shpes": {}},
            Problem("unknown-key", ("shpes",), "shpes is not known", "did you mean shapes?"),
        ),
        (
            {"shapes": {"a": {"type": "circle", "radus": 1, "radius": 1}}},
            Problem("unknown-key", ("shapes", "a", "radus"), "shapes.a.radus is not known", "did you mean radius?"),
        ),
        (
            {"points": [{"radius": 1}, {"radius": 1, "typ": "circle"}]},
            Problem("unknown-key", ("points", "1", "typ"), "points.1.typ is not known", "did you mean type?"),
        ),
        (
            {"inner": {"radius": 1, "xyzzy": 0}},
            Problem("unknown-key", ("inner", "xyzzy"), "inner.xyzzy is not known", "known keys: radius, type"),
        ),
        (
            {"inner": {}},
            Problem("missing-key", ("inner", "radius"), "inner.radius is missing", "Radius in pixels."),
        ),
        (
            {"shapes": {"a": {"type": "square", "side": 1.5}}},
            Problem(
                "invalid-value",
                ("shapes", "a", "side"),
                "shapes.a.side should be a whole number (it is 1.5)",
                "Side in pixels.",
            ),
        ),
        (
            {"shapes": {"a": {"type": "sqare"}}},
            Problem(
                "invalid-value",
                ("shapes", "a", "type"),
                'shapes.a.type should be "circle" or "square" (it is "sqare")',
                "did you mean square?",
            ),
        ),
        (
            {"shapes": {"a": {"radius": 1}}},
            Problem("missing-key", ("shapes", "a", "type"), "shapes.a.type is missing", 'it is "circle" or "square"'),
        ),
        (
            {"inner": {"radius": 0}},
            Problem(
                "invalid-value",
                ("inner", "radius"),
                "inner.radius should be greater than 0 (it is 0)",
                "Radius in pixels.",
            ),
        ),
        (
            {"note": 1.5},
            Problem("invalid-value", ("note",), "note should be a whole number (it is 1.5)", "A remark."),
        ),
    ],
)
def test_a_fault_is_told_with_its_path_and_the_next_step(values, problem):
    """One fault, one problem; the tags of unions, which nobody wrote, are no part of a path."""
    assert found(values) == [problem]


def test_every_fault_is_told_in_the_order_of_the_fields():
    """A person mends all of them in one go."""
    faults = found({"points": [{"radius": "x"}], "inner": {"radius": 1, "y": 2}, "shapes": []})
    assert [fault.path for fault in faults] == [("shapes",), ("points", "0", "radius"), ("inner", "y")]


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_number_that_is_none_is_a_fault(number):
    """TOML can write inf and nan; no setting means them."""
    assert [fault.path for fault in found({"inner": {"radius": number}})] == [("inner", "radius")]


def test_a_long_value_is_shown_by_its_beginning():
    """A finding is read by people."""
    [fault] = found({"inner": {"radius": "x" * 10_000}})
    assert len(fault.message) < 200


def test_values_do_not_change_after_validation():
    """Whoever holds settings may trust them."""
    with pytest.raises(ValidationError):
        Circle(radius=1).radius = 2


def test_the_closest_word_is_found_or_none():
    """A guess is only made where it is likely."""
    assert closest("recject", ["accept", "reject"]) == "reject"
    assert closest("xyzzy", ["accept", "reject"]) is None
