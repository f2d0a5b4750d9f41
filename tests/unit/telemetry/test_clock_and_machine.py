"""The kernel's clock and the machine's figures."""

from __future__ import annotations

import ctypes
import os
import sys

import pytest

from agent.telemetry import clock
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


class CountingClock(KernelClock):
    """Counts how often the kernel is asked, and answers in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def _ask(self):
        self.asked += 1
        return "synced" if self.asked % 2 else "unsynced"


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


def test_the_kernel_is_asked_once_in_a_while(monkeypatch):
    """The answer may be taken for each frame."""
    now_s = [1000.0]
    monkeypatch.setattr(clock.time, "monotonic", lambda: now_s[0])
    counting = CountingClock()
    assert [counting() for _ in range(1000)] == ["synced"] * 1000
    assert counting.asked == 1
    now_s[0] += 10.0
    assert counting() == "unsynced"
    assert counting.asked == 2


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
