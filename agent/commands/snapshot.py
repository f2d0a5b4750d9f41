"""The verb `snapshot`: the next frame as a picture in the state directory, and a folder of such pictures that does not grow.

No frame is kept for it beforehand, so that it costs nothing until it is asked for.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from agent.commands.request import Refused, only, shown, text
from agent.commands.verbs import the_pipeline
from agent.core.messages import SnapshotResult
from agent.core.times import utc_text
from cloud_sync.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from agent.commands.settings import CommandsSettings
    from agent.pipeline.runner import PipelineRunner

FOLDER = "snapshots"


class Snapshot:
    """Waits for a frame of a pipeline or source, whether the pipeline is paused or not, and keeps it."""

    def __init__(
        self,
        pipelines: Mapping[str, PipelineRunner],
        settings: CommandsSettings,
        state_dir: Path,
        jpeg: Callable[[npt.NDArray[np.uint8]], bytes],
    ) -> None:
        """Store.

        Args:
            pipelines: By name.
            settings: `[commands]`.
            state_dir: The pictures lie in a folder below it.
            jpeg: Encodes pixels, [height, width, 3] BGR or [height, width] gray.
        """
        self._pipelines = pipelines
        self._timeout_s = settings.snapshot_timeout_s
        self._album = Album(state_dir / FOLDER, settings.snapshot_count, settings.snapshot_bytes)
        self._jpeg = jpeg

    def __call__(self, arguments: Mapping[str, object]) -> SnapshotResult:
        """See `agent.commands.verbs.Verb`; takes either `pipeline` or `source`."""
        only(arguments, "pipeline", "source")
        pipeline = self._who(text(arguments, "pipeline"), text(arguments, "source"))
        frame = pipeline.intake.next_frame(self._timeout_s)
        source = pipeline.settings.source
        if frame is None:
            raise Refused("failed", f"source {source} gave no frame within {self._timeout_s:g} s")
        picture = self._jpeg(frame.pixels)
        captured_at = utc_text(frame.captured_ns)
        stamp = captured_at.translate({ord(c): None for c in "-:"})
        height, width = frame.pixels.shape[:2]
        name = f"{pipeline.name}-{stamp}-{frame.index}.jpg"
        try:
            self._album.keep(name, picture)
        except OSError as error:
            raise Refused("failed", f"the picture could not be written: {error.strerror}") from error
        return SnapshotResult(
            file=f"{FOLDER}/{name}",
            size_bytes=len(picture),
            sha256=hashlib.sha256(picture).hexdigest(),
            pipeline=pipeline.name,
            source=source,
            frame_index=frame.index,
            captured_at=captured_at,
            width=width,
            height=height,
        )

    def _who(self, pipeline: str | None, source: str | None) -> PipelineRunner:
        """A pipeline that sees the frames that are asked for."""
        if (pipeline is None) == (source is None):
            raise Refused("malformed", "name either a pipeline or a source")
        if pipeline is not None:
            return the_pipeline(self._pipelines, pipeline)
        for reader in self._pipelines.values():
            if reader.settings.source == source:
                return reader
        known = dict.fromkeys(reader.settings.source for reader in self._pipelines.values())
        raise Refused("unknown_name", f"no pipeline reads a source {shown(source)}; known: {', '.join(known)}")


class Album:
    """A folder of pictures with a bound on their number and one on their bytes. One thread."""

    def __init__(self, folder: Path, count: int, size_bytes: int) -> None:
        self._folder = folder
        self._count = count
        self._size_bytes = size_bytes

    def keep(self, name: str, picture: bytes) -> None:
        """Add a picture; the oldest go first.

        Raises:
            Refused: It alone is larger than the folder may be.
            OSError: It could not be written.
        """
        if len(picture) > self._size_bytes:
            raise Refused("failed", f"it has {len(picture)} bytes, and commands.snapshot_bytes is {self._size_bytes}")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        for unfinished in self._folder.glob(".*.partial"):  # the power went while it was written
            unfinished.unlink()
        kept = [(path.stat(), path) for path in self._folder.glob("*.jpg") if path.name != name]
        kept.sort(key=lambda each: (each[0].st_mtime_ns, each[1].name), reverse=True)
        room_bytes, room = self._size_bytes - len(picture), self._count - 1
        for known, path in kept:
            room_bytes -= known.st_size
            room -= 1
            if room < 0 or room_bytes < 0:
                path.unlink()
        write_atomically(self._folder / name, picture)
