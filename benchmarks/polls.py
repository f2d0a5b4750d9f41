"""Polls that find nothing new (304), a second of the server's own processor time, against a bare Starlette route.

Processor time, because that is what a core gives: the client needs as much again, and whoever else is busy does not count.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.harness import processes, registry
from benchmarks.harness.context import SCRIPTS
from benchmarks.harness.figures import Figure, at_least
from benchmarks.harness.rounds import interleave

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.harness.context import Context
    from benchmarks.harness.rounds import Measurement

_SECONDS, _QUICK_SECONDS = 6.0, 2.0
_SERVE_S = 30.0
_OURS, _BARE = "registry", "bare Starlette"
_KEY = "polls/core s"


def measure(ctx: Context, runs: int) -> list[Figure]:
    """Polls a second and core, and the ratio."""
    with registry.Registry(ctx.work / "polls-registry", "parts") as served, _bare() as (pid, port):
        rounds = interleave(
            runs,
            {_OURS: lambda: _polled(ctx, served.pid, served.port), _BARE: lambda: _polled(ctx, pid, port)},
            ctx.say,
        )
    return [
        rounds.ratio(_KEY, _OURS, _BARE, at_least(0.5), name="304 polls of the registry / bare Starlette route"),
        rounds.absolute(_KEY, _OURS, "1/s", name="304 polls a second and core", beside=[_BARE]),
    ]


def _polled(ctx: Context, pid: int, port: int) -> Measurement:
    """Warmed up first."""
    ctx.script("poll_timestamp.py", str(port), "0.5")
    before_s = processes.cpu_s(pid)
    answer = json.loads(ctx.script("poll_timestamp.py", str(port), str(ctx.duration_s(_SECONDS, _QUICK_SECONDS))))
    return {_KEY: answer["polls"] / (processes.cpu_s(pid) - before_s), "polls/s": answer["polls"] / answer["seconds"]}


@contextmanager
def _bare() -> Iterator[tuple[int, int]]:
    process = processes.start([sys.executable, SCRIPTS / "serve_bare.py"], stdout=subprocess.PIPE)
    try:
        line = processes.first_line(process, _SERVE_S, what="serve_bare.py")
        yield process.pid, int(line.rpartition(":")[2])
    finally:
        processes.stop(process)
