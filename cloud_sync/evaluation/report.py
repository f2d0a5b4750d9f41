"""`evaluation.json` of a bundle, schema `lineside.evaluation/1`, as far as a gate has to understand it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cloud_sync.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "evaluation.json"
SCHEMA: Final = "lineside.evaluation/1"
MAX_BYTES: Final = 16 << 20
RIGHT, WRONG, NOT_ASKED = "1", "0", "-"
"""What stands in `hits` for one sample."""


class ReportInvalid(Refused):
    """An `evaluation.json` is none."""

    code = "report-invalid"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Test:
    """A paired test against another version on the same data.

    Attributes:
        difference: Of the measure, this version less the other.
        gain: The same, positive where this version is the better one.
        p: Two-sided.
    """

    measure: str
    difference: float
    gain: float
    p: float


@dataclass(frozen=True, slots=True)
class Report:
    """What a gate looks at.

    Attributes:
        files: Path → sha256 of the files that decide what the model answers.
        measures: By name.
        primary: The measures that are asked when two versions are compared.
        hits: Measure → one of `1`, `0`, `-` for each sample, in the order of `samples`.
        samples: Their ids.
        against: `sha256:` digest of the manifest of the version that it was compared with, or None.
        tests: Against that version.
    """

    files: Mapping[str, str]
    measures: Mapping[str, Estimate]
    primary: tuple[str, ...]
    samples: tuple[str, ...]
    hits: Mapping[str, str]
    against: str | None
    tests: tuple[Test, ...]

    def stale(self, files: Mapping[str, str]) -> list[str]:
        """Files that are others than the report is of, or are not there: while there is one, the report says nothing of these files.

        Args:
            files: Path → sha256 of a version.
        """
        return [path for path, sha256 in self.files.items() if files.get(path) != sha256]

    @classmethod
    def decode(cls, content: bytes, what: str = NAME) -> Report:
        """The report that these bytes are.

        Raises:
            ReportInvalid: They are none.
        """
        if len(content) > MAX_BYTES:
            raise ReportInvalid(f"{what} is larger than {MAX_BYTES} bytes")
        try:
            return _report(json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ReportInvalid(
                f"{what} is no evaluation: {type(error).__name__} {error}", hint="lineside model evaluate writes it"
            ) from error


def _report(data: dict[str, Any]) -> Report:
    if data["schema"] != SCHEMA:
        raise ValueError(f"it has schema {data['schema']!r}, this version reads {SCHEMA!r}")
    samples = tuple(map(str, data["samples"]["ids"]))
    hits = {str(name): str(said) for name, said in data["samples"]["hits"].items()}
    if any(len(said) != len(samples) or set(said) - {RIGHT, WRONG, NOT_ASKED} for said in hits.values()):
        raise ValueError("samples.hits does not fit samples.ids")
    against = data.get("against")
    return Report(
        files={str(path): str(sha256) for path, sha256 in data["model"]["files"].items()},
        measures={
            str(name): Estimate(*(_number(said[key]) for key in ("value", "low", "high")))
            for name, said in data["measures"].items()
        },
        primary=tuple(map(str, data["primary"])),
        samples=samples,
        hits=hits,
        against=str(against["digest"]) if against else None,
        tests=tuple(_test(said) for said in against["tests"]) if against else (),
    )


def _test(said: dict[str, Any]) -> Test:
    return Test(str(said["measure"]), *(_number(said[key]) for key in ("difference", "gain", "p")))


def _number(said: Any) -> float:
    """A measure that could not be determined, such as a recall without any such part, is null: no bound is met by it."""
    if said is None:
        return math.nan
    if isinstance(said, bool) or not isinstance(said, (int, float)):
        raise TypeError(f"{said!r} is no number")
    return float(said)
