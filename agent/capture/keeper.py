"""Decides about one sample after the other and writes what may stay: near-duplicates, quotas, the disk. One thread at a time.

Nothing here may stop a pipeline: what cannot be kept is counted by its reason, and a disk that fails is told once and tried again.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter, defaultdict, deque
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final

from agent.capture.folder import Sample, SampleFolder, image_facts
from agent.core.errors import BadData
from agent.core.likeness import BITS, differing_bits
from agent.core.sampling import REASONS, Kept, excess, in_the_way
from agent.core.times import now_text

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from agent.capture.recent import Picture
    from agent.capture.settings import SamplesSettings
    from agent.core.feedback import Feedback
    from agent.core.messages import Prediction
    from agent.core.sampling import Reason

log = logging.getLogger("lineside.capture")

_COMPARED: Final = 64
"""Samples of a pipeline that a new one is compared with."""
_OF_DELIVERY: Final = ("published_at", "historical", "event_seq")
REST_S: Final = 5.0
"""After a disk error nothing is written for so long: a disk that fails slowly must not fill the thread with waiting."""


class Keeper:
    """Owns the folder of samples.

    Attributes:
        skipped: What was not kept, by reason: `duplicate`, `quota`, `disk_full`, `disk_error`.
        index: What is kept, by id.
    """

    def __init__(
        self,
        state_dir: Path,
        settings: SamplesSettings,
        on_fault: Callable[[str | None], None] = lambda _: None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Store.

        Args:
            state_dir: Of the agent; samples lie in a folder below it.
            settings: Bounds.
            on_fault: Called with a sentence when the disk takes nothing, and with None when it does again.
            now_s: Monotonic.
        """
        self._now_s = now_s
        self.skipped: Counter[str] = Counter()
        self.index: dict[str, Kept] = {}
        self._settings = settings
        self._folder = SampleFolder(state_dir)
        self._on_fault = on_fault
        self._fault: str | None = None
        self._rest_until_s = 0.0
        self._changed_ns: int | None = None
        self._likenesses: defaultdict[str, deque[int]] = defaultdict(lambda: deque(maxlen=_COMPARED))

    def open(self) -> None:
        """Look at what is there, sweep away halves, and remove what is over the quotas."""
        try:
            self._folder.sweep()
            self._look()
            for one in excess(self.index.values(), self._settings.quotas):
                self._remove(one)
        except OSError as error:
            self._failed(error)

    def keep(
        self,
        prediction: Prediction,
        picture: Picture,
        reasons: Collection[Reason],
        **extra: Any,
    ) -> bool:
        """Keep a sample, or add a reason to one that is kept.

        Args:
            prediction: Of the frame.
            picture: Of the frame.
            reasons: Why.
            extra: Further fields of `Sample`.

        Returns:
            Whether it is kept; why not is counted.
        """
        if self._now_s() < self._rest_until_s:
            self.skipped["disk_error"] += 1
            return False
        try:
            if self._folder.changed_ns() != self._changed_ns:
                self._look()
            if prediction.id in self.index:
                return self._add(self.index[prediction.id], reasons, extra)
            return self._write(prediction, picture, reasons, extra)
        except OSError as error:
            self._failed(error)
            return False

    def is_like_another(self, prediction: Prediction, likeness: int, min_difference: float) -> bool:
        """Whether a picture differs in a smaller share of its fields from one of the pipeline's last samples; counted.

        A frame that is kept already is no duplicate of itself: it may be kept for a further reason.
        """
        if prediction.id in self.index:
            return False
        least = min_difference * BITS
        alike = any(differing_bits(likeness, other) < least for other in self._likenesses[prediction.pipeline])
        if alike:
            self.skipped["duplicate"] += 1
        return alike

    def label(self, said: Feedback) -> bool:
        """Write what a person said of a kept sample into it; False if it is not kept."""
        kept = self.index.get(said.prediction_id)
        if kept is None:
            return False
        try:
            return self._add(kept, ["feedback"], truth(said, *_own(self._folder.read(kept))))
        except (BadData, FileNotFoundError):  # a command removed it
            return False
        except OSError as error:
            self._failed(error)
            return False

    def _write(
        self,
        prediction: Prediction,
        picture: Picture,
        reasons: Collection[Reason],
        extra: dict[str, Any],
    ) -> bool:
        sample = Sample(
            id=prediction.id,
            pipeline=prediction.pipeline,
            captured_at=prediction.captured_at,
            kept_at=now_text(),
            reasons=_ranked(reasons),
            image=image_facts(picture.jpeg, picture.height, picture.width),
            likeness=f"{picture.likeness:0{BITS // 4}x}",
            prediction={key: value for key, value in asdict(prediction).items() if key not in _OF_DELIVERY},
            **extra,
        )
        size_bytes = len(picture.jpeg) + len(sample.encode())
        new = Kept(sample.id, sample.day, tuple(sample.reasons), size_bytes, sample.pipeline, picture.likeness)
        going = in_the_way(self.index.values(), new, self._settings.quotas)
        if going is None:
            return self._skip("quota")
        if shutil.disk_usage(self._folder.root.parent).free - size_bytes < self._settings.reserve_bytes:
            return self._skip("disk_full")
        for one in going:
            self._remove(one)
        self.index[sample.id] = self._folder.write(sample, picture.jpeg)
        self._likenesses[sample.pipeline].append(picture.likeness)
        self._written()
        return True

    def _add(self, kept: Kept, reasons: Collection[Reason], extra: dict[str, Any]) -> bool:
        """Further reasons of a sample that is kept already; one that was removed by a command stays so."""
        try:
            before = self._folder.read(kept)
        except (BadData, FileNotFoundError):
            self.index.pop(kept.id, None)
            return False
        self.index[kept.id] = self._folder.rewrite(
            replace(before, reasons=_ranked({*before.reasons, *reasons}), **extra)
        )
        self._written()
        return True

    def _remove(self, kept: Kept) -> None:
        self._folder.remove(kept)
        self.index.pop(kept.id, None)

    def _look(self) -> None:
        self.index = self._folder.scan()
        self._changed_ns = self._folder.changed_ns()
        for kept in sorted(self.index.values(), key=lambda one: one.id):
            if kept.likeness is not None:
                self._likenesses[kept.pipeline].append(kept.likeness)

    def _skip(self, why: str) -> bool:
        self.skipped[why] += 1
        return False

    def _written(self) -> None:
        self._changed_ns = self._folder.changed_ns()
        if self._fault is not None:
            self._fault = None
            self._on_fault(None)

    def _failed(self, error: OSError) -> None:
        self.skipped["disk_error"] += 1
        self._rest_until_s = self._now_s() + REST_S
        sentence = f"no sample can be kept in {self._folder.root}: {error.strerror or error}"
        if sentence != self._fault:
            self._fault = sentence
            log.error("%s", sentence, extra={"hint": "is the disk full or read-only? df; dmesg"})
            self._on_fault(sentence)


def truth(said: Feedback, label: str | None, decision: str | None) -> dict[str, str]:
    """What is true of a frame by a person's word, as fields of `Sample`; those that the word leaves open are left out.

    Args:
        said: The word.
        label: That the prediction named, which is the right one if it was right.
        decision: Likewise.
    """
    right = said.judgement == "right"
    known = {"label": label if right else said.label, "decision": decision if right else said.decision}
    return {name: value for name, value in known.items() if value is not None}


def _own(sample: Sample) -> tuple[str | None, str | None]:
    """What the model saw, where its kind of result has one label, and what was decided."""
    prediction = sample.prediction or {}
    result = prediction.get("result") or {}
    label, decision = result.get("label"), prediction.get("decision")
    return label if isinstance(label, str) else None, decision if isinstance(decision, str) else None


def _ranked(reasons: Collection[Reason]) -> list[Reason]:
    return sorted(set(reasons), key=REASONS.index)
