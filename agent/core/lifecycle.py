"""When `run` ends by itself, and with which exit code (design, section 4.1). Pure; `agent.app` asks after every change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.errors import ConfigInvalid, LinesideError, NotTrusted

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class PipelineFate:
    """How far a pipeline is.

    Attributes:
        ended: Its source has no more frames, or it was asked for one prediction and made it.
        worked: Its model was loaded at least once.
        fault: Why it does not work now, or None.
    """

    ended: bool
    worked: bool
    fault: LinesideError | None


@dataclass(frozen=True, slots=True)
class SourceFate:
    """How far a source is.

    Attributes:
        ended: It gives no more frames and is not tried again.
        fault: Why, if that is a fault; None for the end of a file.
    """

    ended: bool
    fault: LinesideError | None


def exit_code(pipelines: Sequence[PipelineFate], sources: Sequence[SourceFate]) -> int | None:
    """The exit code if there is nothing left to do, else None.

    Returns:
        None while anything works, or may work later.
        3 when no pipeline can ever work: every model was refused at the first try (5 if each was not to be trusted).
        1 when everything has ended and a source did so by a fault, or a pipeline never came to work.
        0 when everything has ended.
    """
    faults = [pipeline.fault for pipeline in pipelines]
    hopeless = [fault for fault in faults if fault is not None and not fault.retryable]
    if len(hopeless) == len(pipelines) and not any(pipeline.worked for pipeline in pipelines):
        all_distrusted = all(isinstance(fault, NotTrusted) for fault in hopeless)
        return NotTrusted.exit_code if all_distrusted else ConfigInvalid.exit_code
    if all(pipeline.ended for pipeline in pipelines) or all(source.ended for source in sources):
        if not all(pipeline.ended or pipeline.fault for pipeline in pipelines):
            return None
        failed = any(source.fault for source in sources) or any(faults)
        return LinesideError.exit_code if failed else 0
    return None
