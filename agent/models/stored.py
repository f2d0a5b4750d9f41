"""Models that come from a registry: which version of the store is this start's, opened only if it is what the record says.

The store (`cloud_sync.store`) says what was activated; here a version becomes a bundle. Called by `agent.models.shelf` and by
`agent.sync`, which brings new versions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.core.errors import ModelAwaited, NotTrusted
from agent.core.messages import ModelVersion
from agent.models.bundle import open_bundle, open_model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.core.messages import VersionState
    from agent.models.bundle import Bundle
    from agent.models.settings import ModelSettings
    from cloud_sync.store import ModelStore, Version


def open_version(store: ModelStore, version: Version) -> Bundle:
    """The bundle of a version, every file compared with the manifest, and the manifest with the record.

    Raises:
        ModelRefused: It cannot be read, or its description is wrong.
        NotTrusted: It is not there, or not what the record names.
    """
    title = f"{version.name} {version.version}"
    again = "the next sync fetches it again: lineside sync now"
    folder = store.folder(version.digest)
    if folder is None:
        raise NotTrusted(f"{title} is not in the store, which was to hold it", hint=again)
    bundle = open_bundle(folder)
    if prefixed(bundle.digest) != prefixed(version.digest) or any(f.code == "not-packed" for f in bundle.findings):
        raise NotTrusted(f"{title} in the store has another manifest than its record says", hint=again)
    if (bundle.spec.name, bundle.spec.version) != (version.name, version.version):
        raise NotTrusted(f"{title} in the store says that it is {bundle.title}", hint="who published it, as what?")
    return bundle


def store_in(state_dir: Path) -> ModelStore:
    """The store of a device."""
    from cloud_sync.store import ModelStore  # noqa: PLC0415 - a configuration without a registry does without

    return ModelStore(state_dir)


def tables_of(models: Mapping[str, ModelSettings]) -> dict[str, list[str]]:
    """Tables under `models` that come from a registry, by the name there."""
    tables: dict[str, list[str]] = {}
    for name, settings in models.items():
        if settings.registry is not None:
            tables.setdefault(settings.registry, []).append(name)
    return tables


def open_any(name: str, settings: ModelSettings, state_dir: Path) -> Bundle:
    """The model that a table names, wherever it comes from: for commands that look at a configuration.

    Args:
        name: Name of the table.
        settings: The table.
        state_dir: Of the agent; holds the store.

    Raises:
        ModelRefused: It cannot be read, or its description is wrong.
        ModelAwaited: None has come from the registry yet.
        NotTrusted: A file differs from the manifest.
    """
    if settings.registry is None:
        return open_model(name, settings)
    store = store_in(state_dir)
    if (version := store.active(settings.registry)) is None:
        raise none_yet(name, settings.registry)
    return open_version(store, version)


def prefixed(digest: str) -> str:
    """A digest as it stands in messages, `sha256:…`; folders have it without."""
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def told(version: Version, state: VersionState, reason: str | None) -> ModelVersion:
    """A version as messages name it."""
    return ModelVersion(version=version.version, digest=prefixed(version.digest), state=state, reason=reason)


def none_yet(table: str, registry: str) -> ModelAwaited:
    """Why a pipeline has no model: nothing has come yet."""
    return ModelAwaited(
        f"models.{table} waits for the first version of {registry} from the registry",
        hint="lineside sync status says what the sync is at",
    )
