"""What the child process of a sync is told: who we are, what we follow, what runs here, and what has happened since the last time."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agent.life.events import Event
    from agent.models.settings import ModelSettings
    from agent.sync.settings import SyncSettings
    from cloud_sync.store import ModelStore, Version


class Orders:
    """Writes orders; the form is that of `cloud_sync.device`."""

    def __init__(
        self,
        settings: SyncSettings,
        models: Mapping[str, ModelSettings],
        store: ModelStore,
        *,
        device: str,
        profile: str,
        state_dir: Path,
        agent_version: str,
        works: Callable[[str], Version | None] = lambda _: None,
    ) -> None:
        """Store.

        Args:
            settings: `[sync]`.
            models: The tables under `models`.
            store: Says what is active and what was rejected.
            device: Id of this device.
            profile: Name of its profile; with the machine's architecture, what a version may be for.
            state_dir: Holds store, journal and identity.
            agent_version: For the report.
            works: The version that the pipelines of a table work with; None where none does, or no agent runs.
        """
        self._settings = settings
        self._channels = {model.registry: model.channel for model in models.values() if model.registry is not None}
        self._tables = {model.registry: name for name, model in models.items() if model.registry is not None}
        self._store = store
        self._device = device
        self._profile = profile
        self._state_dir = state_dir
        self._agent_version = agent_version
        self._works = works

    def order(
        self, import_dir: Path | None = None, enrol_token: str | None = None, events: Sequence[Event] = ()
    ) -> dict[str, Any]:
        """The order of one sync, as JSON types.

        Args:
            import_dir: Where the registry's files lie; None for the registry itself.
            enrol_token: Admits this device; not written down anywhere.
            events: What has happened since the registry was told last.
        """
        settings = self._settings
        return {
            "url": settings.url,
            "state_dir": str(self._state_dir.resolve()),
            "device": self._device,
            "hardware": [self._profile, os.uname().machine],
            "models": dict(self._channels),
            "root_path": None if settings.root is None else str(settings.root),
            "root_sha256": settings.root_sha256,
            "rate_limit_bytes_s": settings.rate_limit_bytes_s or 0,
            "on_delta_failure": settings.on_delta_failure,
            "reserve_bytes": settings.reserve_bytes,
            "insecure_http": settings.insecure_http,
            "import_dir": None if import_dir is None else str(import_dir),
            "retention": settings.keep_versions,
            "in_use": sorted({works.digest for table in self._tables.values() if (works := self._works(table))}),
            "enrol_token": enrol_token,
            "runs": {name: run for name in self._channels if (run := self._run(name)) is not None},
            "events": [event.as_dict() for event in events],
            "profile": self._profile,
            "agent_version": self._agent_version,
        }

    def _run(self, name: str) -> dict[str, Any] | None:
        """What a model runs, as a report says it."""
        active = self._works(self._tables[name]) or self._store.active(name)
        if active is None:
            return None
        rejection = self._store.rejected().get(name)
        reason = None if rejection is None else f"a newer version was rejected: {rejection.reason}"
        return {"version": active.version, "digest": active.digest, "state": "active", "reason": reason}
