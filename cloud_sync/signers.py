"""Private keys by URI: encrypted key files, and whatever scheme securesystemslib knows (file2:, hsm:, awskms: …).

securesystemslib's own `file2:` knows no password, so `encrypted:<path>` is ours: PKCS #8 in PEM, encrypted by PBES2, which
`openssl pkey -in <path>` reads too. Beside each key file lies its public part, `<name>.pub`, as JSON.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import Error as SecuresystemslibError
from securesystemslib.signer import SIGNER_FOR_URI_SCHEME, CryptoSigner, Key, Signer, SSlibKey

from cloud_sync.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from securesystemslib.signer import Signature

SCHEME = "encrypted"
_MAX_FILE_BYTES = 64 << 10
ROUNDS = 600_000
"""Of PBKDF2 with HMAC-SHA256 (OWASP, Password Storage Cheat Sheet, 2023). pyca/cryptography writes PKCS #8 with 2,048, and has no way
to ask for more; whoever finds the stick of a root key has all the time in the world."""


class KeyUnusable(Refused):
    """A key cannot be read: no such file, another passphrase, or no such kind of key."""

    code = "key-unusable"


class EncryptedFileSigner(Signer):
    """Signs with an encrypted key file, `encrypted:<path>`; the secrets handler is asked for the passphrase of the file's name."""

    def __init__(self, signer: CryptoSigner) -> None:
        self._signer = signer

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: Callable[[str], str] | None = None
    ) -> EncryptedFileSigner:
        """As securesystemslib calls it.

        Raises:
            KeyUnusable: The file cannot be read, or is another key's.
        """
        scheme, _, path = priv_key_uri.partition(":")
        if scheme != SCHEME or secrets_handler is None:
            raise KeyUnusable(f"{priv_key_uri} needs a passphrase")
        signer = _signer_of_file(Path(path), secrets_handler(Path(path).name))
        if signer.public_key != public_key:
            raise KeyUnusable(f"{path} is another key than {public_key.keyid}")
        return cls(signer)

    @property
    def public_key(self) -> Key:
        """Its public part."""
        return self._signer.public_key

    def sign(self, payload: bytes) -> Signature:
        """Sign bytes."""
        return self._signer.sign(payload)


SIGNER_FOR_URI_SCHEME[SCHEME] = EncryptedFileSigner


def create_key_file(path: Path, passphrase: str | None, *, rounds: int = ROUNDS) -> Signer:
    """Make an Ed25519 key in a file that only its owner can read, and `<path>.pub` beside it.

    Args:
        path: New; ends in `.pem` by custom.
        passphrase: None leaves it unencrypted: for keys that a server uses by itself.
        rounds: Of the passphrase's derivation. Tests use few.

    Raises:
        Refused: There is such a file.
        OSError: It cannot be written.
    """
    private = Ed25519PrivateKey.generate()
    if passphrase is None:
        content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    else:
        content = _encrypted(
            private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), passphrase, rounds
        )
    signer = CryptoSigner(private)
    _write_new(path, content, 0o600)
    _write_new(public_file(path), encode_public(signer.public_key), 0o644)
    return signer


def signer_from_uri(uri: str, secret_of: Callable[[str], str] | None = None, public_key: Key | None = None) -> Signer:
    """A signer by its URI.

    Args:
        uri: `encrypted:<path>`, `file2:<path>`, or another scheme of securesystemslib.
        secret_of: Asked for the passphrase by the name of the file, or for the PIN of a token.
        public_key: Its public part. Files know it themselves.

    Raises:
        KeyUnusable: It cannot be used.
    """
    scheme, _, path = uri.partition(":")
    try:
        if public_key is None and scheme == SCHEME:
            if secret_of is None:
                raise KeyUnusable(f"{uri} needs a passphrase")
            return EncryptedFileSigner(_signer_of_file(Path(path), secret_of(Path(path).name)))
        if public_key is None and scheme == CryptoSigner.SCHEME:
            return _signer_of_file(Path(path), None)
        if public_key is None:
            raise KeyUnusable(f"{uri} says nothing of its public key", hint="give the file of its public part, too")
        return Signer.from_priv_key_uri(uri, public_key, secret_of)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, SecuresystemslibError) as error:
        raise KeyUnusable(
            f"{uri} cannot be used: {error}", hint=f"one of: {', '.join(sorted(SIGNER_FOR_URI_SCHEME))}"
        ) from error


def public_file(path: Path) -> Path:
    """Where the public part of a key file lies."""
    return path.with_suffix(".pub")


def encode_public(key: Key) -> bytes:
    """The content of a `.pub` file."""
    return json.dumps({"keyid": key.keyid, **key.to_dict()}, indent=1).encode() + b"\n"


def decode_public(content: bytes) -> Key:
    """Read a `.pub` file or a key that travels in a message.

    Raises:
        KeyUnusable: It is none, or its id is not the one that its content has.
    """
    try:
        data: dict[str, Any] = json.loads(content)
        return key_of(data.pop("keyid"), data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise KeyUnusable(f"this is no public key: {type(error).__name__} {error}") from error


def key_of(keyid: str, data: dict[str, Any]) -> Key:
    """A key by its `Key.to_dict()`.

    TUF counts signatures by key id and leaves it open what an id is. Ours are always computed, so that one key under two ids cannot be
    two owners.

    Raises:
        KeyUnusable: It is no key, or the id is not its own.
    """
    try:
        key = Key.from_dict(str(keyid), dict(data))
        expected = _own_id(key)
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm, SecuresystemslibError) as error:
        raise KeyUnusable(f"key {keyid!r} cannot be used: {type(error).__name__} {error}") from error
    if expected != key.keyid:
        raise KeyUnusable(f"key {keyid!r} has the id of another key, its own is {expected}")
    return key


def _own_id(key: Key) -> str:
    """The id that securesystemslib computes for a key, from the key itself: not from its spelling, of which there may be several.

    Raises:
        ValueError: It is no key.
    """
    public = key.keyval["public"]
    if key.keytype == "ed25519":
        loaded: Any = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
    else:
        loaded = load_pem_public_key(public.encode())
    return SSlibKey.from_crypto(loaded, scheme=key.scheme).keyid


def read_public(path: Path) -> Key:
    """Read a `.pub` file.

    Raises:
        KeyUnusable: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return decode_public(file.read(_MAX_FILE_BYTES))
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error}") from error


def _signer_of_file(path: Path, passphrase: str | None) -> CryptoSigner:
    try:
        with path.open("rb") as file:
            private = load_pem_private_key(
                file.read(_MAX_FILE_BYTES), passphrase.encode() if passphrase is not None else None
            )
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{path} cannot be read: {error}", hint="is the passphrase right?") from error
    return CryptoSigner(private)


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise Refused(f"{path} is there already", hint="keys are never overwritten; move it aside") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# -- PKCS #8 with as many rounds as we want: RFC 5958 (EncryptedPrivateKeyInfo), RFC 8018 (PBES2, PBKDF2) ----------------------------

_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("300c06082a864886f70d02090500")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")


def _encrypted(private_der: bytes, passphrase: str, rounds: int) -> bytes:
    salt, vector = secrets.token_bytes(16), secrets.token_bytes(16)
    key = hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, rounds, 32)
    pad = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(pad.update(private_der) + pad.finalize()) + encryptor.finalize()
    derivation = _sequence(_PBKDF2, _sequence(_octets(salt), _integer(rounds), _HMAC_SHA256))
    algorithm = _sequence(_PBES2, _sequence(derivation, _sequence(_AES_256_CBC, _octets(vector))))
    text = base64.b64encode(_sequence(algorithm, _octets(sealed))).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, "-----END ENCRYPTED PRIVATE KEY-----", ""]
    ).encode()


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:  # noqa: PLR2004 - the short form of a length ends here (X.690, 8.1.3)
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _octets(content: bytes) -> bytes:
    return _der(0x04, content)


def _integer(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
