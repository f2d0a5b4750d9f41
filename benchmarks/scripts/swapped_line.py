"""swapped_line.py FIRST SECOND ORDER: a pipeline over frames that were decoded beforehand, while its models are replaced; says what it cost.

FIRST and SECOND are packed bundles that differ in their version. ORDER is JSON: `what` (`swaps`, `shadow`, `canary`, or the kind
of a failing candidate), `paced` (30 frames/s and the newest wins, else as fast as they are taken and none may be lost), `isolation`, `pipelines`,
`times`, `seconds`. Leans on `agent.pipeline.runner`, `agent.models.loading` and the contract of models.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import statistics
import sys
import threading
import time
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import psutil

from agent.core.errors import LinesideError
from agent.core.frames import Frame
from agent.core.mailbox import Mailbox
from agent.memory import forget_free
from agent.models.bundle import open_bundle
from agent.models.execution import Execution, Isolation
from agent.models.loading import load_model
from agent.pipeline.canary import Canary
from agent.pipeline.inspector import Identity
from agent.pipeline.intake import Intake, Job
from agent.pipeline.runner import Feed, PipelineRunner
from agent.pipeline.settings import PipelineSettings
from agent.pipeline.shadow import Shadow

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.comparing import Pair
    from agent.core.messages import Prediction
    from agent.models.bundle import Bundle
    from agent.models.contract import Inferred, Prepared
    from agent.models.loading import LoadedModel

cv2.setNumThreads(1)
PERIOD_S = 1 / 30
WAIT_S = 60.0
WARM_FRAMES = 60
REST_FRAMES = 8
"""After a load and after a failure, as `agent.life.trial` rests after a load and its driver looks twice a second."""
HANG_S = 0.5
"""After which a call counts as hung here."""
IN_A_CHILD = ("crashes", "hangs its child")
"""Kinds of failing candidates that need a process of their own."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One prediction: its numbers, who made it, when, and how old its frame was then."""

    seq: int
    index: int
    version: str
    at_s: float
    total_ms: float
    invoke_ms: float


@dataclass(frozen=True, slots=True)
class Mark:
    """How many were sent, and how many frames dropped, up to some moment."""

    sent: int
    lost: int


class Sink:
    """Keeps what was predicted."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self._came = threading.Condition()

    def send(self, prediction: Prediction, **_how: object) -> None:
        """See `agent.sinks.contract.Sink`."""
        latency, index, version = prediction.latency_ms, prediction.frame.index, prediction.model.version
        with self._came:
            self.sent.append(Sent(prediction.seq, index, version, time.perf_counter(), latency.total, latency.invoke))
            self._came.notify_all()

    def wait_beyond(self, count: int) -> None:
        """Until more than so many were sent."""
        with self._came:
            if not self._came.wait_for(lambda: len(self.sent) > count, WAIT_S):
                sys.exit("no prediction came for a minute")


class Line:
    """A source, a pipeline and what it sent."""

    def __init__(self, name: str, model: LoadedModel, *, paced: bool) -> None:
        self.paced = paced
        self.sink = Sink()
        self.given = 0
        self._box = Mailbox[Job](1, "drop_oldest") if paced else Mailbox[Job](2, "wait")
        self._intake = Intake()
        self.runner = PipelineRunner(
            name,
            PipelineSettings(source="s", model="m"),
            Feed(self._box, self._intake, finite=not paced, shared=False),
            load=lambda: model,
            sink=self.sink,
            identity=Identity("bench", "session", lambda: "synced"),
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._give, daemon=True)
        self.runner.start()
        while self.runner.is_loading:
            time.sleep(0.01)
        self._thread.start()

    def _give(self) -> None:
        noise = np.random.default_rng(7)
        pictures = [noise.integers(0, 255, (480, 640, 3), np.uint8) for _ in range(30)]
        due_s = time.perf_counter()
        while not self._stop.is_set():
            if self.paced:
                due_s += PERIOD_S
                time.sleep(max(0.0, due_s - time.perf_counter()))
            frame = Frame(pictures[self.given % 30], self.given, time.time_ns(), time.perf_counter_ns())
            job = self._intake.admit(frame)
            while job is not None and not self._box.put(job, 1.0):
                if self._stop.is_set():
                    return
            self.given += 1

    @property
    def lost(self) -> int:
        """Frames that were dropped since the model was busy."""
        return self.runner.drops().get("overrun", 0)

    def mark(self) -> Mark:
        """Where it is now."""
        return Mark(len(self.sink.sent), self.lost)

    def end(self) -> None:
        """No more frames; wait until all are predicted."""
        self._stop.set()
        self._thread.join(WAIT_S)
        self._box.close()
        if not self.runner.join(WAIT_S):
            sys.exit("the pipeline did not end")

    def frames(self, count: int) -> None:
        """Until so many more were predicted."""
        for _ in range(count):
            self.sink.wait_beyond(len(self.sink.sent))


class Failing:
    """A model that does what the kind says. Implements `agent.models.contract.Model`."""

    def __init__(self, kind: str, model: LoadedModel, pause_ms: float) -> None:
        self.reference, self.rule = model.reference, model.rule
        self.preparer, self.close = model.preparer, model.close
        self.released = threading.Event()
        self._kind, self._model, self._pause_s = kind, model, pause_ms / 1e3

    def infer(self, prepared: Prepared) -> Inferred:
        """As the kind says."""
        if self._kind == "raises":
            raise RuntimeError("it raises")
        if self._kind in ("crashes", "hangs its child"):
            child: Any = self._model._interpreter  # noqa: SLF001 - to harm it
            os.kill(child.pid, signal.SIGSEGV if self._kind == "crashes" else signal.SIGSTOP)
        if self._kind == "hangs":
            self.released.wait(WAIT_S)
        inferred = self._model.infer(prepared)
        if self._kind == "slow":
            time.sleep(self._pause_s)
        return inferred

    def decode(self, inferred: Inferred) -> Any:
        """As the kind says."""
        result: Any = self._model.decode(inferred)
        if self._kind == "nan":
            result.score = float("nan")
        return result


def pss_mb() -> float:
    """Of this process and its children."""
    own = psutil.Process()
    return float(sum(process.memory_full_info().pss for process in (own, *own.children())) / 2**20)


def settled_mb() -> float:
    """The same, when what is free was given back."""
    gc.collect()
    forget_free()
    time.sleep(0.3)
    return pss_mb()


class Bench:
    """The order, and what it is done with."""

    def __init__(self, first: Bundle, second: Bundle, order: dict[str, Any]) -> None:
        self._bundles = (first, second)
        self._order = order
        self._paced = bool(order["paced"])
        self._how = Execution(isolation=Isolation() if order["isolation"] == "process" else None)

    def run(self) -> dict[str, float]:
        """Do it; what it cost."""
        number = int(self._order.get("pipelines", 1))
        lines = [Line(f"p{k}", load_model(self._bundles[0], self._how), paced=self._paced) for k in range(number)]
        for line in lines:
            line.frames(WARM_FRAMES)
        marks = [[line.mark()] for line in lines]
        time.sleep(float(self._order["seconds"]))
        before_mb = settled_mb()
        for line, mark in zip(lines, marks, strict=True):
            mark.append(line.mark())
        told = self._act(lines)
        for line, mark in zip(lines, marks, strict=True):
            mark.append(line.mark())
        after_mb = settled_mb()
        for line in lines:
            line.end()
        costs = [self._cost(line.sink.sent, *mark) for line, mark in zip(lines, marks, strict=True)]
        return {
            **max(costs, key=lambda cost: cost["worst, periods extra"]),
            **told,
            "lost": float(
                sum(
                    line.lost - mark[1].lost if self._paced else line.given - len(line.sink.sent)
                    for line, mark in zip(lines, marks, strict=True)
                )
            ),
            "lost without": float(sum(mark[1].lost - mark[0].lost for mark in marks)),
            "gaps": float(sum(_gaps(line.sink.sent) for line in lines)),
            "MB more": after_mb - before_mb,
        }

    def _act(self, lines: list[Line]) -> dict[str, float]:
        acts: dict[str, Callable[[list[Line]], dict[str, float]]] = {
            "swaps": self._swaps,
            "shadow": self._shadow,
            "canary": self._canary,
        }
        what = self._order["what"]
        return acts[what](lines) if what in acts else self._failing(lines[0], what)

    def _cost(self, sent: list[Sent], quiet: Mark, begun: Mark, ended: Mark) -> dict[str, float]:
        """The worst frame in frame periods beyond the usual one: by its age on a paced line, by the time since the one before on a full one."""
        before, after = sent[quiet.sent : begun.sent], sent[begun.sent : ended.sent]
        alone, beside = self._times_ms(before), self._times_ms(after)
        usual_ms = statistics.median(alone)
        period_ms = PERIOD_S * 1e3 if self._paced else usual_ms
        return {
            "worst, periods extra": (max(beside) - usual_ms) / period_ms,
            "worst without, periods extra": (max(alone) - usual_ms) / period_ms,
            "p50 ms": statistics.median(beside),
            "p99 ms": statistics.quantiles(beside, n=100)[-1],
            "p50 ms without": usual_ms,
            "p99 ms without": statistics.quantiles(alone, n=100)[-1],
            "frames/s": (len(after) - 1) / (after[-1].at_s - after[0].at_s),
            "frames/s without": (len(before) - 1) / (before[-1].at_s - before[0].at_s),
        }

    def _times_ms(self, sent: list[Sent]) -> list[float]:
        if self._paced:
            return [each.total_ms for each in sent]
        return [(after.at_s - before.at_s) * 1e3 for before, after in pairwise(sent)]

    def _swaps(self, lines: list[Line]) -> dict[str, float]:
        """Each pipeline of the set takes the other version, again and again."""
        mixed, load_ms = 0, []
        for number in range(1, int(self._order["times"]) + 1):
            bundle = self._bundles[number % 2]
            models = []
            for line in lines:
                began_s = time.perf_counter()
                models.append(load_model(bundle, self._how))
                load_ms.append((time.perf_counter() - began_s) * 1e3)
                line.frames(REST_FRAMES)
            offers = [line.runner.offer(model) for line, model in zip(lines, models, strict=True)]
            for offer in offers:
                if not offer.wait(WAIT_S) or offer.former is None:
                    sys.exit("an offer was not taken")
            marks = [(line, len(line.sink.sent)) for line in lines]
            for offer in offers:
                if offer.former is not None:
                    offer.former.close()
            for line, _ in marks:
                line.frames(REST_FRAMES)
            mixed += sum(sent.version != bundle.spec.version for line, mark in marks for sent in line.sink.sent[mark:])
        changes = sum(before.version != after.version for line in lines for before, after in pairwise(line.sink.sent))
        expected = int(self._order["times"]) * len(lines)
        return {"by the wrong model": float(mixed + abs(changes - expected)), "load ms": statistics.median(load_ms)}

    def _shadow(self, lines: list[Line]) -> dict[str, float]:
        """The other version looks on."""
        model = load_model(self._bundles[1], self._how)
        shadow = lines[0].runner.shadow(model, on_pair=lambda *_: None)
        began = len(lines[0].sink.sent)
        time.sleep(float(self._order["seconds"]) * 2)
        seen = len(lines[0].sink.sent) - began
        share = shadow.share
        if not shadow.stop(WAIT_S):
            sys.exit("the shadow did not stop")
        model.close()
        return {"share": share, "compared": shadow.seen / max(1, seen)}

    def _canary(self, lines: list[Line]) -> dict[str, float]:
        model = load_model(self._bundles[1], self._how)
        canary = lines[0].runner.canary(model, share=0.2)
        time.sleep(float(self._order["seconds"]))
        counts = canary.counts
        if not canary.end().wait(WAIT_S):
            sys.exit("the canary did not end")
        model.close()
        return {"decided": counts.candidate.frames / max(1, counts.candidate.frames + counts.active.frames)}

    def _failing(self, line: Line, kind: str) -> dict[str, float]:
        """Candidates of one kind, each in its shadow and then in its canary; how many of them were found out."""
        found = 0
        how = Execution(isolation=Isolation(invoke_timeout_s=HANG_S)) if kind in IN_A_CHILD else Execution()
        for _ in range(int(self._order["times"])):
            if kind == "does not load":
                found += _refused(self._bundles[1], how)
                line.frames(REST_FRAMES)
                continue
            for stage in ("shadow", "canary"):
                usual_ms = statistics.median(each.invoke_ms for each in line.sink.sent[-50:])
                model = Failing(kind, load_model(self._bundles[1], how), pause_ms=max(50.0, 10 * usual_ms))
                line.frames(REST_FRAMES)
                found += _found_out(line, model, stage, kind)
                line.frames(REST_FRAMES)
        stages = 1 if kind == "does not load" else 2
        return {"not found out": float(int(self._order["times"]) * stages - found)}


def _found_out(line: Line, model: Failing, stage: str, kind: str) -> bool:
    """Whether the trial says what is wrong with a candidate, within a minute; then it is over and out of use."""
    seen: list[Pair] = []
    until_s = time.perf_counter() + WAIT_S
    tried: Shadow | Canary
    if stage == "shadow":
        tried = line.runner.shadow(model, on_pair=lambda pair, _: seen.append(pair))
    else:
        tried = line.runner.canary(model, share=0.2)
    while not (found := _says(tried, seen, kind)) and time.perf_counter() < until_s:
        line.frames(1)
    model.released.set()
    out_of_use = tried.stop(WAIT_S) if isinstance(tried, Shadow) else tried.end().wait(WAIT_S)
    if out_of_use:
        model.close()
    return found and out_of_use


def _says(tried: Shadow | Canary, seen: list[Pair], kind: str) -> bool:
    """Whether somebody who judges by the figures of a trial would know by now."""
    if tried.is_over:
        return True
    if isinstance(tried, Canary):
        counts = tried.counts
        lasts = kind == "slow" and (counts.candidate.p50_ms or 0) > 2 * (counts.active.p50_ms or 0)
        return lasts or (kind in ("slow", "hangs") and counts.slow > 0)
    if kind == "hangs":
        return tried.dropped > 0
    if kind == "slow":
        return any(pair.candidate.latency_ms > 2 * pair.active.latency_ms for pair in seen)
    return any(pair.candidate.fault is not None for pair in seen)


def _refused(bundle: Bundle, how: Execution) -> bool:
    """Whether half of a model is refused."""
    broken = bundle.model.with_name("broken.tflite")
    broken.write_bytes(bundle.model.read_bytes()[: bundle.model.stat().st_size // 2])
    try:
        load_model(replace(bundle, model=broken), how).close()
    except LinesideError:
        return True
    finally:
        broken.unlink()
    return False


def _gaps(sent: list[Sent]) -> int:
    """Numbers that are not one more than the one before, and frames that came twice or out of order."""
    return sum(after.seq != before.seq + 1 or after.index <= before.index for before, after in pairwise(sent))


if __name__ == "__main__":
    first, second = (open_bundle(Path(path)) for path in sys.argv[1:3])
    print(json.dumps(Bench(first, second, json.loads(sys.argv[3])).run()))
