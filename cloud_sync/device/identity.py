"""The key of this device: made here, never leaves, signs its enrolment and its reports."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from securesystemslib.signer import CryptoSigner

from cloud_sync.atomic import sync_folder
from cloud_sync.device.faults import DiskFailed

if TYPE_CHECKING:
    from pathlib import Path

NAME = "identity.pem"
_OWNER_ONLY = 0o600


def identity(folder: Path) -> CryptoSigner:
    """The device's signer; its key is made where there is none.

    Raises:
        DiskFailed: The key cannot be read. It is not replaced by itself: the registry would take a new one for a stranger.
        OSError: It could not be written.
    """
    path = folder / NAME
    for leftover in folder.glob(f".{NAME}.*.partial"):
        leftover.unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError):
        if not path.exists():
            _write(path, Ed25519PrivateKey.generate())
    if path.stat().st_mode & 0o777 != _OWNER_ONLY:
        path.chmod(_OWNER_ONLY)
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DiskFailed(f"{path} is no key: {error}", hint="remove it and enrol the device anew") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DiskFailed(f"{path} is no Ed25519 key", hint="remove it and enrol the device anew")
    return CryptoSigner(key)


def _write(path: Path, key: Ed25519PrivateKey) -> None:
    """Whole or not at all, and at no moment readable by others."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
