"""What a pipeline's own thread does for capture: some comparisons for each frame, and a hand-over now and then."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.sampling import distance_to_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.capture.capture import Capture
    from agent.capture.settings import CaptureSettings
    from agent.core.decisions import DecisionRule
    from agent.core.frames import Frame
    from agent.core.messages import Prediction
    from agent.core.sampling import Reason
    from agent.models.contract import Inferred
    from agent.models.placement import Region

NOT_ACCEPTED: Final = ("reject", "unsure")
"""Decisions that somebody looks at, and may correct."""
_REMEMBER_EVERY_S: Final = 0.5
"""A picture that is only remembered costs its encoding: some milliseconds for 1080p, in another thread."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the capture of one pipeline goes by.

    Attributes:
        settings: `[pipelines.<name>.capture]`.
        region: The part of the frame that the model sees, and that is kept.
        rule: Gives what decides there now.
    """

    settings: CaptureSettings
    region: Region
    rule: Callable[[], DecisionRule | None]


class CaptureObserver:
    """Implements `agent.pipeline.observer.Observer` for one pipeline."""

    def __init__(self, line: Line, capture: Capture) -> None:
        """Store.

        Args:
            line: What to keep.
            capture: Takes what is worth it.
        """
        self._capture = capture
        self._rule = line.rule
        self._near, self._share = line.settings.near, line.settings.random_share
        wanted = line.settings.reasons
        self._wants_near, self._wants_random = "near_threshold" in wanted, "random" in wanted
        self._wants_pairs, self._wants_pictures = "disagreement" in wanted, "feedback" in wanted
        self._random = random.Random()  # noqa: S311 - a share, no secret
        self._remember_s = 0.0

    def seen(self, frame: Frame, prediction: Prediction, inferred: Inferred) -> None:  # noqa: ARG002 - the contract
        """See `agent.pipeline.observer.Observer`."""
        if self._wants_pairs:
            self._capture.recent.saw(prediction)
        reasons: list[Reason] = []
        if self._wants_near and self._is_near(prediction):
            reasons.append("near_threshold")
        if self._wants_random and self._random.random() < self._share:
            reasons.append("random")
        if reasons:
            self._capture.offer(frame, prediction, reasons)
        elif self._wants_pictures and prediction.decision in NOT_ACCEPTED:
            now_s = time.monotonic()
            if now_s >= self._remember_s:
                self._remember_s = now_s + _REMEMBER_EVERY_S
                self._capture.offer(frame, prediction, ())

    def _is_near(self, prediction: Prediction) -> bool:
        distance = distance_to_limit(prediction.result, self._rule())
        return distance is not None and distance <= self._near
