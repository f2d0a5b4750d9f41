"""Memory of an agent while it takes a new version of its model: above what it had before, its child processes apart.

One 480p stream with MobileNet v2. The update is a fine-tune that comes as a patch; it is tried in a child, loaded beside the old one, and
taken at a frame boundary.
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import psutil

from benchmarks.harness import agent, clips, registry
from benchmarks.harness.broker import Broker, TimedSubscriber
from benchmarks.harness.figures import Figure, NotMeasured, at_most
from benchmarks.harness.rounds import interleave
from cloud_sync.store import ModelStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_NAME, _CHANNEL = "mobilenet", "stable"
_SETTLE_S, _BEFORE_S, _AFTER_S, _QUICK_S = 6.0, 12.0, 6.0, 6.0
_START_S, _UPDATE_S = 60.0, 240.0
_EVERY_S = 0.05
_INTERVAL_S = 5
_MB = 1 << 20
_OPEN = {"shadow_frames": 0, "canary_frames": 0, "bake_frames": 0, "bake_s": 0}
"""Gates that let what proves itself pass at once."""


def measure(ctx: Context, runs: int) -> list[Figure]:
    """The highest sample of the update above the median before it; the children beside it."""
    first = agent.bundle(ctx.work / "memory-1.0.0", _NAME, ctx.assets.model, ctx.assets.labels)
    changed = ctx.work / "memory-1.1.0"
    changed.mkdir()
    ctx.script("change_model.py", "fine-tune", ctx.assets.model, changed / "model.tflite")
    second = agent.bundle(changed, _NAME, changed / "model.tflite", ctx.assets.labels, "1.1.0")
    with registry.Registry(ctx.work / "memory-registry", _NAME) as made, Broker() as broker:
        made.publish(first, _CHANNEL)
        made.publish(second, "next")

        def turn() -> Measurement:
            made.assign(_CHANNEL, _NAME, "1.0.0")
            return _updated(ctx, made, broker)

        rounds = interleave(runs, {"agent": turn}, ctx.say)
    return [
        rounds.absolute(
            "MB above", "agent", "MB", at_most(10), name="agent during an update, above before", also=["MB before"]
        ),
        rounds.absolute("MB above, after", "agent", "MB", name="agent after an update, above before"),
        rounds.absolute("MB of children", "agent", "MB", name="its children during an update"),
    ]


def _updated(ctx: Context, made: registry.Registry, broker: Broker) -> Measurement:
    with agent.Home() as home:
        store = _with_first_version(home.path / "state", made)
        tables = agent.settings(
            broker.port, agent.video(ctx.moving_clip(clips.P480), loop=True, realtime=True), ctx.bundle
        )
        tables["models"] = {"m": {"registry": _NAME, "channel": _CHANNEL, "gates": _OPEN}}
        tables["sync"] = {"url": made.url, "root": str(made.root), "interval_s": _INTERVAL_S, "jitter_s": 0.0}
        with (
            TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=4) as subscriber,
            agent.Running(home, tables) as running,
        ):
            subscriber.messages(running, _START_S)
            time.sleep(_SETTLE_S)
            before = _samples(running.pid, _for(ctx.duration_s(_BEFORE_S, _QUICK_S)))
            made.assign(_CHANNEL, _NAME, "1.1.0")
            during = _samples(running.pid, _until(store, "1.1.0"))
            after = _samples(running.pid, _for(ctx.duration_s(_AFTER_S, _QUICK_S)))
    usual = statistics.median(own for own, _ in before)
    return {
        "MB above": max(own for own, _ in during + after) - usual,
        "MB above, after": statistics.median(own for own, _ in after) - usual,
        "MB before": usual,
        "MB of children": max(children for _, children in during),
    }


def _with_first_version(state_dir: Path, made: registry.Registry) -> ModelStore:
    """As after an earlier update."""
    order = {"state_dir": state_dir, "device": "agent", "models": {_NAME: _CHANNEL}, "root_path": made.root}
    outcome = registry.sync({**order, "url": made.url})
    store = ModelStore(state_dir)
    store.activate(store.staged())
    if store.active(_NAME) is None:
        raise NotMeasured(f"a sync ended as {outcome['state']}: {outcome['error']}")
    return store


def _samples(pid: int, goes_on: Callable[[], bool]) -> list[tuple[float, float]]:
    """Proportional set size of the process, and of its children together, in MiB."""
    samples = []
    while goes_on():
        try:
            own = psutil.Process(pid).memory_full_info().pss / _MB
        except psutil.Error as error:
            raise NotMeasured(f"the agent has ended: {error}") from error
        children = psutil.Process(pid).children(recursive=True)
        samples.append((own, sum(map(_pss_mb, children))))
        time.sleep(_EVERY_S)
    return samples


def _pss_mb(child: psutil.Process) -> float:
    try:
        return float(child.memory_full_info().pss) / _MB
    except psutil.Error:  # it has just ended
        return 0.0


def _for(seconds: float) -> Callable[[], bool]:
    until_s = time.monotonic() + seconds
    return lambda: time.monotonic() < until_s


def _until(store: ModelStore, version: str) -> Callable[[], bool]:
    until_s = time.monotonic() + _UPDATE_S

    def goes_on() -> bool:
        if time.monotonic() > until_s:
            raise NotMeasured(f"version {version} was not taken within {_UPDATE_S:g} s")
        active = store.active(_NAME)
        return active is None or active.version != version

    return goes_on
