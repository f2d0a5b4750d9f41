"""Whether this machine is fit: every answer is a finding with a message, and a hint where something is to be done."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from agent.diagnosis import machine
from agent.models.execution import Delegate
from agent.models.interpreter import runtime_version
from agent.telemetry.clock import KernelClock
from device_profiles import detect


def test_what_is_installed_is_named():
    """With its version."""
    assert machine.runtime_finding().message.startswith(runtime_version())
    opencv = machine.opencv_finding()
    assert opencv.message.startswith(f"{cv2.__version__} from ")
    assert "FFMPEG" in opencv.message or opencv.severity == "warning"


def test_the_profile_is_told_with_its_reason():
    """So that a person can contradict."""
    found = detect()
    finding = machine.profile_finding(found)
    assert finding.severity == "info"
    assert found.profile.name in finding.message
    assert found.why in finding.message


def test_the_clock_is_what_the_kernel_says():
    """An undisciplined one is a warning with the next step."""
    finding = machine.clock_finding()
    assert finding.severity == ("info" if KernelClock()() == "synced" else "warning")
    assert bool(finding.hint) == (finding.severity == "warning")


def test_the_disk_of_a_state_directory_that_is_not_made_yet_is_looked_at(tmp_path):
    """It is that of the nearest folder that is there."""
    finding = machine.disk_finding(tmp_path / "not" / "yet")
    assert finding.code == "disk"
    assert "GB free for" in finding.message
    assert machine.disk_finding(Path("not-yet")).code == "disk"


def test_a_full_disk_is_a_warning(tmp_path, monkeypatch):
    """Below it an update may not fit."""
    monkeypatch.setattr(machine, "_LOW_DISK_BYTES", float("inf"))
    finding = machine.disk_finding(tmp_path)
    assert finding.severity == "warning"
    assert finding.hint


@pytest.mark.parametrize(
    ("delegate", "severity"),
    [
        (Delegate("external", "libm.so.6", {}), "info"),
        (Delegate("external", "/nowhere/libnpu.so", {}), "warning"),
    ],
)
def test_an_external_delegate_is_tried(delegate, severity):
    """Whether its library can be loaded at all."""
    [finding] = machine.delegate_findings([delegate])
    assert (finding.code, finding.severity) == ("delegate", severity)
    assert delegate.name in finding.message


def test_built_in_delegates_need_no_library():
    """Nothing to say."""
    assert machine.delegate_findings([Delegate("xnnpack", None, {}), Delegate("none", None, {})]) == []
