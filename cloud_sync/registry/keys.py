"""Rotation and revocation of the registry's own keys, and signing again in time. Each function is one change, within an `Edit`.

What is signed anew is signed by the former key, too, where that is at hand. So it does not matter whether a client has seen the new root
already, at whatever moment it asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloud_sync import layout
from cloud_sync.errors import Refused
from cloud_sync.registry import repository
from cloud_sync.registry.edit import ASSIGNMENT, assignment_keys, online_key, top_level
from cloud_sync.registry.models import set_signed_targets
from cloud_sync.registry.repository import ROOT, ROOT_KEYS, SNAPSHOT, TARGETS, TIMESTAMP, Root
from cloud_sync.registry.state import files, versions
from cloud_sync.registry.types import Refreshed
from cloud_sync.signers import KeyUnusable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from securesystemslib.signer import Signer

    from cloud_sync.registry.edit import Edit


def rotate_root(edit: Edit, signers: Sequence[Signer], add: Sequence[Signer], remove: Sequence[str]) -> None:
    """Replace root keys, or only sign root again."""
    root = edit.payload(ROOT, Root)
    keys = {key.keyid: key for key in repository.keys_of(root, ROOT)}
    for keyid in remove:
        if keys.pop(keyid, None) is None:
            raise Refused(f"{keyid} is no root key", hint=f"one of {', '.join(sorted(keys))}")
    keys.update({signer.public_key.keyid: signer.public_key for signer in add})
    if len(keys) < ROOT_KEYS:
        raise Refused(f"{len(keys)} root keys would stay, {ROOT_KEYS} are needed", hint="add as many as you remove")
    new = repository.next_root(root, edit.now + edit.settings.root, {ROOT: list(keys.values())})
    edit.set_root(repository.signed_root(new, [*signers, *add], root))
    edit.log(
        "rotate-root", "role:root", version=new.version, added=[s.public_key.keyid for s in add], removed=list(remove)
    )


def rotate_targets(edit: Edit, root_signers: Sequence[Signer], new: Signer, old: Signer | None) -> None:
    """Replace the targets key."""
    former = edit.payload(ROOT, Root)
    root = repository.next_root(former, edit.now + edit.settings.root, {TARGETS: [new.public_key]})
    content = repository.signed_root(root, root_signers, former)
    targets = repository.next_targets(top_level(edit), edit.now + edit.settings.targets)
    signed = repository.signed(targets, [new, old] if old else [new])
    repository.verify(root, TARGETS, signed, "the targets metadata")
    if old is not None:
        repository.verify(former, TARGETS, signed, "the targets metadata by the former key")
    edit.set_targets(TARGETS, signed)
    edit.set_root(content, first=old is None)
    edit.log("rotate-targets", "role:targets", key=new.public_key.keyid)


def renew_targets(edit: Edit, targets_signer: Signer) -> None:
    """Sign the targets metadata again."""
    targets = repository.next_targets(top_level(edit), edit.now + edit.settings.targets)
    set_signed_targets(edit, repository.signed(targets, [targets_signer]))
    edit.log("renew-targets", "role:targets", version=targets.version)


def rotate_signed_by_root(edit: Edit, role: str, root_signers: Sequence[Signer], new: Signer, uri: str) -> None:
    """Replace the key of snapshot or timestamp."""
    former = edit.payload(ROOT, Root)
    root = repository.next_root(former, edit.now + edit.settings.root, {role: [new.public_key]})
    content = repository.signed_root(root, root_signers, former)
    old = _former(edit, role)
    if old is None:
        edit.renew(role)
    else:
        edit.also_signs(role, old)
    files.set_online_key(edit.tx, role, online_key(new, uri))
    edit.set_root(content, first=old is None)
    edit.log("rotate-online", f"role:{role}", key=new.public_key.keyid)


def rotate_assignment(edit: Edit, targets_signer: Signer, new: Signer, uri: str) -> None:
    """Replace the key of assignments, and sign all of them again."""
    keys = assignment_keys(new)
    targets = repository.next_targets(top_level(edit), edit.now + edit.settings.targets)
    repository.with_target(targets, layout.ASSIGNMENT_KEYS, keys)
    set_signed_targets(edit, repository.signed(targets, [targets_signer]))
    edit.set_target(layout.ASSIGNMENT_KEYS, keys)
    old = _former(edit, ASSIGNMENT)
    files.set_online_key(edit.tx, ASSIGNMENT, online_key(new, uri))
    for subject, _ in versions.expiries(edit.tx):
        edit.sign_assignment(subject, before=old is not None, also=old)
    edit.log("rotate-online", "role:assignment", key=new.public_key.keyid)


def _former(edit: Edit, role: str) -> Signer | None:
    """The key that is replaced; None if it is lost: clients that ask in the middle of this are refused once, then."""
    try:
        return edit.signer(role)
    except KeyUnusable:
        return None


def refresh(edit: Edit, *, force: bool) -> Refreshed:
    """Sign again what has less than half of its lifetime left."""
    settings = edit.settings
    expires = {role: row.expires for role in (SNAPSHOT, TIMESTAMP) if (row := edit.row(role))}
    snapshot = force or _is_due(expires[SNAPSHOT], settings.snapshot, edit.now)
    timestamp = snapshot or _is_due(expires[TIMESTAMP], settings.timestamp, edit.now)
    if snapshot:
        edit.renew(SNAPSHOT)
    if timestamp:
        edit.renew(TIMESTAMP)
    subjects = versions.expiries(edit.tx)
    due = tuple(name for name, until in subjects if _is_due(until, settings.assignment, edit.now))
    for subject in due:
        edit.sign_assignment(subject)
    halves = [
        (edit.now + settings.snapshot if snapshot else expires[SNAPSHOT]) - settings.snapshot / 2,
        (edit.now + settings.timestamp if timestamp else expires[TIMESTAMP]) - settings.timestamp / 2,
        *(
            (edit.now if _is_due(until, settings.assignment, edit.now) else until - settings.assignment)
            + settings.assignment / 2
            for _, until in subjects
        ),
    ]
    return Refreshed(timestamp, snapshot, due, min(halves))


def _is_due(expires: datetime, lifetime: timedelta, now: datetime) -> bool:
    return expires - now <= lifetime / 2
