"""What `isolation = "process"` costs a pipeline, against the same pipeline in the agent's process; and how long a crash keeps it away.

MobileNet v2 int8, 480p, QoS 0 to a real mosquitto. Throughput on a file that is read as fast as it goes; the rest at 30 frames/s.
"""

from __future__ import annotations

import json
import os
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.harness import agent, arithmetic, clips, processes
from benchmarks.harness.broker import Arrivals, Broker, TimedSubscriber
from benchmarks.harness.figures import Figure, at_most
from benchmarks.harness.rounds import interleave
from benchmarks.latency import beyond_invoke_ms, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_FRAMES = 600
_SKIP = 100
_RATE = 30
_SETTLE_S = 4.0
_SLACK_S = 30.0
_CHILD = "agent.models.isolated_child"
_WAYS = {"in process": "none", "isolated": "process"}
_CRASH = "isolated, its child ended by SIGSEGV"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Both ways in turn, and a crash."""
    clip = ctx.moving_clip(clips.P480)
    count = _RATE + round(_RATE * ctx.duration_s(15, 4))
    with Broker() as broker, agent.Home() as home:
        fast, paced = agent.video(clip), agent.video(clip, loop=True, realtime=True)

        def tables(source: agent.Tables, isolation: str) -> agent.Tables:
            models = {"m": {"path": str(ctx.bundle), "isolation": isolation}}
            return agent.settings(broker.port, source, ctx.bundle) | {"models": models}

        _paced(broker, home, tables(paced, "none"), 2 * _RATE)  # proves the model, in a child that would count
        contestants: dict[str, Callable[[], Measurement]] = {}
        for way, isolation in _WAYS.items():
            contestants[f"{way}, a file"] = partial(_file, broker, home, tables(fast, isolation))
            contestants[way] = partial(_paced, broker, home, tables(paced, isolation), count)
        contestants[_CRASH] = partial(_crash, broker, home, tables(paced, "process"))
        rounds = interleave(runs, contestants, ctx.say)
    return [
        rounds.ratio("frames/s", "isolated, a file", "in process, a file", name="throughput: isolated / in process"),
        rounds.difference("ms", "isolated", "in process", "ms", name="added, frame to subscriber, p50"),
        rounds.difference("MB", "isolated", "in process", "MB", name="added memory"),
        rounds.absolute("s", _CRASH, "s", at_most(1.0), name="from SIGSEGV to the next prediction"),
    ]


def _file(broker: Broker, home: agent.Home, tables: agent.Tables) -> Measurement:
    with Arrivals(broker, agent.PREDICTIONS) as arrivals:
        agent.run_to_end(home, tables)
        return {"frames/s": arithmetic.steady_rate(arrivals.times_s(_FRAMES), _SKIP)}


def _paced(broker: Broker, home: agent.Home, tables: agent.Tables, count: int) -> Measurement:
    """The median time from a frame to the subscriber's callback, invoke and all; and the memory a while later."""
    with (
        TimedSubscriber(broker, agent.PREDICTIONS, qos=0, count=count) as subscriber,
        agent.Running(home, tables) as running,
    ):
        messages = subscriber.messages(running, count / _RATE + _SLACK_S)
        time.sleep(_SETTLE_S)
        mb = processes.pss_mb(running.pid)
    return {"ms": arithmetic.percentile([_age_ms(*message) for message in messages[_RATE:]], 0.5), "MB": mb}


def _age_ms(arrived_ns: int, payload: str) -> float:
    return beyond_invoke_ms(arrived_ns, payload) + float(json.loads(payload)["latency_ms"]["invoke"])


def _crash(broker: Broker, home: agent.Home, tables: agent.Tables) -> Measurement:
    """From the signal to the arrival of the first prediction on a frame that was captured after it."""
    with (
        Arrivals(broker, agent.PREDICTIONS, "%U %p") as arrivals,
        agent.Running(home, tables) as running,
    ):
        processes.wait_until(lambda: arrivals.count() >= _RATE, _SLACK_S, what="the first second")
        child = processes.child(running.pid, _CHILD)
        crashed_s = time.time()
        os.kill(child, signal.SIGSEGV)
        found: list[float] = []

        def arrived() -> bool:
            pairs = (line.split(" ", 1) for line in arrivals.lines())
            found.extend(float(at_s) for at_s, payload in pairs if _captured_s(payload) > crashed_s)
            return bool(found)

        processes.wait_until(arrived, _SLACK_S, what="a prediction after the crash")
    return {"s": found[0] - crashed_s}


def _captured_s(payload: str) -> float:
    return milliseconds(json.loads(payload)["captured_at"]) / 1e3
