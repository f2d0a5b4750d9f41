"""`reference.json` of a bundle: what its model found, and what the pictures looked like, where the truth was known.

Written by `pack` from the evaluation set; read by the device, which compares what its line shows it. Bytes in, values out: who writes the
file or finds it is not said here.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agent.core.errors import BadData
from agent.core.statistics import INPUTS, MAX_VALUES, Distribution, distribution

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agent.core.messages import Decision
    from agent.core.statistics import InputStatistics

NAME: Final = "reference.json"
SCHEMA: Final = "lineside.reference/1"
MAX_BYTES: Final = 1 << 20
"""Ours has less than 30 kB."""
_MAX_BINS: Final = 1000
_HINT: Final = "lineside model pack writes it from the evaluation set"


@dataclass(frozen=True, slots=True)
class Reference:
    """Statistics of a model at work on an evaluation set.

    Attributes:
        samples: Of the evaluation set.
        label: Whose score it is: see `agent.core.statistics.score_of`.
        score: None for results without one number.
        decisions: How often each was made; empty for models that only observe.
        inputs: By the names of `agent.core.statistics.INPUTS`; empty where the samples are no pictures.
        of: What decided the answers, by name, with its sha256 (`agent.models.reference.deciding`); empty where that was not written down.
    """

    samples: int
    label: str | None
    score: Distribution | None
    decisions: dict[str, int]
    inputs: dict[str, Distribution]
    of: dict[str, str] = field(default_factory=dict)

    @property
    def distributions(self) -> dict[str, Distribution]:
        """All that can be compared, by name."""
        return ({} if self.score is None else {"score": self.score}) | self.inputs


def reference_of(
    scores: Iterable[float | None],
    inputs: Sequence[InputStatistics],
    decisions: Sequence[Decision | None],
    *,
    label: str | None,
    of: Mapping[str, str] | None = None,
) -> Reference:
    """The statistics of an evaluation.

    Args:
        scores: Of each sample, by `agent.core.statistics.score_of`.
        inputs: Of each sample that is a picture.
        decisions: Of each sample.
        label: What `score_of` was given.
        of: See `Reference`.
    """
    known = [score for score in scores if score is not None]
    return Reference(
        samples=len(decisions),
        label=label,
        score=distribution(known) if known else None,
        decisions=dict(Counter(decision for decision in decisions if decision is not None)),
        inputs={name: distribution([getattr(one, name) for one in inputs]) for name in INPUTS} if inputs else {},
        of=dict(of or {}),
    )


def encode(reference: Reference) -> bytes:
    """The content of `reference.json`."""
    score = None if reference.score is None else {"label": reference.label, **_plain(reference.score)}
    content = {
        "schema": SCHEMA,
        "of": reference.of,
        "samples": reference.samples,
        "score": score,
        "decisions": reference.decisions,
        "inputs": {name: _plain(one) for name, one in reference.inputs.items()},
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _plain(one: Distribution) -> dict[str, Any]:
    plain = asdict(one)
    return plain if one.values else {key: plain[key] for key in ("edges", "counts")}


def decode(content: bytes) -> Reference:
    """What `encode` wrote. Statistics that this version does not know are left out.

    Raises:
        BadData: It is no reference of a version that can be read, or it contradicts itself.
    """
    try:
        data = json.loads(content)
        if data["schema"] != SCHEMA:
            raise BadData(f"{NAME} has the schema {data['schema']!r}, and {SCHEMA} was expected", hint=_HINT)
        score, inputs = data.get("score"), data.get("inputs") or {}
        return Reference(
            samples=_count(data["samples"]),
            label=None if score is None else _text_or_none(score.get("label")),
            score=None if score is None else _distribution(score),
            decisions={str(key): _count(value) for key, value in (data.get("decisions") or {}).items()},
            inputs={name: _distribution(inputs[name]) for name in INPUTS if name in inputs},
            of={str(name): str(sha256) for name, sha256 in (data.get("of") or {}).items()},
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadData(f"{NAME} cannot be read: {type(error).__name__}: {error}", hint=_HINT) from error


def _distribution(data: dict[str, Any]) -> Distribution:
    edges, counts = [_number(e) for e in data["edges"]], [_count(c) for c in data["counts"]]
    values = [_number(v) for v in data.get("values") or []]
    if len(counts) != len(edges) + 1 or len(counts) > _MAX_BINS or len(values) > MAX_VALUES or not sum(counts):
        raise ValueError(f"{len(edges)} edges, {len(counts)} counts and {len(values)} values do not fit")
    if sorted(set(edges)) != edges or sorted(values) != values:
        raise ValueError("edges and values must ascend")
    return Distribution(tuple(edges), tuple(counts), tuple(values))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no finite number")
    return float(value)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r} is no count")
    return value


def _text_or_none(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is no label")
    return value
