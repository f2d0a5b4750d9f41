"""Is there memory for one more model? Asked before it is loaded beside the one at work."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from agent.core.errors import ModelRefused

if TYPE_CHECKING:
    from agent.models.bundle import Bundle

_MEMINFO = Path("/proc/meminfo")
_OF_FILE = 3
"""What a loaded model takes, as a multiple of its file: XNNPACK packs the weights anew, and there are the tensors between the
layers. A MobileNet v2 of 3.6 MB takes 10 MB (LiteRT 2.3, x86-64)."""


def need_headroom(bundle: Bundle, headroom_bytes: float) -> None:
    """See to it that enough is left when the model is loaded.

    Args:
        bundle: Its model.
        headroom_bytes: What must be left of the machine's memory.

    Raises:
        ModelRefused: There is not.
    """
    need_bytes = _OF_FILE * bundle.model.stat().st_size
    available_bytes = available()
    if available_bytes - need_bytes < headroom_bytes:
        raise ModelRefused(
            f"{bundle.title} needs about {need_bytes / 1e6:.0f} MB, {available_bytes / 1e6:.0f} MB are free on this device, and "
            f"{headroom_bytes / 1e6:.0f} MB must be left",
            hint="a smaller model, or less beside it; see gates.memory_headroom_bytes",
        )


def available() -> float:
    """Bytes that the kernel could give without swapping (`MemAvailable`); infinite where it does not say."""
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return math.inf
