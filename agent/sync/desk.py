"""What `lineside sync` asks the running agent over its control socket."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.core.errors import BadData

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.sync.job import SyncJob


class SyncDesk:
    """Answers are JSON types. Any thread."""

    def __init__(self, job: SyncJob | None, models: Callable[[], dict[str, Any]]) -> None:
        """Store.

        Args:
            job: None where no model comes from a registry.
            models: What runs, by table: `registry`, and `active`, `candidate`, `previous` as in `model/<name>/state`.
        """
        self._job = job
        self._models = models

    def answers(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        """For the control socket: question to function of the request."""
        return {
            "sync status": lambda _: self.status(),
            "sync now": lambda _: {"asked": self._the_job().nudge(at_any_time=True)},
            "sync import": lambda request: {
                "asked": self._the_job().nudge(import_dir=Path(_text(request, "dir")), at_any_time=True)
            },
            "sync enroll": lambda request: {
                "asked": self._the_job().nudge(enrol_token=_text(request, "token", least=0) or None, at_any_time=True)
            },
        }

    def status(self) -> dict[str, Any]:
        """See `agent.sync.status.words`.

        Raises:
            BadData: There is nothing to sync.
        """
        job = self._the_job()
        wanted = job.wanted
        models = {name: model | {"wanted": wanted.get(model["registry"])} for name, model in self._models().items()}
        return job.status() | {"models": models}

    def _the_job(self) -> SyncJob:
        if self._job is None:
            raise no_registry()
        return self._job


def no_registry() -> BadData:
    """Why there is nothing to sync."""
    return BadData(
        "no model comes from a registry, and there is no sync.url",
        hint='registry = "…" in place of path in [models.<name>], and url in [sync]',
    )


def _text(request: dict[str, Any], key: str, least: int = 1) -> str:
    value = request.get(key)
    if not isinstance(value, str) or len(value) < least:
        raise BadData(f"{key} should be text", hint="is the command of the agent's version?")
    return value
