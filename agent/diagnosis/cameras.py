"""Does each source give a picture? Opened in threads of their own, because a driver may hang for good."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from agent.core.errors import LinesideError
from agent.core.findings import Finding
from agent.sources.camera.ffmpeg import require_ffmpeg
from agent.sources.catalog import make_source
from agent.sources.contract import EndOfStream, FrameUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.sources.settings import SourceSettings

DEADLINE_S = 20.0


def source_findings(sources: Mapping[str, SourceSettings]) -> list[Finding]:
    """One finding per source, within `DEADLINE_S` whatever hangs."""
    answers: dict[str, Finding] = {}
    threads = [
        threading.Thread(target=lambda n=name, s=settings: answers.__setitem__(n, _look(n, s)), daemon=True)
        for name, settings in sources.items()
    ]
    until_s = time.monotonic() + DEADLINE_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    hangs = f"it hangs: no picture and no error within {DEADLINE_S:g} s"
    return [
        answers.get(name) or Finding("source", "error", f"{name}: {hangs}", "unplug it, or restart the machine")
        for name in sources
    ]


def _look(name: str, settings: SourceSettings) -> Finding:
    source = make_source(settings)  # without a demand: in full, as the camera gives it
    began_s = time.monotonic()
    try:
        if settings.type == "camera" and settings.decode == "scaled":
            require_ffmpeg()
        source.open()
        frame = source.read(0)
    except LinesideError as error:
        return Finding("source", "error", f"{name}: {error}", error.hint)
    except (EndOfStream, FrameUnreadable) as error:
        return Finding("source", "error", f"{name}: no picture: {error}", "is it the right file or folder?")
    except Exception as error:  # noqa: BLE001 - the boundary of a plug-in: a driver may raise anything
        return Finding("source", "error", f"{name}: {type(error).__name__}: {error}", "report it with this line")
    finally:
        source.close()
    height, width = frame.pixels.shape[:2]
    clock = "by the driver" if source.captured_at_from == "driver" else "on arrival"
    took_s = time.monotonic() - began_s
    return Finding("source", "info", f"{name}: {width} x {height} pixels after {took_s:.2f} s, time taken {clock}")
