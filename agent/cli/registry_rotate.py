"""`lineside registry rotate ROLE`: replace a key, or sign again what a person must sign. Works on the registry's folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from agent.cli import output
from agent.cli.output import JsonOption
from agent.cli.registry_keys import PassphraseFileOption, RootKeysOption, TargetsKeyOption
from agent.cli.registry_place import FolderOption

if TYPE_CHECKING:
    from securesystemslib.signer import Signer

    from agent.cli.registry_keys import Passphrases
    from cloud_sync.registry.registry import Registry


def rotate(
    role: Annotated[str, typer.Argument(help="root, targets, snapshot, timestamp or assignment.", metavar="ROLE")],
    root_key: RootKeysOption = None,
    targets_key: TargetsKeyOption = None,
    new_key: Annotated[
        Path | None,
        typer.Option(
            "--new-key",
            help="root and targets: file of the new key; it is made, with a passphrase, where it is not there.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    remove: Annotated[
        list[str] | None,
        typer.Option(
            "--remove",
            help="root: a key that is no root key any more: its id, or its public part.",
            metavar="KEYID|FILE.pub",
            show_default=False,
        ),
    ] = None,
    registry: FolderOption = "",
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the key of a role, and sign again what it signed; the former key counts for nothing any more.

    root: --root-key as often as root needs signatures, --new-key, --remove; with neither of the two, root is signed again with a later
    expiry. targets: the root keys, --new-key, and --targets-key with the former key unless it is lost; with --targets-key alone, targets
    is signed again with a later expiry. snapshot and timestamp: the root keys. assignment: --targets-key. Owners of a model: `owners`.

    Exit codes: 0 done, 1 a key cannot be used, 2 a key is missing in the call, 5 a key may not sign this.
    """
    from agent.cli.registry_keys import Passphrases
    from agent.cli.registry_place import opened
    from agent.core.errors import UsageError
    from cloud_sync.registry.types import OnlineRole

    roles = ("root", "targets", *get_args(OnlineRole))
    if role not in roles:
        raise UsageError(f"{role!r} is no role", hint=f"one of {', '.join(roles)}")
    passphrases = Passphrases(passphrase_file)
    with opened(registry) as found:
        keys = _Keys(list(root_key or ()), targets_key, new_key, passphrases)
        keyid = _rotated(found, role, keys, [_keyid(each) for each in remove or ()])
        expiries = {each.role: each for each in found.keys.expiries()}
    data: dict[str, Any] = {"role": role, "keyid": keyid}
    rows = [("role", role), ("new key", keyid or "none: signed again")]
    if role in expiries:
        data["expires"] = expiries[role].expires.isoformat().replace("+00:00", "Z")
        rows.append(("holds until", f"{expiries[role].expires:%Y-%m-%d %H:%M}"))
    output.result(data, output.table(rows), as_json=as_json)


def _keyid(key: str) -> str:
    """The id of a key that may be named by its public file."""
    from cloud_sync.signers import read_public

    return read_public(Path(key)).keyid if key.endswith(".pub") else key


class _Keys:
    """What was given, opened when it is needed."""

    def __init__(
        self, root_keys: list[str], targets_key: str | None, new_key: Path | None, passphrases: Passphrases
    ) -> None:
        self._root_keys = root_keys
        self._targets_key = targets_key
        self._new_key = new_key
        self._passphrases = passphrases

    def roots(self) -> list[Signer]:
        """The root keys."""
        from agent.cli.registry_keys import needed, signers

        needed(self._root_keys[0] if self._root_keys else None, "--root-key", "as many root keys as must sign")
        return signers(self._root_keys, self._passphrases)

    def targets(self) -> Signer | None:
        """The targets key, if it was given."""
        from agent.cli.registry_keys import signer

        return signer(self._targets_key, self._passphrases.of) if self._targets_key else None

    def targets_needed(self) -> Signer:
        """The targets key.

        Raises:
            UsageError: It was not given.
        """
        from agent.cli.registry_keys import needed, signer

        return signer(needed(self._targets_key, "--targets-key", "the offline targets key"), self._passphrases.of)

    def new(self) -> Signer | None:
        """The new key, if one was named; made where it is not there."""
        from agent.cli.registry_keys import signer
        from cloud_sync.signers import create_key_file

        if self._new_key is None:
            return None
        if self._new_key.exists():
            return signer(str(self._new_key), self._passphrases.of)
        return create_key_file(self._new_key, self._passphrases.new(self._new_key.name))


def _rotated(found: Registry, role: str, keys: _Keys, remove: list[str]) -> str:
    """Do it; the id of the new key, or an empty string."""
    from agent.cli.registry_place import operator

    by = operator()
    if role == "root":
        new = keys.new()
        found.keys.rotate_root(keys.roots(), add=[new] if new else [], remove=remove, by=by)
        return new.public_key.keyid if new else ""
    if role == "targets":
        new = keys.new()
        if new is None:
            found.keys.renew_targets(keys.targets_needed(), by=by)
            return ""
        found.keys.rotate_targets(keys.roots(), new, old=keys.targets(), by=by)
        return new.public_key.keyid
    if role == "assignment":
        return found.keys.rotate_online("assignment", targets_signer=keys.targets_needed(), by=by)
    return found.keys.rotate_online("snapshot" if role == "snapshot" else "timestamp", root_signers=keys.roots(), by=by)
