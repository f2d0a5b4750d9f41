"""Child processes with a deadline, ended by their own id, and what they use of the machine."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.harness.figures import NotMeasured

if TYPE_CHECKING:
    from collections.abc import Callable

Command = Sequence[str | Path]
_STOP_S = 15.0
_MB = 1 << 20


def environment() -> dict[str, str]:
    """The environment of every child: ours, without what would configure the agent or colour what it prints."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LINESIDE_", "PYTHON"))}
    return kept | {"NO_COLOR": "1"}


def run(command: Command, timeout_s: float, *, what: str) -> str:
    """Run to the end.

    Returns:
        What it wrote to stdout.

    Raises:
        NotMeasured: It failed or took longer; names `what` and the last line of its stderr.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment()
        )
    except subprocess.TimeoutExpired:
        raise NotMeasured(f"{what} took longer than {timeout_s:g} s") from None
    except OSError as error:
        raise NotMeasured(f"{what}: {error.strerror}") from error
    if done.returncode:
        raise NotMeasured(f"{what} ended with {done.returncode}: {complaint(done.stderr or done.stdout)}")
    return done.stdout


def last_line(text: str) -> str:
    """What a program said last."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "it said nothing"


def complaint(text: str) -> str:
    """Where programs say what went wrong: the last line of stderr that is not advice."""
    return last_line("\n".join(line for line in text.splitlines() if not line.lstrip().startswith("next:")))


def start(command: Command, stdout: int | None = None, stderr: Path | None = None) -> subprocess.Popen[str]:
    """Start a child that `stop` ends. Without `stderr` what it says there is dropped."""
    with contextlib.ExitStack() as files:
        talk = files.enter_context(stderr.open("w", encoding="utf-8")) if stderr else subprocess.DEVNULL
        try:
            return subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL if stdout is None else stdout,
                stderr=talk,
                text=True,
                env=environment(),
            )
        except OSError as error:
            raise NotMeasured(f"{command[0]}: {error.strerror}") from error


def stop(process: subprocess.Popen[str]) -> None:
    """End a child by its id, at last by force. May be called twice."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_S)
    if process.stdout:
        process.stdout.close()


def first_line(process: subprocess.Popen[str], timeout_s: float, *, what: str) -> str:
    """What a child with a pipe says first.

    Raises:
        NotMeasured: It says nothing in time, or ended.
    """
    assert process.stdout is not None  # noqa: S101 - the caller asked for a pipe
    readable, _, _ = select.select([process.stdout], [], [], timeout_s)
    if not readable:
        raise NotMeasured(f"{what} said nothing within {timeout_s:g} s")
    if not (line := process.stdout.readline().strip()):
        raise NotMeasured(f"{what} ended with {process.wait(timeout_s)}")
    return line


def wait_until(condition: Callable[[], bool], timeout_s: float, *, what: str, every_s: float = 0.01) -> None:
    """Look again and again.

    Raises:
        NotMeasured: The condition did not come true in time; names `what`.
    """
    until_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > until_s:
            raise NotMeasured(f"{what} did not come within {timeout_s:g} s")
        time.sleep(every_s)


def free_port() -> int:
    """A port of the loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether somebody listens on a port of the loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def pss_mb(pid: int) -> float:
    """Proportional set size of a process and its children, in MiB: shared pages are divided among those who share them.

    Raises:
        NotMeasured: The process is gone, or this system does not tell.
    """
    try:
        return sum(one.memory_full_info().pss for one in _family(pid)) / _MB
    except (psutil.Error, AttributeError) as error:
        raise NotMeasured(f"memory of the process: {error}") from error


def cpu_s(pid: int) -> float:
    """Processor seconds of a process and its children, ended ones included, since it began.

    Raises:
        NotMeasured: The process is gone.
    """
    try:
        total = 0.0
        for position, one in enumerate(_family(pid)):
            times = one.cpu_times()
            total += times.user + times.system
            if position == 0:
                total += times.children_user + times.children_system
    except psutil.Error as error:
        raise NotMeasured(f"processor time of the process: {error}") from error
    return total


def cpu_share(pid: int, over_s: float) -> float:
    """Share of one core that a process and its children use from now on, for so long."""
    before, began_s = cpu_s(pid), time.monotonic()
    time.sleep(over_s)
    return (cpu_s(pid) - before) / (time.monotonic() - began_s)


def child(pid: int, word: str) -> int:
    """The child of a process that has this word in its command line.

    Raises:
        NotMeasured: There is none.
    """
    for one in psutil.Process(pid).children():
        if word in one.cmdline():
            return one.pid
    raise NotMeasured(f"the process has no child {word}")


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]
