"""Manifests: which files a bundle consists of, by length and sha256 (design, section 4.4).

A manifest is the identity of a version: equal files give equal bytes, so the sha256 of `manifest.json` names the bundle on
every device. Hidden files (names that start with a dot) belong to editors and file managers and are no part of a bundle.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from cloud_sync.atomic import write_atomically
from cloud_sync.errors import ManifestInvalid as ManifestInvalid  # noqa: PLC0414 - its callers look for it here
from cloud_sync.layout import is_sha256

MANIFEST = "manifest.json"
SCHEMA = "lineside.manifest/1"
MAX_BYTES = 4 << 20
_LONGEST_NAME_BYTES = 255
"""Of one part of a path, on every file system that we know of."""
_CHUNK_BYTES = 1 << 20


class FilesDiffer(Exception):
    """The folder is not what its manifest says.

    Attributes:
        differences: One sentence per file.
    """

    def __init__(self, differences: list[str]) -> None:
        super().__init__("; ".join(differences))
        self.differences = differences


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a bundle.

    Attributes:
        path: Relative to the bundle, with `/`, never upwards.
        sha256: In hexadecimal.
        length_bytes: Size of the file.
    """

    path: str
    sha256: str
    length_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """A version of a model as a list of its files, in the order of their paths."""

    name: str
    version: str
    files: tuple[FileEntry, ...]

    def encode(self) -> bytes:
        """The bytes of `manifest.json`: the same for the same files."""
        files = [{"path": f.path, "sha256": f.sha256, "length": f.length_bytes} for f in self.files]
        content = {"schema": SCHEMA, "name": self.name, "version": self.version, "files": files}
        return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"

    @property
    def digest(self) -> str:
        """`sha256:` and the digest of `manifest.json`."""
        return digest_of(self.encode())


def digest_of(content: bytes) -> str:
    """`sha256:` and the digest of `content`, as it stands in messages."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def file_sha256(path: Path) -> str:
    """Digest of a file in hexadecimal, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def describe(folder: Path, name: str, version: str) -> Manifest:
    """The manifest that the files of `folder` have now.

    Raises:
        OSError: A file cannot be read.
        ManifestInvalid: A link leads out of the folder, or a name is no text.
    """
    entries = (FileEntry(path, file_sha256(folder / path), (folder / path).stat().st_size) for path in _paths(folder))
    return Manifest(name, version, tuple(entries))


def write(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into the folder, whole or not at all.

    Raises:
        OSError: It could not be written.
    """
    write_atomically(folder / MANIFEST, manifest.encode())


def read(folder: Path) -> tuple[Manifest, str] | None:
    """The manifest of a folder and the digest of the very bytes that were read; None where there is none.

    Raises:
        ManifestInvalid: It cannot be read, or names a file outside the folder.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ManifestInvalid(f"{path} is no manifest: {type(error).__name__} {error}") from error
    return decode(content, what=str(path)), digest_of(content)


def decode(content: bytes, *, what: str = "the manifest") -> Manifest:
    """The manifest that these bytes are, whoever sent them.

    What it names can be written into an empty folder: relative paths, each once, none of them hidden, none a file and a folder at once.

    Args:
        content: Not trusted.
        what: For the message of an error.

    Raises:
        ManifestInvalid: They are none, or name a file that a bundle cannot have.
    """
    if len(content) > MAX_BYTES:
        raise ManifestInvalid(f"{what} is larger than {MAX_BYTES} bytes")
    try:
        manifest = _manifest(json.loads(content))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ManifestInvalid(f"{what} is no manifest: {type(error).__name__} {error}") from error
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{what} {error}") from error
    paths = [entry.path for entry in manifest.files]
    folders = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents}
    if len(set(paths)) < len(paths) or not folders.isdisjoint(paths):
        raise ManifestInvalid(f"{what} names a path twice, or one that is a file and a folder")
    return manifest


def verify(folder: Path, manifest: Manifest) -> None:
    """Compare every file with the manifest.

    Raises:
        FilesDiffer: A file is missing, differs, or is not in the manifest.
        OSError: A file cannot be read.
        ManifestInvalid: A link leads out of the folder.
    """
    found = set(_paths(folder))
    listed = {entry.path for entry in manifest.files}
    differences = [f"{path} is not in the manifest" for path in sorted(found - listed)]
    for entry in manifest.files:
        path = folder / entry.path
        if entry.path not in found:
            differences.append(f"{entry.path} is missing")
        elif (length := path.stat().st_size) != entry.length_bytes:
            differences.append(f"{entry.path} has {length} bytes, the manifest says {entry.length_bytes}")
        elif file_sha256(path) != entry.sha256:
            differences.append(f"{entry.path} has another sha256 than the manifest says")
    if differences:
        raise FilesDiffer(differences)


def _paths(folder: Path) -> list[str]:
    """Relative paths of all files that belong to a bundle, sorted."""
    root = folder.resolve()
    paths = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or relative.as_posix() == MANIFEST:
            continue
        target = Path(os.path.realpath(path))  # Path.resolve raises RuntimeError at a link that leads to itself
        if not target.is_relative_to(root):
            raise ManifestInvalid(f"{relative} leads out of the bundle, to {target}")
        if path.is_file():
            paths.append(relative.as_posix())
    if odd := [path for path in paths if not _is_text(path)]:
        raise ManifestInvalid(f"the name of {odd[0]!r} is not UTF-8")
    return sorted(paths)


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _manifest(data: dict[str, Any]) -> Manifest:
    if data["schema"] != SCHEMA:
        raise ManifestInvalid(f"has schema {data['schema']!r}, this version reads {SCHEMA!r}")
    return Manifest(str(data["name"]), str(data["version"]), tuple(_entry(entry) for entry in data["files"]))


def _entry(data: dict[str, Any]) -> FileEntry:
    path, sha256, length = data["path"], data["sha256"], data["length"]
    if not isinstance(path, str) or not isinstance(length, int) or isinstance(length, bool):
        raise TypeError("path must be text and length a whole number")
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or pure.as_posix() != path or path in ("", "."):
        raise ManifestInvalid(f"names {path!r}, which is not a path inside the bundle")
    if path == MANIFEST or any(part.startswith(".") for part in pure.parts):
        raise ManifestInvalid(f"names {path!r}, which is no file of a bundle")
    if "\0" in path or not _is_text(path) or any(len(part.encode()) > _LONGEST_NAME_BYTES for part in pure.parts):
        raise ManifestInvalid(f"names {path!r}, which cannot be written")
    if not isinstance(sha256, str) or not is_sha256(sha256):
        raise TypeError("sha256 must be text of 64 hexadecimal digits")
    if length < 0:
        raise ValueError("a length below 0")
    return FileEntry(path, sha256, length)
