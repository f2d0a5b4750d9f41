"""The reference statistics of a model that is at work here: where its bundle lies, and what `reference.json` in it says."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from agent.core.errors import BadData
from agent.core.reference import MAX_BYTES, NAME, decode
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from agent.core.reference import Reference
    from agent.models.bundle import Bundle
    from agent.models.settings import ModelSettings
    from cloud_sync.store import ModelStore


def reference_of_model(settings: ModelSettings, digest: str, store: ModelStore | None) -> Reference | None:
    """What the model was evaluated on.

    Args:
        settings: The model's table.
        digest: Of the version that works, as it stands in messages.
        store: Holds the versions that came from a registry.

    Returns:
        None for a bare model, and for a bundle without `reference.json`.

    Raises:
        BadData: The file is no reference.
        OSError: It cannot be read.
    """
    if settings.registry is None:
        folder = settings.path
    else:
        folder = None if store is None else store.folder(digest.removeprefix("sha256:"))
    return None if folder is None or not folder.is_dir() else read_reference(folder)


_TABLES: Final = ("task", "input", "output", "decision")
"""Of `model.toml`: what else is said there, such as the version, changes no answer."""


def deciding(bundle: Bundle) -> dict[str, str]:
    """What decides the answers of a bundle: its files, and the tables of `model.toml` that do, with the sha256 of each.

    Raises:
        OSError: A file cannot be read.
    """
    spec, folder = bundle.spec, bundle.folder or bundle.model.parent
    files = {path: file_sha256(folder / path) for path in (spec.model, spec.labels, spec.output.references) if path}
    said = spec.model_dump_json(include=set(_TABLES), exclude_unset=True)
    return files | {"model.toml": hashlib.sha256(said.encode()).hexdigest()}


def stale(bundle: Bundle) -> list[str]:
    """What has changed since the reference statistics in a bundle were made; nothing where it has none, or where they do not say what they are of.

    Raises:
        BadData: They cannot be read.
        OSError: Likewise.
    """
    reference = None if bundle.folder is None else read_reference(bundle.folder)
    if reference is None or not reference.of:
        return []
    now = deciding(bundle)
    return sorted(name for name in now.keys() | reference.of.keys() if now.get(name) != reference.of.get(name))


def read_reference(folder: Path) -> Reference | None:
    """`reference.json` of a bundle, or None where it has none.

    Raises:
        BadData: It is no reference.
        OSError: It cannot be read.
    """
    path = folder / NAME
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    if len(content) > MAX_BYTES:
        raise BadData(f"{path} has more than {MAX_BYTES} bytes", hint="lineside model pack writes it")
    return decode(content)
