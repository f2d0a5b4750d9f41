"""From a path to a described model: a bundle folder with `model.toml`, or a bare .tflite (design, section 4.4).

Reads and checks words and digests; loads nothing into the interpreter. Called by `agent.models.shelf` and by the commands that
look at models.
"""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from agent.core.errors import ModelAwaited, ModelRefused, NotTrusted
from agent.core.findings import Finding
from agent.models.spec import ModelSpec
from agent.schema import problems
from cloud_sync import manifest
from cloud_sync.manifest import FilesDiffer, ManifestInvalid

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import numpy.typing as npt

    from agent.models.settings import ModelSettings
    from cloud_sync.manifest import Manifest

DESCRIPTION = "model.toml"
_MAX_LABELS_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model with all that it needs to run and be judged.

    Attributes:
        spec: What a person wrote about it.
        model: The .tflite file.
        digest: `sha256:` of `manifest.json`, or of the file for a bare model.
        model_sha256: Of the .tflite file, in hexadecimal; None where it was not read for the digest, as hidden files are not.
        folder: Where the bundle lies; None for a bare model.
        labels: Line k, counted from 0, is class k; None where the model has none.
        references: float32 [n, features], for embeddings that are compared; None without.
        findings: What a person should know, such as a folder that is not packed.
    """

    spec: ModelSpec
    model: Path
    digest: str
    model_sha256: str | None
    folder: Path | None
    labels: list[str] | None
    references: npt.NDArray[np.float32] | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def title(self) -> str:
        """Name and version, for messages."""
        return f"{self.spec.name} {self.spec.version}"


def open_model(name: str, settings: ModelSettings) -> Bundle:
    """The model that a table of the configuration names.

    Args:
        name: Name of the table.
        settings: The table.

    Raises:
        ModelRefused: It is not there, cannot be read, or its description is wrong.
        ModelAwaited: It comes from a registry (`agent.models.stored`).
        NotTrusted: A file of the bundle differs from the manifest.
    """
    if settings.path is None:
        raise ModelAwaited(
            f"models.{name} comes from a registry; only the agent, and lineside sync, know which version is active",
            hint="lineside sync status",
        )
    if settings.path.is_dir():
        return open_bundle(settings.path)
    return open_bare(name, settings, settings.path)


def open_bundle(folder: Path) -> Bundle:
    """The bundle in a folder, its files compared with its manifest. Without a manifest it opens with a finding.

    Raises:
        ModelRefused: It is not there, cannot be read, or its description is wrong.
        NotTrusted: A file differs from the manifest, or the manifest is broken.
    """
    again = f"take the bundle again from where it came; if the change is yours: lineside model pack {folder}"
    try:
        found = manifest.read(folder)
        if found is None:
            bundle = open_unpacked(folder)
            message = f"{folder} has no manifest, so a file that changes is not noticed"
            return replace(
                bundle, findings=[Finding("not-packed", "warning", message, f"lineside model pack {folder}")]
            )
        listed, digest = found
        manifest.verify(folder, listed)
    except FilesDiffer as error:
        raise NotTrusted(f"{folder} is not what its manifest says: {error}", hint=again) from error
    except ManifestInvalid as error:
        raise NotTrusted(str(error), hint=again) from error
    except OSError as error:
        raise ModelRefused(f"{folder} cannot be read: {error}") from error
    bundle = _bundle(folder, read_description(folder), listed, digest)
    if (listed.name, listed.version) != (bundle.spec.name, bundle.spec.version):
        raise NotTrusted(
            f"{folder}: the manifest is of {listed.name} {listed.version}, {DESCRIPTION} of {bundle.title}", hint=again
        )
    return bundle


def open_unpacked(folder: Path) -> Bundle:
    """The bundle in a folder as it stands, whatever its manifest says; for packing.

    Its digest is that of the manifest which packing would write.

    Raises:
        ModelRefused: It is not there, cannot be read, or its description is wrong.
    """
    spec = read_description(folder)
    try:
        listed = manifest.describe(folder, spec.name, spec.version)
    except (OSError, ManifestInvalid) as error:
        raise ModelRefused(f"{folder} cannot be packed: {error}") from error
    return _bundle(folder, spec, listed, listed.digest)


def _bundle(folder: Path, spec: ModelSpec, listed: Manifest, digest: str) -> Bundle:
    """What a folder holds, whose files are those of the manifest."""
    references = spec.output.references
    model = PurePosixPath(spec.model).as_posix()
    return Bundle(
        spec=spec,
        model=inside(folder, spec.model, "model"),
        digest=digest,
        model_sha256=next((entry.sha256 for entry in listed.files if entry.path == model), None),
        folder=folder,
        labels=read_labels(inside(folder, spec.labels, "labels")) if spec.labels else None,
        references=_read_references(inside(folder, references, "output.references")) if references else None,
    )


def open_bare(name: str, settings: ModelSettings, path: Path) -> Bundle:
    """A .tflite without a bundle, described by the configuration and by its own metadata.

    Raises:
        ModelRefused: It is not there, or nobody says how its output is to be read.
    """
    if not path.is_file():
        raise ModelRefused(f"{path} is not there", hint=f"models.{name}.path names a bundle folder or a .tflite file")
    from agent.models.bare import bare_spec  # noqa: PLC0415 - 8 ms for a reader that a bundle does without

    spec, labels = bare_spec(name, settings, path)
    sha256 = manifest.file_sha256(path)
    return Bundle(
        spec=spec,
        model=path,
        digest=f"sha256:{sha256}",
        model_sha256=sha256,
        folder=None,
        labels=read_labels(settings.labels) if settings.labels else labels,
    )


def read_description(folder: Path) -> ModelSpec:
    """`model.toml` of a bundle.

    Raises:
        ModelRefused: It is missing, is no TOML, or says something that makes no sense; every fault is named.
    """
    path = folder / DESCRIPTION
    if folder.is_file():
        raise ModelRefused(
            f"{folder} is a file, and a bundle is a folder", hint="put it into a folder with a model.toml"
        )
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return ModelSpec.model_validate(data)
    except FileNotFoundError:
        raise ModelRefused(
            f"{path} is not there", hint="a bundle is a folder with model.toml; a bare .tflite is named itself"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ModelRefused(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        faults = problems(error, ModelSpec)
        listed = "; ".join(problem.message for problem in faults)
        raise ModelRefused(f"{path}: {listed}", hint=faults[0].hint) from error


def inside(folder: Path, name: str, key: str) -> Path:
    """A file that a description names, which must lie in the bundle.

    Raises:
        ModelRefused: It is not there, or the name leads out of the bundle.
    """
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts:
        raise ModelRefused(
            f"{folder / DESCRIPTION}: {key} = {name!r} leads out of the bundle", hint="copy the file into the bundle"
        )
    path = folder / name
    if not path.is_file():
        raise ModelRefused(f"{folder / DESCRIPTION}: {key} = {name!r} is not there", hint=f"put it into {folder}")
    return path


def read_labels(path: Path) -> list[str]:
    """Lines of a label file; empty ones at the end are no labels.

    Raises:
        ModelRefused: It cannot be read, is no UTF-8 text or has no line.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_LABELS_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelRefused(f"{path} cannot be read as UTF-8 text: {error}") from error
    labels = [line.strip() for line in text.splitlines()]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise ModelRefused(f"{path} holds no label", hint="one label a line; line k, counted from 0, is class k")
    return labels


def _read_references(path: Path) -> npt.NDArray[np.float32]:
    try:
        array = np.load(io.BytesIO(path.read_bytes()), allow_pickle=False)
        if array.ndim != 2 or not array.size or not np.isfinite(array).all():  # noqa: PLR2004 - rows of features
            raise ModelRefused(f"{path} must hold finite numbers of shape [n, features], it holds {list(array.shape)}")
        return np.ascontiguousarray(array, np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ModelRefused(f"{path} is no .npy file of numbers: {error}", hint="numpy.save(path, array)") from error
