"""The kernel's clock and the machine's figures."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from deadlines import LONG_S

from agent.telemetry import clock, machine
from agent.telemetry.clock import KernelClock
from agent.telemetry.machine import Machine

STA_UNSYNC = 0x0040


class Timex(ctypes.Structure):
    """The first fields of struct timex (adjtimex(2)), as a C compiler lays them out, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


class Kernel:
    """A kernel and its two clocks, as a test wants them; counts how often it is asked."""

    def __init__(self, wall_s: float = 1_800_000_000.0, said: str = "synced") -> None:
        self.monotonic_ns = 1_000_000_000_000
        self.wall_ns = int(wall_s * 1e9)
        self.said = said
        self.asked = 0
        self.clock = KernelClock(self.ask, monotonic_ns=lambda: self.monotonic_ns, wall_ns=lambda: self.wall_ns)

    def ask(self):
        self.asked += 1
        return self.said

    def pass_s(self, seconds: float, *, jump_s: float = 0.0) -> None:
        """Time goes by on both clocks, and the wall clock is set as well."""
        self.monotonic_ns += int(seconds * 1e9)
        self.wall_ns += int((seconds + jump_s) * 1e9)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adjtimex is Linux's")
def test_the_answer_is_the_kernels():
    """The bit STA_UNSYNC of its status."""
    timex = Timex()
    state = ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
    expected = "synced" if state >= 0 and not timex.status & STA_UNSYNC else "unsynced"
    assert KernelClock()() == expected


def test_the_place_of_the_status_is_the_c_compilers():
    """On this machine; 40 bytes in on 64-bit, 20 on 32-bit."""
    is_64_bit = ctypes.sizeof(ctypes.c_long) == 8
    assert Timex.status.offset == (clock._STATUS_OFFSET if is_64_bit else clock._STATUS_OFFSET_32)


def test_the_kernel_is_asked_once_in_a_while():
    """The answer may be taken for each frame."""
    kernel = Kernel()
    assert [kernel.clock() for _ in range(1000)] == ["synced"] * 1000
    assert kernel.asked == 1
    kernel.said = "unsynced"
    kernel.pass_s(10.0)
    assert kernel.clock() == "unsynced"
    assert kernel.asked == 2


@pytest.mark.parametrize(
    ("jump_s", "told"),
    [(-3600.0, "back by 3600.000 s"), (1.7e9, "ahead by 1700000000.000 s"), (0.6, "ahead by 0.600 s")],
)
def test_a_jump_is_noticed_at_the_next_prediction_and_told_once(caplog, jump_s, told):
    """With its size; `clock` says what the kernel says now, not what it said before."""
    kernel = Kernel()
    assert kernel.clock() == "synced"
    kernel.said = "unsynced"
    kernel.pass_s(0.03, jump_s=jump_s)
    assert [kernel.clock() for _ in range(3)] == ["unsynced"] * 3
    assert (kernel.asked, kernel.clock.jumps) == (2, 1)
    assert [told in record.getMessage() for record in caplog.records] == [True]


def test_a_pi_without_a_clock_is_unsynced_until_a_server_has_set_it():
    """It begins in 1970 or at the date of its image; the jump to the present comes with the kernel's word."""
    kernel = Kernel(wall_s=12.0, said="unsynced")
    assert kernel.clock() == "unsynced"
    kernel.pass_s(5.0)
    assert kernel.clock() == "unsynced"
    kernel.said = "synced"
    kernel.pass_s(0.1, jump_s=1.8e9)
    assert kernel.clock() == "synced"
    assert kernel.clock.jumps == 1


def test_slewing_and_small_steps_are_no_jump():
    """Both clocks are slewed alike; what a server sets by less than half a second is its daily work."""
    kernel = Kernel()
    for _ in range(20):
        kernel.pass_s(3600.0, jump_s=0.3)
        assert kernel.clock() == "synced"
    assert kernel.clock.jumps == 0


def test_who_is_interrupted_between_the_two_readings_sees_no_jump():
    """A loaded machine may take the core away for a second just there."""
    kernel = Kernel()
    kernel.clock()
    late_ns = iter([900_000_000, 0, 900_000_000, 0])
    kernel.clock._wall_ns = lambda: kernel.wall_ns + next(late_ns)
    assert kernel.clock() == "synced"
    assert (kernel.asked, kernel.clock.jumps) == (1, 0)


def test_several_threads_tell_one_jump_once():
    """Whoever comes first looks, the others take its answer."""
    kernel = Kernel()
    kernel.clock()
    kernel.pass_s(1.0, jump_s=-100.0)
    threads = [threading.Thread(target=kernel.clock) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert (kernel.asked, kernel.clock.jumps) == (2, 1)


def test_where_the_kernel_may_not_be_asked_timesyncds_flag_speaks(tmp_path):
    """A service with ProtectClock=yes is refused adjtimex."""
    flag = tmp_path / "synchronized"
    assert clock.ask_kernel(lambda _: -1, flag) == "unsynced"
    flag.touch()
    assert clock.ask_kernel(lambda _: -1, flag) == "synced"


def test_the_kernels_word_counts_more_than_the_flag(tmp_path):
    """The flag stays when the servers are gone, or somebody set the clock by hand."""
    (tmp_path / "synchronized").touch()

    def unsynced(buffer) -> int:
        offset = clock._STATUS_OFFSET if ctypes.sizeof(ctypes.c_long) == 8 else clock._STATUS_OFFSET_32
        ctypes.memmove(ctypes.addressof(buffer) + offset, STA_UNSYNC.to_bytes(4, "little"), 4)
        return 5

    assert clock.ask_kernel(unsynced, tmp_path / "synchronized") == "unsynced"


def test_the_figures_of_this_machine_are_plausible(tmp_path):
    """This process has some memory and has used some of the processor; the disk is not full."""
    machine = Machine(tmp_path)
    sum(range(2_000_000))
    figures = machine.read()
    assert 0 < figures.cpu_percent <= 100 * (os.cpu_count() or 1) * 1.5
    assert 5e6 < figures.memory_bytes < 1e11
    assert figures.temperature_c is None or -40 < figures.temperature_c < 150
    stat = os.statvfs(tmp_path)
    assert 0 < figures.disk_free_bytes <= stat.f_blocks * stat.f_frsize


def test_a_disk_that_is_gone_costs_no_other_figure(tmp_path):
    """Health must not fall silent where it has most to tell, and a stop reports it before it delivers what waits."""
    figures = Machine(tmp_path / "gone").read()
    assert figures.disk_free_bytes == 0
    assert figures.memory_bytes > 5e6


def test_the_processors_share_is_taken_over_monotonic_time(tmp_path, monkeypatch):
    """The first reading covers the time since the process began; a wall clock that jumps has no part in it."""
    began_s = time.monotonic()
    first = Machine(tmp_path)
    assert first._before[0] < began_s, "this process is older than this test"
    now = SimpleNamespace(s=began_s)
    monkeypatch.setattr(machine, "time", SimpleNamespace(monotonic=lambda: now.s))
    first.read()
    now.s += 1e6
    assert first.read().cpu_percent < 1
