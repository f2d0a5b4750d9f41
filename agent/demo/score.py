"""How well the verdicts fit what the experts said. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from agent.core.messages import Decision
    from agent.demo.cells import Truth

Mark = Literal["right", "missed", "false reject", "unsure", "not judged"]


@dataclass(frozen=True, slots=True)
class Part:
    """One inspected cell.

    Attributes:
        name: File name of the photograph.
        decision: The agent's verdict.
        score: Of the label `defective`, 0..1.
        truth: What the experts said, None where they were unsure.
        latency_ms: From the camera's hand-over until the prediction was complete.
        received_ms: From `captured_at` until this subscriber had the message.
    """

    name: str
    decision: Decision
    score: float
    truth: Truth | None
    latency_ms: float
    received_ms: float

    @property
    def mark(self) -> Mark:
        """What the verdict was worth."""
        if self.truth is None:
            return "not judged"
        if self.decision == "unsure":
            return "unsure"
        if (self.decision == "reject") == (self.truth == "defective"):
            return "right"
        return "missed" if self.truth == "defective" else "false reject"


@dataclass(slots=True)
class Score:
    """Counts parts as they come."""

    parts: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> None:
        """One more part was inspected."""
        self.parts.append(part)

    def summary(self, seconds: float) -> dict[str, Any]:
        """Everything the demo says at its end. Shares are of cells that the experts were sure of.

        An unsure verdict sends the part to a person: it is neither right, missed nor a false reject. Accuracy is that of the
        cells that the agent decided by itself.
        """
        marks = [part.mark for part in self.parts]
        sure = [part for part in self.parts if part.truth is not None]
        defective = sum(part.truth == "defective" for part in sure)
        right, unsure = marks.count("right"), marks.count("unsure")
        decided = len(sure) - unsure
        return {
            "parts": len(self.parts),
            "seconds": round(seconds, 2),
            "rate_hz": round(len(self.parts) / seconds, 2) if seconds else 0.0,
            "verdicts": {d: sum(p.decision == d for p in self.parts) for d in ("accept", "reject", "unsure")},
            "latency_ms": _percentiles([part.latency_ms for part in self.parts]),
            "received_ms": _percentiles([part.received_ms for part in self.parts]),
            "judged": len(sure),
            "defective": defective,
            "functional": len(sure) - defective,
            "decided": decided,
            "right": right,
            "accuracy": round(right / decided, 4) if decided else None,
            "missed": marks.count("missed"),
            "false_rejects": marks.count("false reject"),
            "unsure": unsure,
        }


def _percentiles(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"p50": None, "p99": None}
    p50, p99 = np.percentile(values, (50, 99))
    return {"p50": round(float(p50), 2), "p99": round(float(p99), 2)}
