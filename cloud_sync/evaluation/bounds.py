"""`[bounds]` of a bundle's `model.toml`: what a version has to reach to be published."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from cloud_sync.errors import Refused

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from cloud_sync.evaluation.report import Estimate

MODEL_TOML: Final = "model.toml"
MAX_TOML_BYTES: Final = 1 << 20
AT_LEAST: Final = frozenset(
    {"accuracy", "precision", "recall", "f1", "auc", "decision_accuracy", "caught", "map", "map_50"}
)
AT_MOST: Final = frozenset({"false_rejects", "unsure", "calibration_error", "mae", "rmse"})


class BoundsInvalid(Refused):
    """`[bounds]` cannot be read."""

    code = "bounds-invalid"


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit of one measure.

    Attributes:
        kind: Whether more of the measure is better, or less.
        limit: Of the worse end of the confidence interval.
    """

    measure: str
    kind: Literal["at least", "at most"]
    limit: float

    def missed_by(self, found: Estimate | None) -> str | None:
        """Why the bound is not met, or None. What could not be determined meets none."""
        if found is None:
            return f"{self.measure} is bound to be {self.kind} {self.limit:g}, and was not evaluated"
        worst = found.low if self.kind == "at least" else found.high
        if worst >= self.limit if self.kind == "at least" else worst <= self.limit:
            return None
        return (
            f"{self.measure} is {found.value:.4g}, with confidence only {self.kind} {worst:.4g};"
            f" the bundle asks for {self.kind} {self.limit:g}"
        )


def read_bounds(content: bytes, what: str = MODEL_TOML) -> tuple[Bound, ...]:
    """The bounds that a `model.toml` sets; none where it has no `[bounds]`.

    Raises:
        BoundsInvalid: It is no TOML, or names a measure that there is not.
    """
    try:
        said = tomllib.loads(content.decode("utf-8")).get("bounds", {})
        return tuple(_bound(name, limit) for name, limit in said.items())
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise BoundsInvalid(f"{what}: [bounds] cannot be read: {error}") from error


def _bound(name: str, limit: object) -> Bound:
    if name not in AT_LEAST | AT_MOST:
        raise ValueError(f"there is no measure {name!r}")
    if isinstance(limit, bool) or not isinstance(limit, (int, float)):
        raise TypeError(f"{name} = {limit!r} is no number")
    return Bound(name, "at least" if name in AT_LEAST else "at most", float(limit))
