"""The desk with its verbs, as the configuration says. Called by the composition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.commands.audit import Audit
from agent.commands.clerk import Clerk
from agent.commands.desk import Desk
from agent.commands.snapshot import Snapshot
from agent.commands.verbs import Pause, Set, Sync
from agent.commands.versions import Judge, Say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from agent.commands.settings import CommandsSettings
    from agent.commands.verbs import Verb
    from agent.commands.versions import Ear
    from agent.core.messages import CommandAck
    from agent.core.topics import Topics
    from agent.pipeline.runner import PipelineRunner


def make_desk(
    settings: CommandsSettings,
    pipelines: Mapping[str, PipelineRunner],
    *,
    topics: Topics,
    session: str,
    state_dir: Path,
    answer: Callable[[CommandAck, bytes | None], None],
    on_note: Callable[[str, str | None], None],
    jpeg: Callable[[npt.NDArray[np.uint8]], bytes],
    ear: Ear,
    nudge: Callable[[], tuple[int, bool]] | None = None,
) -> Desk:
    """A desk that obeys the verbs that are allowed; it is not started yet.

    Args:
        settings: `[commands]`.
        pipelines: What commands act upon.
        topics: Of this device.
        session: Of this start of the agent.
        state_dir: Holds the audit file and the pictures.
        answer: See `Clerk`.
        on_note: See `agent.commands.verbs.Pause`.
        jpeg: See `agent.commands.snapshot.Snapshot`.
        nudge: See `agent.commands.verbs.Sync`.
        ear: Takes words on versions and feedback.
    """
    known: dict[str, Verb] = {
        "pause": Pause(pipelines, on_note),
        "resume": Pause(pipelines, on_note, resume=True),
        "snapshot": Snapshot(pipelines, settings, state_dir, jpeg),
        "set": Set(pipelines, on_note),
        "sync": Sync(nudge),
        "return": Say("return", ear),
        "hold": Say("hold", ear),
        "confirm": Say("confirm", ear),
        "feedback": Judge(ear),
    }
    clerk = Clerk(
        topics,
        session,
        {verb: known[verb] for verb in settings.allow},
        max_bytes=settings.max_bytes,
        audit=Audit(state_dir, settings.audit_bytes),
        answer=answer,
    )
    return Desk(topics, clerk)
