"""What is counted of one version on trial: pairs in its shadow, its own predictions later, and what feedback says of both.

Shadow threads, pipeline threads and the desk bring what they saw; the driver's thread takes the evidence. Everything is bounded.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from agent.core.baking import Decided
from agent.core.feedback import was_right
from agent.core.life import Evidence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from agent.core.comparing import Pair
    from agent.core.feedback import Feedback
    from agent.core.frames import Frame
    from agent.core.life import Word
    from agent.core.messages import Prediction
    from agent.models.contract import Inferred

_RECENT = 4096
"""Decisions in the order of time, to see how much they depend on each other."""
REMEMBERED = 5000
"""Pairs and predictions that feedback may still speak of; at 30 frames a second, three minutes of all, and of disagreements more."""
_LATENCIES = 1000
DECIDED, TRIED = "decided ", "tried "
"""Of counts: decisions of its own in the present state, and those in its shadow and canary, whoever's counted."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decisions:
    """What a version and others have decided on this line.

    Attributes:
        own: Of the version, in its present state.
        tried: Of the version in its shadow and canary.
        before: Of its predecessor.
    """

    own: Decided
    tried: Decided
    before: Decided


class Tally:
    """Any thread. `seen` is `agent.pipeline.observer.Observer`'s."""

    def __init__(
        self,
        digest: str,
        counts: Mapping[str, int],
        reference: Mapping[str, int],
        *,
        on_disagreed: Callable[[Pair, Frame], None] = lambda _pair, _frame: None,
    ) -> None:
        """Store.

        Args:
            digest: Of the version, as predictions name it.
            counts: What an earlier start has counted.
            reference: Likewise, the decisions of the active model.
            on_disagreed: Called with what the two models make something else of; must come back at once.
        """
        self._lock = threading.Lock()
        self._digest = digest
        self._counts = Counter(counts)
        self._reference = Counter(reference)
        self._latencies: deque[float] = deque(maxlen=_LATENCIES)
        self._decided: deque[str] = deque(maxlen=_RECENT)
        self._decided_before: deque[str] = deque(maxlen=_RECENT)
        self._tried: deque[str] = deque(maxlen=_RECENT)
        self._pairs: OrderedDict[str, Pair] = OrderedDict()
        self._disputed: OrderedDict[str, Pair] = OrderedDict()
        self._own: OrderedDict[str, None] = OrderedDict()
        self._labelled: OrderedDict[str, None] = OrderedDict()
        self._spared: frozenset[str] = frozenset()
        self._on_disagreed = on_disagreed

    def pair(self, pair: Pair, frame: Frame) -> None:
        """The candidate has seen a frame in its shadow."""
        if pair.active.fault is not None:
            return  # there is nothing to compare with
        failed, other = pair.candidate.fault is not None, pair.differs
        with self._lock:
            self._counts["frames"] += 1
            self._counts["failures"] += failed
            self._counts["disagreed"] += other and not failed
            if pair.candidate.decision is not None:
                self._counts[f"{TRIED}{pair.candidate.decision}"] += 1
                self._tried.append(pair.candidate.decision)
            _keep(self._disputed if other else self._pairs, pair.prediction_id, pair)
        if other:
            self._on_disagreed(pair, frame)

    def seen(self, frame: Frame, prediction: Prediction, inferred: Inferred) -> None:  # noqa: ARG002 - the observer's contract
        """A pipeline has made a prediction, by this version or by another."""
        usable = prediction.quality == "good"
        with self._lock:
            if prediction.model.digest != self._digest:
                if prediction.pipeline not in self._spared:
                    self._counts["others"] += 1
                    self._counts["others unusable"] += not usable
                if prediction.decision is not None:
                    self._reference[prediction.decision] += 1
                    self._decided_before.append(prediction.decision)
                return
            self._counts["own"] += 1
            self._counts["unusable"] += not usable
            if prediction.decision is not None:
                self._counts[f"{DECIDED}{prediction.decision}"] += 1
                self._decided.append(prediction.decision)
            self._latencies.append(prediction.latency_ms.invoke)
            _keep(self._own, prediction.id, None)

    def spare(self, pipelines: Collection[str]) -> None:
        """What the other model decides in these is a reference for decisions, and for nothing else."""
        with self._lock:
            self._spared = frozenset(pipelines)

    def feedback(self, said: Feedback) -> str | None:
        """A person has spoken of a prediction: how it counts, in words; None where it is not known here."""
        with self._lock:
            name = said.prediction_id
            pair, own = self._disputed.get(name) or self._pairs.get(name), name in self._own
            if pair is None and not own:
                return None
            if name in self._labelled:
                return "feedback on this prediction has been counted before"
            _keep(self._labelled, name, None)
            if own:
                self._counts["wrong"] += 1 if said.judgement == "wrong" else -1
                return f"the version on trial was {said.judgement}"
            assert pair is not None  # noqa: S101 - for mypy: one of the two is there
            return self._count_pair(pair, said)

    def _count_pair(self, pair: Pair, said: Feedback) -> str:
        active = said.judgement == "right"
        candidate = was_right(pair, said)
        if candidate is None:
            return "nobody can tell from it whether the version on trial was right; say the right label or decision"
        if candidate == active:
            return f"both models were {said.judgement}, which says nothing of which is better"
        self._counts["better" if candidate else "worse"] += 1
        return "the version on trial was right, the active one was not" if candidate else "the active version was right"

    def disputed(self, most: int) -> list[dict[str, str | None]]:
        """The newest frames on which the two differ and of which nobody has spoken, as JSON types: what feedback would decide by."""
        with self._lock:
            pairs = [pair for name, pair in self._disputed.items() if name not in self._labelled][-most:]
        return [
            {
                "prediction": pair.prediction_id,
                "pipeline": pair.pipeline,
                "active": pair.active.words,
                "candidate": pair.candidate.words,
            }
            for pair in reversed(pairs)
        ]

    def begin(self, counts: Mapping[str, int]) -> None:
        """It has come to another state: frames are counted anew."""
        with self._lock:
            self._counts = Counter(counts)
            self._latencies.clear()
            self._tried.extend(self._decided)
            self._decided.clear()

    def counted(self) -> tuple[dict[str, int], dict[str, int]]:
        """Counts and reference, for the journal."""
        with self._lock:
            return dict(self._counts), dict(self._reference)

    def decisions(self) -> Decisions:
        """What was decided, of whom and when."""
        with self._lock:
            return Decisions(
                own=Decided(_of(self._counts, DECIDED), tuple(self._decided)),
                tried=Decided(_of(self._counts, TRIED), tuple(self._tried)),
                before=Decided(dict(self._reference), tuple(self._decided_before)),
            )

    def evidence(self, state: str, spent_s: float, word: Word) -> Evidence:
        """What there is to judge by.

        Args:
            state: The present one.
            spent_s: In it.
            word: An operator's.
        """
        with self._lock:
            counts, latencies = self._counts.copy(), sorted(self._latencies)
        in_shadow = state == "shadow"
        own = counts["own"]
        usual = own * counts["others unusable"] // counts["others"] if counts["others"] else 0
        return Evidence(
            spent_s=spent_s,
            frames=counts["frames"] if in_shadow else own,
            disagreed=counts["disagreed"],
            failures=counts["failures"] if in_shadow else max(0, counts["unusable"] - usual),
            p99_ms=latencies[len(latencies) * 99 // 100] if latencies else None,
            latencies=len(latencies),
            better=counts["better"],
            worse=counts["worse"],
            wrong=counts["wrong"],
            word=word,
        )


def _of(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    """By decision."""
    return {name.removeprefix(prefix): count for name, count in counts.items() if name.startswith(prefix)}


def _keep(ring: OrderedDict[str, T], name: str, value: T) -> None:
    ring[name] = value
    if len(ring) > REMEMBERED:
        ring.popitem(last=False)
