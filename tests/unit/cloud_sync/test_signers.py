"""Key files: only with their passphrase, only for their owner, never overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import subprocess

import pytest
from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner

from cloud_sync.errors import Refused
from cloud_sync.signers import (
    KeyUnusable,
    create_key_file,
    decode_public,
    encode_public,
    key_of,
    read_public,
    signer_from_uri,
)


@pytest.fixture
def made(tmp_path):
    path = tmp_path / "root-1.pem"
    return path, create_key_file(path, "five random words", rounds=1000)


def test_what_an_encrypted_key_signs_verifies_with_its_public_file(made):
    """The handler is asked for the passphrase by the name of the file."""
    path, _ = made
    asked = []
    signer = signer_from_uri(f"encrypted:{path}", lambda name: asked.append(name) or "five random words")
    read_public(path.with_suffix(".pub")).verify_signature(signer.sign(b"payload"), b"payload")
    assert asked == ["root-1.pem"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_securesystemslib_finds_our_scheme(made):
    """A URI with its public key goes the way of all schemes."""
    path, signer = made
    again = signer_from_uri(f"encrypted:{path}", lambda _: "five random words", signer.public_key)
    assert again.public_key == signer.public_key


@pytest.mark.parametrize("uri", ["encrypted:{}", "file2:{}", "encrypted:{}.none", "nothing:{}"])
def test_a_key_that_cannot_be_used_says_so(made, uri):
    """Another passphrase, none, no file, no such scheme."""
    path, _ = made
    with pytest.raises(KeyUnusable):
        signer_from_uri(uri.format(path), lambda _: "something else")


def test_a_key_file_is_never_overwritten(made):
    """Not even by chance."""
    path, _ = made
    before = path.read_bytes()
    with pytest.raises(Refused, match="already"):
        create_key_file(path, "five random words", rounds=1000)
    assert path.read_bytes() == before


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_openssl_reads_it_too(made):
    """Whoever holds a root key must not depend on us; the rounds are the default's."""
    path = made[0].with_name("other.pem")
    create_key_file(path, "five random words")
    command = ["openssl", "pkey", "-in", str(path), "-passin", "pass:five random words", "-noout", "-text"]
    assert "ED25519 Private-Key" in subprocess.run(command, capture_output=True, text=True, check=True).stdout
    parsed = subprocess.run(["openssl", "asn1parse", "-in", str(path)], capture_output=True, text=True, check=True)
    assert ":0927C0" in parsed.stdout  # 600,000


def test_a_key_under_the_id_of_another_is_refused():
    """Else one key could count as two owners."""
    one, other = (CryptoSigner.generate_ed25519().public_key for _ in range(2))
    assert decode_public(encode_public(one)) == one
    with pytest.raises(KeyUnusable):
        key_of(other.keyid, one.to_dict())


def test_a_key_in_another_spelling_is_no_second_key():
    """Capital letters have an id of their own, and would be the same key."""
    key = CryptoSigner.generate_ed25519().public_key
    spelled = {**key.to_dict(), "keyval": {"public": key.keyval["public"].upper()}}
    keyid = hashlib.sha256(
        encode_canonical({k: spelled[k] for k in ("keytype", "scheme", "keyval")}).encode()
    ).hexdigest()
    with pytest.raises(KeyUnusable):
        key_of(keyid, spelled)


@pytest.mark.parametrize("kind", [CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa])
def test_other_kinds_of_keys_are_taken(kind):
    """As tokens and key services have them."""
    key = kind().public_key
    assert key_of(key.keyid, key.to_dict()) == key


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b"[" * 100_000, json.dumps({"keyid": "a", "keytype": 1}).encode()]
)
def test_what_is_no_public_key_is_refused(content):
    """Whatever it is."""
    with pytest.raises(KeyUnusable):
        decode_public(content)
