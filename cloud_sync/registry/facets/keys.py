"""Time and keys: what is signed again, and by whom."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from cloud_sync.errors import Refused, SignatureInvalid
from cloud_sync.registry import first, keys, repository
from cloud_sync.registry.edit import ASSIGNMENT
from cloud_sync.registry.files import remove_abandoned
from cloud_sync.registry.repository import ROOT, SNAPSHOT, TIMESTAMP, Root
from cloud_sync.registry.state import files
from cloud_sync.registry.types import Expiry
from cloud_sync.signers import create_key_file, public_file, signer_from_uri

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from securesystemslib.signer import Key, Signer

    from cloud_sync.registry.changing import Changing
    from cloud_sync.registry.types import OnlineRole, Refreshed

_ABANDONED_AFTER = timedelta(days=7)
"""For uploads, which a publisher may go on with, and for what a killed process left behind."""


class Keys:
    """`registry.keys`: signatures that end, and keys that are replaced."""

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def refresh(self, *, force: bool = False) -> Refreshed:
        """Sign again what has less than half of its lifetime left: timestamp, snapshot, assignments. For a job; cheap when there is nothing.

        Uploads that nobody went on with for a week are removed.

        Args:
            force: Sign timestamp and snapshot again in any case.
        """
        with self._changing.change("refresh") as edit:
            done = keys.refresh(edit, force=force)
        remove_abandoned(self._changing.folder, self._changing.public, _ABANDONED_AFTER)
        return done

    def expiries(self) -> list[Expiry]:
        """How long each role's metadata holds, the first to expire first."""
        with self._changing.database.reading() as tx:
            found = [
                Expiry(row.role, row.version, row.expires, row.role not in (SNAPSHOT, TIMESTAMP))
                for row in files.all_current(tx)
            ]
        return sorted(found, key=lambda entry: (entry.expires, entry.role))

    def root_keys(self) -> list[Key]:
        """The keys of the root role."""
        with self._changing.looking("") as edit:
            return repository.keys_of(edit.payload(ROOT, Root), ROOT)

    def rotate_root(
        self, signers: Sequence[Signer], *, add: Sequence[Signer] = (), remove: Sequence[str] = (), by: str
    ) -> None:
        """Replace root keys, or only sign root again with a later expiry.

        Args:
            signers: Keys that are root keys now, the threshold of them at least.
            add: Keys that become root keys.
            remove: Key ids that are no root keys any more.
            by: For the log.

        Raises:
            SignatureInvalid: Too few keys to reach the old or the new threshold.
            Refused: Fewer than three keys would stay, or a key id is unknown.
        """
        with self._changing.change(by) as edit:
            keys.rotate_root(edit, signers, add, remove)

    def rotate_targets(
        self, root_signers: Sequence[Signer], new: Signer, *, old: Signer | None = None, by: str
    ) -> None:
        """Replace the targets key.

        Args:
            root_signers: The threshold of root keys.
            new: The new targets key.
            old: The former one, unless it is lost: with it no client is refused while the files are written.
            by: For the log.

        Raises:
            SignatureInvalid: Too few root keys.
        """
        with self._changing.change(by) as edit:
            keys.rotate_targets(edit, root_signers, new, old)

    def renew_targets(self, targets_signer: Signer, *, by: str) -> None:
        """Sign the targets metadata again with a later expiry.

        Raises:
            SignatureInvalid: The signer is not the targets key.
        """
        with self._changing.change(by) as edit:
            keys.renew_targets(edit, targets_signer)

    def rotate_online(
        self,
        role: OnlineRole,
        *,
        root_signers: Sequence[Signer] = (),
        targets_signer: Signer | None = None,
        new_uri: str | None = None,
        new_key: Key | None = None,
        by: str,
    ) -> str:
        """Replace the key of snapshot, timestamp or assignment; the former one is revoked by that. All it signed is signed again.

        Args:
            role: Whose key.
            root_signers: For snapshot and timestamp: the threshold of root keys.
            targets_signer: For assignment: the targets key, which signs `keys/assignment.json`.
            new_uri: Signer URI of the new key, with `new_key`; None makes a file in `keys/`.
            new_key: Its public part.
            by: For the log.

        Returns:
            The id of the new key.

        Raises:
            SignatureInvalid: Too few keys for what is to be signed.
        """
        if role not in (SNAPSHOT, TIMESTAMP, ASSIGNMENT):
            raise Refused(f"{role!r} is no online role", hint="snapshot, timestamp or assignment")
        if role == ASSIGNMENT and targets_signer is None:
            raise SignatureInvalid("the key of assignments is signed by the targets key, which is missing")
        uri = new_uri or f"file2:{first.KEYS}/{role}-{secrets.token_hex(4)}.pem"
        path = self._changing.folder / uri.partition(":")[2]
        new = signer_from_uri(uri, None, new_key) if new_uri else create_key_file(path, None)
        try:
            with self._changing.change(by) as edit:
                old = files.online_key(edit.tx, role)
                if role != ASSIGNMENT:
                    keys.rotate_signed_by_root(edit, role, root_signers, new, uri)
                elif targets_signer is not None:
                    keys.rotate_assignment(edit, targets_signer, new, uri)
        except BaseException:
            if not new_uri:
                _remove_key(path)
            raise
        if old is not None and old.uri.startswith(f"file2:{first.KEYS}/"):
            _remove_key(self._changing.folder / old.uri.partition(":")[2])
        return new.public_key.keyid


def _remove_key(path: Path) -> None:
    path.unlink(missing_ok=True)
    public_file(path).unlink(missing_ok=True)
