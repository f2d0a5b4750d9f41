"""Making a registry: keys, first metadata, and the words for the person who holds the keys from now on."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cloud_sync import layout, signers
from cloud_sync.errors import Refused
from cloud_sync.registry import files, repository
from cloud_sync.registry import settings as settings_file
from cloud_sync.registry.edit import ASSIGNMENT, assignment_keys, online_key
from cloud_sync.registry.errors import AlreadyThere
from cloud_sync.registry.repository import ROOT, SNAPSHOT, TARGETS, TIMESTAMP, Snapshot, Targets, Timestamp
from cloud_sync.registry.state import changes
from cloud_sync.registry.state import files as state_files
from cloud_sync.registry.state.database import NAME as DATABASE
from cloud_sync.registry.state.database import Database
from cloud_sync.registry.state.files import RoleRow
from cloud_sync.registry.times import whole_second
from cloud_sync.registry.types import Ceremony

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from securesystemslib.signer import Signer

    from cloud_sync.registry.settings import Settings

PUBLIC, KEYS, UPLOADS = "public", "keys", "uploads"
ROOT_FILES = ("root-1.pem", "root-2.pem", "root-3.pem")
TARGETS_FILE = "targets.pem"
OFFLINE_FILES = (*ROOT_FILES, TARGETS_FILE)
_LEAST_PASSPHRASE = 12
_ONE_FOR_ALL = "One passphrase opens all four files. Keep it apart from them; docs/how-to/keys.md says how to give a file one of its own."
_ONE_EACH = (
    "Each file has a passphrase of its own. Whoever holds the file keeps it apart from it, and nobody else knows it."
)
_ONLINE = (SNAPSHOT, TIMESTAMP, ASSIGNMENT)


def make(
    folder: Path,
    offline: Path,
    passphrase_of: Callable[[str], str],
    settings: Settings,
    now: datetime,
    by: str,
    rounds: int,
) -> Ceremony:
    """Make a registry beside its place, and move it there when it is whole."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise AlreadyThere(f"{folder} is not empty", hint="a registry is made in a new folder")
    if there := [name for name in OFFLINE_FILES if (offline / name).exists()]:
        raise AlreadyThere(f"{offline / there[0]} is there already", hint="keys are never overwritten; move it aside")
    passphrases = {name: passphrase_of(name) for name in OFFLINE_FILES}
    if short := [name for name, passphrase in passphrases.items() if len(passphrase) < _LEAST_PASSPHRASE]:
        raise Refused(
            f"the passphrase of {short[0]} has less than {_LEAST_PASSPHRASE} characters",
            hint="five random words do well",
        )
    files.make_folder(folder.absolute().parent)
    files.make_folder(offline.absolute())
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.absolute().parent))
    made: list[Path] = []
    try:
        offline_keys = [_offline(offline / name, passphrase, rounds, made) for name, passphrase in passphrases.items()]
        *roots, targets = offline_keys
        root_sha256 = _fill(staging, settings, roots, targets, now, by)
        staging.chmod(0o755)  # a web server reads `public`; what is secret has a mode of its own
        staging.replace(folder)
        files.sync_folder(folder)
        files.sync_folder(folder.absolute().parent)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for path in made:
            path.unlink(missing_ok=True)
            signers.public_file(path).unlink(missing_ok=True)
        raise
    keyids = tuple(signer.public_key.keyid for signer in roots)
    lines = [f"     {path}  key id {key.public_key.keyid}" for path, key in zip(made, offline_keys, strict=True)]
    is_one = len(set(passphrases.values())) == 1
    text = _words(folder, lines, root_sha256, settings, is_one=is_one)
    return Ceremony(text, root_sha256, keyids, targets.public_key.keyid, tuple(str(path) for path in made))


def _offline(path: Path, passphrase: str, rounds: int, made: list[Path]) -> Signer:
    made.append(path)
    return signers.create_key_file(path, passphrase, rounds=rounds)


def _fill(staging: Path, settings: Settings, roots: list[Signer], targets: Signer, now: datetime, by: str) -> str:
    """Everything inside of the folder; the fingerprint of the first root."""
    settings_file.write(staging, settings)
    (staging / KEYS).mkdir(mode=0o700)
    (staging / UPLOADS).mkdir(mode=0o700)
    online = {role: signers.create_key_file(staging / KEYS / f"{role}.pem", None) for role in _ONLINE}
    public = {role: signer.public_key for role, signer in online.items()}
    root = repository.first_root([s.public_key for s in roots], public, targets.public_key, now + settings.root)
    root_bytes = repository.signed_root(root, roots)
    keys = assignment_keys(online[ASSIGNMENT])
    top = Targets(expires=whole_second(now + settings.targets))
    repository.with_target(top, layout.ASSIGNMENT_KEYS, keys)
    top_bytes = repository.signed(top, [targets])
    snapshot = Snapshot(expires=whole_second(now + settings.snapshot))
    snapshot.meta = repository.meta_of({TARGETS: (1, top_bytes)})
    snapshot_bytes = repository.signed(snapshot, [online[SNAPSHOT]])
    timestamp = Timestamp(expires=whole_second(now + settings.timestamp))
    timestamp.snapshot_meta = repository.meta_of({SNAPSHOT: (1, snapshot_bytes)})["snapshot.json"]
    timestamp_bytes = repository.signed(timestamp, [online[TIMESTAMP]])
    keys_sha256 = hashlib.sha256(keys).hexdigest()

    database = Database(staging / DATABASE, make=True)
    try:
        with database.writing() as tx:
            for role, signer in online.items():
                state_files.set_online_key(tx, role, online_key(signer, f"file2:{KEYS}/{role}.pem"))
            for role, content, expires in (
                (ROOT, root_bytes, root.expires),
                (TARGETS, top_bytes, top.expires),
                (SNAPSHOT, snapshot_bytes, snapshot.expires),
                (TIMESTAMP, timestamp_bytes, timestamp.expires),
            ):
                state_files.add_role(tx, RoleRow(role, 1, content, expires))
            state_files.add_target(tx, layout.ASSIGNMENT_KEYS, keys_sha256, keys)
            changes.add(tx, now, by, "init", "registry", {"root": hashlib.sha256(root_bytes).hexdigest()})
    finally:
        database.close()
    (staging / DATABASE).chmod(0o600)
    files.write_all(
        staging / PUBLIC,
        [
            (layout.target_file(layout.ASSIGNMENT_KEYS, keys_sha256), keys),
            *(
                (layout.METADATA + layout.metadata_file(role, 1), content)
                for role, content in ((ROOT, root_bytes), (TARGETS, top_bytes), (SNAPSHOT, snapshot_bytes))
            ),
            (layout.METADATA + layout.metadata_file(TIMESTAMP), timestamp_bytes),
        ],
    )
    return hashlib.sha256(root_bytes).hexdigest()


def _words(folder: Path, keys: list[str], root_sha256: str, settings: Settings, *, is_one: bool) -> str:
    roots, targets = "\n".join(keys[:-1]), keys[-1]
    return f"""\
The registry is in {folder}. Its trust rests on the keys that were just made.

  1. Root keys: two of these three say who may sign everything else.
{roots}
     Bring each to a medium of its own (a stick, a smart card, paper), held by three people in three places. Copy the file and
     the .pub beside it, try to read the copy, then remove the original from this machine. Any two replace the third; with
     two lost, no key can ever be replaced, and every device must be visited.

  2. Targets key: says who owns which model.
{targets}
     Its holder is needed to add a model, to change its owners, and to replace the assignment key. Keep it offline like the others.

  3. {_ONE_FOR_ALL if is_one else _ONE_EACH}

  4. Online keys, with which the registry signs by itself:
     {folder / KEYS}/snapshot.pem, timestamp.pem, assignment.pem
     Whoever has them can hide versions or choose among published ones; they can never publish. Back up {folder},
     {DATABASE} included, to where only you read it.

  5. Give devices the first root, on the way that you trust most: the file
     {folder / PUBLIC / layout.METADATA / "1.root.json"}
     as `root` in [sync], or its fingerprint as `root_sha256`:
     {root_sha256}

  6. Put into your calendar: root is signed again within {settings.root_days} days, targets within {settings.targets_days}. `lineside registry status`
     warns before.

When a key is lost or stolen: `lineside registry rotate ROLE`, see docs/how-to/keys.md.
"""
