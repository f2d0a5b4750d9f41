"""The store's three records as values, and their form in JSON. No I/O.

A record that cannot be read is None: each of them is written whole or not at all, so only a broken disk or a hand can have changed it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cloud_sync import layout

if TYPE_CHECKING:
    from collections.abc import Mapping

ACTIVATION = "lineside.activation/1"
STAGED = "lineside.staged/1"
REJECTED = "lineside.rejected/1"


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one model.

    Attributes:
        name: Of the model in the registry.
        version: As its owners call it.
        digest: sha256 of its manifest, in hexadecimal.
        gates: What its assignment wants it to show before it counts; no part of what it is.
    """

    name: str
    version: str
    digest: str
    gates: Mapping[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A version that was tried here and did not prove itself.

    Attributes:
        digest: Of its manifest, in hexadecimal.
        reason: A sentence.
        at: When, ISO 8601.
        fault_of: Versions that came with it, of which one was at fault; empty for a fault of its own. It may be tried again when one of them is
            another one.
    """

    digest: str
    reason: str
    at: str
    fault_of: tuple[Version, ...] = ()


def of_mate(faulty: Version, reason: str) -> str:
    """Why a version is rejected that has no fault of its own: it came with one that has."""
    return f"it came with {faulty.name} {faulty.version}, which is rejected: {reason}"


@dataclass(frozen=True, slots=True)
class Active:
    """What one model runs, and what it ran before."""

    active: Version
    previous: Version | None
    at: str


@dataclass(frozen=True, slots=True)
class Activation:
    """What all models run. `counter` rises with each change."""

    counter: int = 0
    models: Mapping[str, Active] = field(default_factory=dict)

    def after(self, versions: Mapping[str, Version], at: str) -> Activation:
        """With some models on other versions; what they ran becomes `previous`. The same object where nothing changes."""
        changed = {}
        for name, version in versions.items():
            now = self.models.get(name)
            if now is None or now.active.digest != version.digest:
                changed[name] = Active(version, now.active if now else None, at)
        return Activation(self.counter + 1, {**self.models, **changed}) if changed else self

    def without(self, digests: Mapping[str, str], at: str) -> Activation:
        """With some models on what they ran before, which then have no `previous`; on nothing where they ran nothing before.

        The same object where nothing changes.

        Args:
            digests: What each of these models is not to run any more.
            at: When.
        """
        gone = {name for name, now in self.models.items() if now.active.digest == digests.get(name)}
        models = {name: now for name, now in self.models.items() if name not in gone}
        for name in gone:
            if (previous := self.models[name].previous) is not None:
                models[name] = Active(previous, None, at)
        return Activation(self.counter + 1, models) if gone else self

    def encode(self) -> bytes:
        """As it stands in `activation.json`."""
        models = {
            name: {
                "active": one.active.digest,
                "version": one.active.version,
                "previous": one.previous.digest if one.previous else None,
                "previous_version": one.previous.version if one.previous else None,
                "activated_at": one.at,
            }
            for name, one in sorted(self.models.items())
        }
        return _encode({"schema": ACTIVATION, "counter": self.counter, "models": models})


def decode_activation(content: bytes) -> Activation | None:
    """The record, or None if it cannot be read."""
    try:
        data = _decode(content, ACTIVATION)
        models = {name: _active(name, row) for name, row in data["models"].items()}
        return Activation(int(data["counter"]), models)
    except _UNREADABLE:
        return None


def encode_staged(versions: Mapping[str, Version]) -> bytes:
    """As it stands in `staged.json`."""
    models = {
        name: {
            "digest": one.digest,
            "version": one.version,
            "manifest": layout.manifest_target(one.name, one.version),
            **({"gates": dict(one.gates)} if one.gates else {}),
        }
        for name, one in sorted(versions.items())
    }
    return _encode({"schema": STAGED, "models": models})


def decode_staged(content: bytes) -> dict[str, Version] | None:
    """The record, or None if it cannot be read."""
    try:
        models = _decode(content, STAGED)["models"]
        return {name: _version(name, row["version"], row["digest"], row.get("gates")) for name, row in models.items()}
    except _UNREADABLE:
        return None


def encode_rejected(rejected: Mapping[str, Rejection]) -> bytes:
    """As it stands in `rejected.json`."""
    models = {
        name: {
            "digest": one.digest,
            "reason": one.reason,
            "at": one.at,
            **({"fault_of": list(map(_named, one.fault_of))} if one.fault_of else {}),
        }
        for name, one in sorted(rejected.items())
    }
    return _encode({"schema": REJECTED, "models": models})


def decode_rejected(content: bytes) -> dict[str, Rejection] | None:
    """The record, or None if it cannot be read."""
    try:
        models = _decode(content, REJECTED)["models"]
        return {name: _rejection(row) for name, row in models.items()}
    except _UNREADABLE:
        return None


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


def _active(name: str, row: Mapping[str, Any]) -> Active:
    before = None if row["previous"] is None else _version(name, row["previous_version"], row["previous"])
    return Active(_version(name, row["version"], row["active"]), before, str(row["activated_at"]))


def _rejection(row: Mapping[str, Any]) -> Rejection:
    fault_of = (_version(str(one["model"]), one["version"], one["digest"]) for one in row.get("fault_of", ()))
    return Rejection(str(row["digest"]), str(row["reason"]), str(row["at"]), tuple(fault_of))


def _named(version: Version) -> dict[str, str]:
    return {"model": version.name, "version": version.version, "digest": version.digest}


def _version(name: str, version: Any, digest: Any, gates: Any = None) -> Version:
    """The digest becomes a path.

    Raises:
        ValueError: It is none.
    """
    if not layout.is_sha256(digest):
        raise ValueError(f"{digest!r} is no digest")
    return Version(name, str(version), digest, {str(key): float(value) for key, value in (gates or {}).items()})


def _encode(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, indent=1, ensure_ascii=False).encode() + b"\n"


def _decode(content: bytes, schema: str) -> dict[str, Any]:
    data = json.loads(content)
    if data["schema"] != schema:
        raise ValueError(f"schema {data['schema']!r}")
    return dict(data)
