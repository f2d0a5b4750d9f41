"""What one line looks like beside the reference of the model at work: frames in, states out. No thread of its own; the desk calls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.drift import Series
from agent.core.errors import BadData
from agent.core.statistics import INPUTS, input_statistics, score_of
from agent.core.times import now_text
from agent.drift.memory import Alarm, Remembered
from agent.models.placement import Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.drift import Rule
    from agent.core.frames import Frame
    from agent.core.messages import DriftState, Prediction
    from agent.core.reference import Reference
    from agent.core.statistics import Distribution
    from agent.drift.settings import DriftSettings
    from agent.models.placement import Region


@dataclass(slots=True)
class Watched:
    """One statistic, and since when it is as it is."""

    series: Series
    since: str


class Line:
    """One pipeline's statistics. One thread at a time.

    Attributes:
        state: `no_reference` while nothing can be compared.
        since: When `state` began.
        reason: Why there is no reference.
        digest: Of the model that is watched; None before its first prediction.
        watched: By the name of the statistic.
        was_quiet: The score of the model before this one was judged here and did not drift.
    """

    def __init__(self, settings: DriftSettings, region: Region, find: Callable[[str], Reference | None]) -> None:
        """Store.

        Args:
            settings: Of the pipeline.
            region: The part of the frame that the model sees.
            find: Gives the reference of the model with this digest, None where its bundle has none; may raise BadData and OSError.
        """
        self.state: DriftState = "no_reference"
        self.since = now_text()
        self.reason: str | None = "no prediction yet"
        self.digest: str | None = None
        self.watched: dict[str, Watched] = {}
        self.was_quiet = False
        self._rule: Rule = settings.rule
        self._wanted = settings.statistics
        self._region = region
        self._find = find
        self._reference: Reference | None = None

    def begin(self, digest: str, known: Remembered | None = None) -> None:
        """Another model works from here on: everything is compared with its reference, and begins anew.

        Args:
            digest: Of the model.
            known: What an earlier start has left; what it says of this model goes on.
        """
        before = self.watched.get("score")
        self.was_quiet = before is not None and before.series.judged > 0 and not before.series.drifting
        alarms: dict[str, Alarm] = {}
        if known is not None and known.model == digest:
            self.was_quiet, alarms = known.was_quiet, known.alarms
        self.digest, self._reference, self.watched = digest, None, {}
        try:
            self._reference = self._find(digest)
            self.reason = None if self._reference else "the model's bundle has no reference.json"
        except (BadData, OSError) as error:
            self.reason = str(error)
        if self._reference is not None:
            references = self._reference.distributions
            self.watched = {
                name: _watched(references[name], self._rule, alarms.get(name))
                for name in self._wanted
                if name in references
            }
            if not self.watched:
                self.reason = f"its reference.json has none of {', '.join(self._wanted)}"
        self._set(self._state() if self.watched else "no_reference")
        if known is not None and known.since is not None and self.state == "drifting":
            self.since = known.since

    def remembered(self) -> Remembered | None:
        """What the next start should know; None before the first prediction."""
        if self.digest is None:
            return None
        alarms = {
            name: Alarm(one.series.drifting, one.since, one.series.streak)
            for name, one in self.watched.items()
            if one.series.drifting or one.series.streak
        }
        return Remembered(self.digest, self.since if self.state == "drifting" else None, self.was_quiet, alarms)

    @property
    def blames_model(self) -> bool:
        """Whether its score drifts, the pictures do not, and the score of the model before it did not on the same line.

        Without the last, a line that makes fewer bad parts than the evaluation set has would be held against every new version.
        """
        drifting = {name for name, watched in self.watched.items() if watched.series.drifting}
        return self.was_quiet and drifting == {"score"}

    def take(self, frame: Frame, prediction: Prediction, at_s: float) -> tuple[bool, dict[str, float]]:
        """One frame.

        Args:
            frame: Its pixels are looked at, if that is asked for.
            prediction: Of the model that is watched.
            at_s: When, monotonic.

        Returns:
            Whether a window was judged; and those statistics of the frame that no sample of the reference had.
        """
        reference = self._reference
        if reference is None:
            return False, {}
        values = self._values(frame, prediction, reference)
        judged, strange = False, {}
        for name, value in values.items():
            watched, known = self.watched[name], reference.distributions[name].values
            if known and not known[0] <= value <= known[-1]:
                strange[name] = value
            drifted = watched.series.drifting
            judged |= watched.series.take(value, at_s) is not None
            if watched.series.drifting != drifted:
                watched.since = now_text()
        if judged:
            self._set(self._state())
        return judged, strange

    def _values(self, frame: Frame, prediction: Prediction, reference: Reference) -> dict[str, float]:
        values: dict[str, float] = {}
        if "score" in self.watched and (score := score_of(prediction.result, reference.label)) is not None:
            values["score"] = score
        if any(name in self.watched for name in INPUTS):
            seen = input_statistics(frame.pixels[self._region.area(Size(*frame.pixels.shape[:2])).slices])
            values |= {name: getattr(seen, name) for name in INPUTS if name in self.watched}
        return values

    def _state(self) -> DriftState:
        return "drifting" if any(watched.series.drifting for watched in self.watched.values()) else "ok"

    def _set(self, state: DriftState) -> None:
        if state != self.state:
            self.state, self.since = state, now_text()


def _watched(reference: Distribution, rule: Rule, alarm: Alarm | None) -> Watched:
    if alarm is None:
        return Watched(Series(reference, rule), now_text())
    series = Series(reference, rule, drifting=alarm.drifting, streak=alarm.streak)
    return Watched(series, alarm.since if alarm.drifting else now_text())
