"""The reference statistics of a model that is at work here: where its bundle lies, and what `reference.json` in it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.core.errors import BadData
from agent.core.reference import MAX_BYTES, NAME, decode

if TYPE_CHECKING:
    from pathlib import Path

    from agent.core.reference import Reference
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
