"""From a manifest and whoever has its files to a version as the gate sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync.evaluation.bounds import MAX_TOML_BYTES, MODEL_TOML, BoundsInvalid, read_bounds
from cloud_sync.evaluation.gate import Release
from cloud_sync.evaluation.report import MAX_BYTES, NAME, Report, ReportInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud_sync.manifest import FileEntry, Manifest


def release_of(manifest: Manifest, digest: str, read: Callable[[FileEntry], bytes]) -> Release:
    """A version with its report and its bounds.

    Args:
        manifest: Of the version.
        digest: `sha256:` and the digest of its bytes.
        read: Gives the content of a file of the version; asked only for files within their bound.

    Raises:
        ReportInvalid: The report is none.
        BoundsInvalid: The bounds cannot be read.
    """
    entries = {entry.path: entry for entry in manifest.files}
    title = f"{manifest.name} {manifest.version}"
    said, toml = entries.get(NAME), entries.get(MODEL_TOML)
    if said is not None and said.length_bytes > MAX_BYTES:
        raise ReportInvalid(f"{NAME} of {title} is larger than {MAX_BYTES} bytes")
    report = Report.decode(read(said), f"{NAME} of {title}") if said else None
    if toml is not None and toml.length_bytes > MAX_TOML_BYTES:
        raise BoundsInvalid(f"{MODEL_TOML} of {title} is larger than {MAX_TOML_BYTES} bytes")
    bounds = read_bounds(read(toml), f"{MODEL_TOML} of {title}") if toml else ()
    return Release(title, digest, {path: entry.sha256 for path, entry in entries.items()}, report, bounds)
