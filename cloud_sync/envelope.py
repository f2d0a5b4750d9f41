"""A signed JSON object: assignments, enrolments and reports travel in one.

`{"signed": {…}, "signatures": [{"keyid": …, "sig": …}]}`; what is signed are the bytes of the canonical form of `signed`
(OLPC canonical JSON, as in TUF's own metadata).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from securesystemslib.exceptions import FormatError, UnverifiedSignatureError, VerificationError
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Signature

from cloud_sync.errors import MetadataInvalid, SignatureInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from securesystemslib.signer import Key, Signer


def seal(signed: Mapping[str, Any], signer: Signer) -> bytes:
    """Sign an object. The same object and key give the same bytes, where the scheme is Ed25519."""
    signature = signer.sign(_canonical(signed))
    signatures = [{"keyid": signature.keyid, "sig": signature.signature}]
    return json.dumps({"signed": signed, "signatures": signatures}, ensure_ascii=False).encode()


def opened(content: bytes, keys: Mapping[str, Key], *, what: str) -> tuple[dict[str, Any], str]:
    """The object, if one of the keys has signed it.

    Args:
        content: The envelope, not larger than the caller bounds it.
        keys: Who may sign, by key id.
        what: For the message of an error, such as `the assignment of press-07`.

    Returns:
        The object, and the id of the key.

    Raises:
        MetadataInvalid: It is no envelope.
        SignatureInvalid: None of the keys has signed it.
    """
    try:
        data = json.loads(content)
        signed, signatures = data["signed"], data["signatures"]
        pairs = [(str(entry["keyid"]), str(entry["sig"])) for entry in signatures]
        covered = _canonical(signed)
    except (ValueError, KeyError, TypeError, RecursionError, FormatError) as error:
        raise MetadataInvalid(f"{what} is no signed object: {type(error).__name__} {error}") from error
    if not isinstance(signed, dict):
        raise MetadataInvalid(f"{what} is no signed object: {type(signed).__name__} is signed")
    for keyid, sig in pairs:
        key = keys.get(keyid)
        if key is None:
            continue
        try:
            key.verify_signature(Signature(keyid, sig), covered)
        except (UnverifiedSignatureError, VerificationError, ValueError):
            continue
        return signed, keyid
    raise SignatureInvalid(f"{what} is not signed by a key that may sign it", hint="who sent it? was its key replaced?")


def _canonical(signed: Any) -> bytes:
    """Canonical JSON has no floating-point numbers.

    Raises:
        FormatError: There is one.
    """
    return str(encode_canonical(signed)).encode()
