"""Is this machine fit? Runtime, OpenCV, clock, disk, device profile. Every answer is a finding; what is well is `info`."""

from __future__ import annotations

import ctypes
import shutil
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.findings import Finding
from agent.telemetry.clock import KernelClock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.models.execution import Delegate
    from device_profiles import Detection

_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")
_LOW_DISK_BYTES = 500_000_000


def profile_finding(found: Detection) -> Finding:
    """Which device profile holds here, and why."""
    facts = found.facts
    memory = f", {facts.memory_bytes / 1e9:.1f} GB" if facts.memory_bytes else ""
    message = f"{found.profile.title} ({found.profile.name}): {found.why}; {facts.machine}, {facts.cores} cores{memory}"
    return Finding("profile", "info", message)


def runtime_finding() -> Finding:
    """Which interpreter is installed."""
    try:
        from agent.models.interpreter import runtime_version  # noqa: PLC0415 - it may not be there, which is the question
    except ImportError as error:
        return Finding("runtime", "error", f"no TFLite interpreter is installed: {error}", "pip install ai-edge-litert")
    version = runtime_version()
    if version.startswith("litert"):
        return Finding("runtime", "info", f"{version}, quantized operators by XNNPACK")
    return Finding(
        "runtime", "warning", f"{version} runs quantized models without XNNPACK", "ai-edge-litert, where it has a wheel"
    )


def delegate_findings(delegates: Iterable[Delegate]) -> list[Finding]:
    """Whether the library of each external delegate can be loaded."""
    findings = []
    for delegate in delegates:
        if delegate.kind != "external":
            continue
        try:
            ctypes.CDLL(delegate.library)
        except OSError as error:
            findings.append(
                Finding("delegate", "warning", f"{delegate.name} cannot be loaded: {error}", "install its package")
            )
        else:
            findings.append(Finding("delegate", "info", f"{delegate.name} can be loaded"))
    return findings


def opencv_finding() -> Finding:
    """Which OpenCV is installed: two of its distributions fill the same folder and break each other."""
    installed = [name for name in _OPENCV if _version(name)]
    if len(installed) > 1:
        hint = f"pip uninstall -y {' '.join(installed)}, then pip install opencv-python-headless"
        return Finding("opencv", "error", f"{' and '.join(installed)} fill the same folder", hint)
    try:
        import cv2  # noqa: PLC0415 - it may not be there, which is the question
    except ImportError as error:
        return Finding("opencv", "error", f"OpenCV cannot be imported: {error}", "pip install opencv-python-headless")
    build = cv2.getBuildInformation()
    has = [name for name in ("FFMPEG", "GStreamer", "v4l/v4l2") if _says_yes(build, name)]
    distribution = installed[0] if installed else "a build of this system"
    message = f"{cv2.__version__} from {distribution}, with {', '.join(has) or 'neither FFmpeg nor V4L2'}"
    if "FFMPEG" not in has:
        return Finding(
            "opencv", "warning", message, "streams and video files need FFmpeg: pip install opencv-python-headless"
        )
    return Finding("opencv", "info", message)


def clock_finding() -> Finding:
    """Whether a time server disciplines the clock."""
    if KernelClock()() == "synced":
        return Finding("clock", "info", "synchronised by a time server")
    hint = "systemd-timesyncd or chrony; until then messages say clock: unsynced"
    return Finding("clock", "warning", "no time server disciplines the clock, so captured_at may be wrong", hint)


def disk_finding(state_dir: Path) -> Finding:
    """Whether the state directory can be made and has room."""
    there = next(path for path in (state_dir, *state_dir.parents) if path.exists())
    free_bytes = shutil.disk_usage(there).free
    message = f"{free_bytes / 1e9:.1f} GB free for {state_dir}"
    if free_bytes < _LOW_DISK_BYTES:
        return Finding("disk", "warning", message, "remove what is not needed; below 0.5 GB an update may not fit")
    return Finding("disk", "info", message)


def camera_devices_finding() -> Finding:
    """Which V4L2 devices there are."""
    devices = sorted(Path("/dev").glob("video*"))
    if not devices:
        return Finding("devices", "info", "no camera is connected to this machine (no /dev/video*)")
    return Finding("devices", "info", f"{len(devices)} video devices: {', '.join(map(str, devices))}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _says_yes(build: str, name: str) -> bool:
    return any(line.strip().startswith(f"{name}:") and "YES" in line for line in build.splitlines())
