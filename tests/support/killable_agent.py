"""The agent, which is gone with its process group at the n-th step of an update: `python killable_agent.py FILE PYTHON -m agent run …`.

FILE says when, and may be written while the agent runs: `agent 3` is the third step of the threads that sync and adopt, `child-fsync 3` the
third fsync in the next sync's process, `report-fsync 3` in the one after it, which tells what became of the update; and so the other `CALLS`,
each of which strace counts by itself. A step is an fsync, a file that is opened to be written, a name that is made, changed or removed, a child process before and after its start, and a model
before and after it is offered to a pipeline.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path

CALLS = {
    "fsync": "fsync",
    "fdatasync": "fdatasync",
    "rename": "?rename,?renameat,renameat2",  # whichever this machine has
    "unlink": "?unlink,unlinkat",
}
_STEPS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "subprocess.Popen"}
_SYNC = "agent.sync.launch"


def end() -> None:
    """As systemd does: the whole group at once."""
    os.killpg(0, signal.SIGKILL)


class Trigger:
    """Counts from the moment at which FILE is there. The threads of the sync and of the life of versions, which take turns."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._steps = self._children = 0

    def _order(self) -> tuple[str, int]:
        with contextlib.suppress(FileNotFoundError):
            who, number = self._file.read_text(encoding="ascii").split()
            return who, int(number)
        return "", 0

    def step(self) -> None:
        """Called before a step."""
        if threading.current_thread().name in ("sync", "life"):
            who, number = self._order()
            self._steps += who == "agent"
            if who == "agent" and self._steps == number:
                end()

    def around(self) -> list[str]:
        """What runs the sync's process that is about to start; nothing unless it is its turn."""
        who, number = self._order()
        self._children += bool(who)
        child, _, call = who.partition("-")
        if (child, self._children) not in (("child", 1), ("report", 2)):
            return []
        inject = f"inject={CALLS[call]}:signal=KILL:when={number}"
        # -DDD: the process has the same number and parent as without, and the tracer does not end with its group
        return ["strace", "-DDD", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={CALLS[call]}", "-e", inject]


def arm(trigger: Trigger) -> None:
    """Have the trigger hear of every step."""
    fsync = os.fsync

    def counted_fsync(descriptor: int) -> None:
        trigger.step()
        fsync(descriptor)

    def heard(event: str, arguments: tuple[object, ...]) -> None:
        if event in _STEPS or (event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            trigger.step()

    class Popen(subprocess.Popen):
        """The agent ends with the sync's process when that one was killed."""

        def __init__(self, command, **options) -> None:
            self._is_sync = _SYNC in command
            super().__init__([*(trigger.around() if self._is_sync else []), *command], **options)
            trigger.step()

        def wait(self, timeout=None):
            code = super().wait(timeout)
            if self._is_sync and code == -signal.SIGKILL:
                end()
            return code

    from agent.pipeline.runner import PipelineRunner

    offer = PipelineRunner.offer

    def counted_offer(runner, model, boundary=None):
        trigger.step()
        offered = offer(runner, model, boundary)
        trigger.step()
        return offered

    os.fsync, subprocess.Popen, PipelineRunner.offer = counted_fsync, Popen, counted_offer
    sys.addaudithook(heard)


if __name__ == "__main__":
    os.setsid()
    arm(Trigger(Path(sys.argv[1])))
    at = sys.argv.index("-m")
    sys.argv = sys.argv[at + 1 :]
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
