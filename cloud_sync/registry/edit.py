"""One change under way: what is signed, in which order it becomes visible. Nothing is written before the change is committed.

The order is the promise to clients: files that nobody knows yet come first, then `timestamp.json`, which makes them known, then
assignments, which choose among them. Taking something back goes the other way round: first nobody is told to run it any more.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from securesystemslib.signer import CryptoSigner

from cloud_sync import assignment, envelope, layout
from cloud_sync.assignment import Assignment, Wanted
from cloud_sync.registry import repository
from cloud_sync.registry.errors import StateUnreadable
from cloud_sync.registry.repository import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Root, Snapshot, Targets, Timestamp
from cloud_sync.registry.state import changes, files, versions
from cloud_sync.registry.state.files import RoleRow
from cloud_sync.signers import SCHEME, key_of, signer_from_uri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from securesystemslib.signer import Signer

    from cloud_sync.registry.settings import Settings
    from cloud_sync.registry.state.database import Connection

ASSIGNMENT = "assignment"
Payload = TypeVar("Payload", Root, Targets, Snapshot, Timestamp)


@dataclass
class Edit:
    """Used by one thread, within one transaction; `close` queues what is to be written.

    Attributes:
        folder: Of the registry; keys lie below it.
        tx: The transaction, which writes.
        now: When.
        by: Who asks.
    """

    folder: Path
    settings: Settings
    tx: Connection
    now: datetime
    by: str
    _before: list[tuple[str, bytes]] = field(default_factory=list)
    _known_by_timestamp: list[tuple[str, bytes]] = field(default_factory=list)
    _root: tuple[str, bytes] | None = None
    _root_first: bool = False
    _after: list[tuple[str, bytes]] = field(default_factory=list)
    _changed: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    _also_signs: dict[str, Signer] = field(default_factory=dict)
    _renews: set[str] = field(default_factory=set)

    # -- what is there ------------------------------------------------------------------------------------------------------------

    def row(self, role: str) -> RoleRow | None:
        """The current metadata of a role, as it was written."""
        return files.current(self.tx, role)

    def payload(self, role: str, kind: type[Payload]) -> Payload:
        """The current metadata of a role that every registry has.

        Raises:
            StateUnreadable: It is not there.
        """
        row = self.row(role)
        if row is None:
            raise StateUnreadable(f"the registry has no {role} metadata")
        return repository.decoded(row.content, kind, role).signed

    def model_role(self, model: str) -> Targets | None:
        """The current role metadata of a model; None before its first version."""
        row = self.row(layout.role_of(model))
        return repository.decoded(row.content, Targets, row.role).signed if row else None

    def signer(self, role: str) -> Signer:
        """The online key of a role.

        Raises:
            KeyUnusable: Its URI does not lead to it.
            StateUnreadable: It has none.
        """
        key = files.online_key(self.tx, role)
        if key is None:
            raise StateUnreadable(f"the registry has no key for {role}")
        return signer_from_uri(_absolute(key.uri, self.folder), None, key_of(key.keyid, key.public))

    # -- what changes -------------------------------------------------------------------------------------------------------------

    def set_root(self, content: bytes, *, first: bool = False) -> None:
        """A new root.

        Args:
            content: Signed.
            first: It becomes visible before the timestamp: needed when what is signed anew cannot be signed by the former keys, too.
        """
        self._root_first = first
        root = repository.decoded(content, Root, ROOT).signed
        self._root = (layout.METADATA + layout.metadata_file(ROOT, root.version), content)
        files.add_role(self.tx, RoleRow(ROOT, root.version, content, root.expires))

    def set_targets(self, role: str, content: bytes) -> None:
        """New metadata of the top-level targets or of a model."""
        payload = repository.decoded(content, Targets, role).signed
        self._set_role(role, payload.version, content, payload.expires)
        self._changed[role] = (payload.version, content)

    def set_target(self, path: str, content: bytes) -> None:
        """The content of a target; that it is one stands in the metadata of its role."""
        sha256 = hashlib.sha256(content).hexdigest()
        files.add_target(self.tx, path, sha256, content)
        self._known_by_timestamp.append((layout.target_file(path, sha256), content))

    def also_signs(self, role: str, signer: Signer) -> None:
        """A former key of snapshot or timestamp signs this once more, so that clients that do not know the new root yet go on."""
        self._also_signs[role] = signer
        self._renews.add(role)

    def renew(self, *roles: str) -> None:
        """Sign snapshot or timestamp again, even if nothing else changes."""
        self._renews.update(roles)

    def sign_assignment(self, subject: str, *, before: bool = False, also: Signer | None = None) -> None:
        """Sign what a subject should run, as the database has it.

        Args:
            subject: Which.
            before: It becomes visible before the metadata: for what is taken back.
            also: The former key, which signs this once more.
        """
        old = versions.subject(self.tx, subject)
        expires = self.now + self.settings.assignment
        wanted = {
            model: self._wanted(model, row.version, row.gates)
            for model, row in sorted(versions.wanted_by(self.tx, subject).items())
            if row.version is not None
        }
        made = Assignment(subject, old.counter + 1 if old else 1, self.now, expires, wanted)
        versions.set_subject(self.tx, subject, made.counter, made.issued_at, made.expires)
        sealed = _sealed(made, [self.signer(ASSIGNMENT), *([also] if also else [])])
        (self._before if before else self._after).append((layout.assignment(subject), sealed))

    def log(self, what: str, subject: str, **detail: Any) -> None:
        """Add a line to the log."""
        changes.add(self.tx, self.now, self.by, what, subject, detail)

    def close(self) -> None:
        """Sign snapshot and timestamp, and queue all files. The last thing before the commit."""
        snapshot = self._close_snapshot()
        timestamp = self._close_timestamp(snapshot)
        root = [self._root] if self._root else []
        files.add_pending(
            self.tx,
            [
                *self._before,
                *self._known_by_timestamp,
                *(root if self._root_first else []),
                *timestamp,
                *([] if self._root_first else root),
                *self._after,
            ],
        )

    def _close_snapshot(self) -> tuple[int, bytes] | None:
        if not self._changed and SNAPSHOT not in self._renews:
            return None
        old = self.payload(SNAPSHOT, Snapshot)
        new = repository.next_snapshot(old, self._changed, self.now + self.settings.snapshot)
        content = repository.signed(new, self._signers(SNAPSHOT))
        self._set_role(SNAPSHOT, new.version, content, new.expires)
        return new.version, content

    def _close_timestamp(self, snapshot: tuple[int, bytes] | None) -> list[tuple[str, bytes]]:
        if snapshot is None and TIMESTAMP not in self._renews:
            return []
        if snapshot is None:
            row = self.row(SNAPSHOT)
            if row is None:
                raise StateUnreadable("the registry has no snapshot metadata")
            snapshot = (row.version, row.content)
        old = self.payload(TIMESTAMP, Timestamp)
        new = repository.next_timestamp(old, *snapshot, self.now + self.settings.timestamp)
        content = repository.signed(new, self._signers(TIMESTAMP))
        files.add_role(self.tx, RoleRow(TIMESTAMP, new.version, content, new.expires))
        return [(layout.METADATA + layout.metadata_file(TIMESTAMP), content)]

    def _signers(self, role: str) -> list[Signer]:
        return [self.signer(role), *([self._also_signs[role]] if role in self._also_signs else [])]

    def _set_role(self, role: str, version: int, content: bytes, expires: datetime) -> None:
        files.add_role(self.tx, RoleRow(role, version, content, expires))
        self._known_by_timestamp.append((layout.METADATA + layout.metadata_file(role, version), content))

    def _wanted(self, model: str, version: str, gates: Mapping[str, float]) -> Wanted:
        info = versions.version(self.tx, model, version)
        if info is None:
            raise StateUnreadable(f"{model} {version} is assigned and not there")
        return Wanted(layout.manifest_target(model, version), info.digest, gates)


def _sealed(made: Assignment, signers: list[Signer]) -> bytes:
    envelopes = [json.loads(envelope.seal(made.as_dict(), signer)) for signer in signers]
    signatures = [signature for sealed in envelopes for signature in sealed["signatures"]]
    return json.dumps({**envelopes[0], "signatures": signatures}, ensure_ascii=False).encode()


def online_key(signer: Signer, uri: str) -> files.OnlineKey:
    """How the database remembers an online key."""
    return files.OnlineKey(signer.public_key.keyid, uri, signer.public_key.to_dict())


def assignment_keys(signer: Signer) -> bytes:
    """The target that says who signs assignments."""
    return assignment.write_keys([signer.public_key])


def top_level(edit: Edit) -> Targets:
    """The current top-level targets."""
    return edit.payload(TARGETS, Targets)


def _absolute(uri: str, folder: Path) -> str:
    """Paths in URIs are relative to the registry, so that its folder can be moved."""
    scheme, _, path = uri.partition(":")
    if scheme in (SCHEME, CryptoSigner.SCHEME) and not Path(path).is_absolute():
        return f"{scheme}:{(folder / path).resolve()}"
    return uri
