"""Which frames are handed to the keeper, and the one thread that does what takes long: the picture, its likeness, the disk.

Called by the pipelines (`CaptureObserver`), by the drift desk (`strange`) and by what judges a candidate (`disagreed`, `feedback`). Each call
comes back at once; what there is no time for is counted and let go.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from agent.capture.keeper import Keeper, truth
from agent.capture.observer import NOT_ACCEPTED, CaptureObserver
from agent.capture.recent import Picture, Recent
from agent.core.likeness import likeness_hash
from agent.core.mailbox import Closed, Mailbox
from agent.core.results import label_of
from agent.models.placement import Size

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from agent.capture.observer import Line
    from agent.capture.settings import SamplesSettings
    from agent.core.comparing import Pair
    from agent.core.feedback import Feedback
    from agent.core.frames import Frame
    from agent.core.messages import Prediction
    from agent.core.sampling import Reason

log = logging.getLogger("lineside.capture")

_WAITING: Final = 4
"""Frames that wait for the thread; each may hold some megabytes."""
_WORDS: Final = 1000
"""Words of operators that wait for the disk."""
_POLL_S: Final = 0.5


@dataclass(slots=True)
class _Job:
    """A frame for the thread."""

    frame: Frame
    prediction: Prediction
    reasons: tuple[Reason, ...]
    extra: dict[str, Any]


class Capture:
    """One thread for all pipelines. `start` and `close` belong to the composition, everything else to any thread."""

    def __init__(
        self,
        settings: SamplesSettings,
        lines: Mapping[str, Line],
        state_dir: Path,
        jpeg: Callable[[npt.NDArray[np.uint8]], bytes],
        on_fault: Callable[[str | None], None] = lambda _: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store.

        Args:
            settings: `[samples]`.
            lines: Pipelines that keep samples, by name.
            state_dir: Of the agent.
            jpeg: Encodes pixels, [height, width, 3] BGR or [height, width] gray.
            on_fault: See `agent.capture.keeper.Keeper`.
            now_s: Monotonic.
        """
        self._now_s = now_s
        self.keeper = Keeper(state_dir, settings, on_fault, now_s)
        self.recent = Recent(settings.recent_bytes)
        self._lines = dict(lines)
        self._jpeg = jpeg
        self._box = Mailbox[_Job](_WAITING, "drop_oldest")
        self._words: deque[Feedback] = deque(maxlen=_WORDS)
        self._due_s: dict[tuple[str, str], float] = {}
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
        self.observers = {name: CaptureObserver(line, self) for name, line in lines.items()}

    def start(self) -> None:
        """Begin to keep."""
        if self._lines:
            self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, and end. May be called twice."""
        self._box.close()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def disagreed(self, pair: Pair, frame: Frame) -> None:
        """The active model and its candidate said different things of a frame."""
        prediction = self.recent.prediction(pair.prediction_id)
        if prediction is not None:
            said = {"active": asdict(pair.active), "candidate": asdict(pair.candidate)}
            self.offer(frame, prediction, ["disagreement"], disagreement=said)

    def strange(self, frame: Frame, prediction: Prediction, values: dict[str, float]) -> None:
        """No sample of the evaluation looked like this frame."""
        self.offer(frame, prediction, ["drift"], strange=values)

    def feedback(self, said: Feedback) -> bool:
        """What a person says of a prediction: whether its picture is there, kept or still remembered."""
        name = said.prediction_id
        known = name in self.keeper.index or self.recent.picture(name) is not None
        if known:
            self._words.append(said)
        return known

    def counts(self) -> dict[str, Any]:
        """For `lineside status`: what is kept now, and what was not kept since the start, by reason."""
        kept = list(self.keeper.index.values())
        busy = self._box.dropped
        return {
            "kept": len(kept),
            "size_bytes": sum(one.size_bytes for one in kept),
            "skipped": dict(self.keeper.skipped) | ({"busy": busy} if busy else {}),
        }

    def offer(self, frame: Frame, prediction: Prediction, reasons: Collection[Reason], **extra: Any) -> None:
        """Hand a frame to the thread for those reasons that are asked for and due; without any its picture is only remembered."""
        line = self._lines.get(prediction.pipeline)
        if line is None:
            return
        due = tuple(
            reason for reason in reasons if reason in line.settings.reasons and self._is_due(line, prediction, reason)
        )
        if due or not reasons:
            self._box.put(_Job(frame, prediction, due, extra), 0)

    def _is_due(self, line: Line, prediction: Prediction, reason: Reason) -> bool:
        now_s, key = self._now_s(), (prediction.pipeline, reason)
        if now_s < self._due_s.get(key, 0.0):
            return False
        self._due_s[key] = now_s + line.settings.every_s
        return True

    def _run(self) -> None:
        self.keeper.open()
        while self.work(_POLL_S):
            pass

    def work(self, timeout_s: float) -> bool:
        """Wait for a frame and do what is to be done; False when there will be none any more. What the thread does; without it, a test."""
        try:
            job = self._box.get(timeout_s)
            if job is not None:
                self._keep(job)
            self._take_words()
        except Closed:
            self._take_words()
            return False
        except Exception:  # the boundary of a thread that goes on: a frame may hold anything
            if not self._failed:
                self._failed = True
                log.exception("a sample could not be kept")
        return True

    def _keep(self, job: _Job) -> None:
        prediction, settings = job.prediction, self._lines[job.prediction.pipeline].settings
        region = self._lines[prediction.pipeline].region
        pixels = job.frame.pixels[region.area(Size(*job.frame.pixels.shape[:2])).slices]
        likeness = likeness_hash(pixels)
        keep = job.reasons and not self.keeper.is_like_another(prediction, likeness, settings.min_difference)
        remember = "feedback" in settings.reasons and prediction.decision in NOT_ACCEPTED
        if not (keep or remember):
            return
        picture = Picture(self._jpeg(pixels), pixels.shape[0], pixels.shape[1], likeness)
        if keep:
            self.keeper.keep(prediction, picture, job.reasons, **job.extra)
        if remember:
            self.recent.put(prediction, picture)

    def _take_words(self) -> None:
        while self._words:
            said = self._words.popleft()
            if not self.keeper.label(said) and (found := self.recent.picture(said.prediction_id)) is not None:
                own = label_of(found[0].result), found[0].decision
                self.keeper.keep(found[0], found[1], ["feedback"], **truth(said, *own))
