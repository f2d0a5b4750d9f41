"""Where everything lies below a registry's address: plain files by name, which any web server, bucket or USB stick can hold.

The one place that knows these names; registry, publisher and device use it.
"""

from __future__ import annotations

import re
from urllib.parse import quote

METADATA = "metadata/"
TARGETS = "targets/"
ASSIGNMENT_KEYS = "keys/assignment.json"
"""Target that holds the public keys of assignments; signed by the top-level targets role."""
MANIFEST = "manifest.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def is_name(text: str) -> bool:
    """Whether it may name a model, version, channel or device (design, section 4)."""
    return _NAME.fullmatch(text) is not None


def is_sha256(text: str) -> bool:
    """Whether it is a digest in hexadecimal, as it stands in paths."""
    return _SHA256.fullmatch(text) is not None


def role_of(model: str) -> str:
    """The TUF role of a model's owners. The prefix keeps a model from being called `root`."""
    return f"model.{model}"


def target_pattern(model: str) -> str:
    """Targets that the owners of a model may sign."""
    return f"models/{model}/*/{MANIFEST}"


def manifest_target(model: str, version: str) -> str:
    """The TUF target of one version."""
    return f"models/{model}/{version}/{MANIFEST}"


def of_manifest_target(path: str) -> tuple[str, str] | None:
    """Model and version of a target, or None if it is no manifest."""
    parts = path.split("/")
    if len(parts) != len(("models", "name", "version", MANIFEST)) or parts[0] != "models" or parts[-1] != MANIFEST:
        return None
    return (parts[1], parts[2]) if is_name(parts[1]) and is_name(parts[2]) else None


def metadata_file(role: str, version: int | None = None) -> str:
    """Of one role; unversioned for `timestamp`, and on the device."""
    name = quote(role, "")
    return f"{name}.json" if version is None else f"{version}.{name}.json"


def target_file(path: str, sha256: str) -> str:
    """Where a target lies: with its digest in front of its name, as in a consistent snapshot."""
    folder, slash, name = path.rpartition("/")
    return f"{TARGETS}{folder}{slash}{sha256}.{name}"


def blob(sha256: str) -> str:
    """A file of a bundle, or a patch."""
    return f"blobs/sha256/{sha256}"


def patches_of(sha256: str) -> str:
    """The list of patches that make a blob; not signed, as what they make is compared with its digest."""
    return f"deltas/sha256/{sha256}.json"


def device_subject(device: str) -> str:
    """The subject of a device's own assignment."""
    return f"device:{device}"


def channel_subject(channel: str) -> str:
    """The subject of a channel's assignment."""
    return f"channel:{channel}"


def assignment(subject: str) -> str:
    """What a subject should run."""
    return f"assignments/{subject}.json"
