"""Keys of people: by file or by URI, with passphrases from a prompt or a file, and never from the command line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from securesystemslib.signer import Signer

PassphraseFileOption = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File whose first line is the passphrase of the keys, or folder with such a file for each, by the name of the key file; "
        "else it is asked for.",
        metavar="PATH",
        show_default=False,
    ),
]
KeyOption = Annotated[
    list[str],
    typer.Option(
        "--key",
        help="Private key of an owner: a file, or a URI of securesystemslib; several times for several.",
        metavar="KEY",
    ),
]
RootKeysOption = Annotated[
    list[str] | None,
    typer.Option(
        "--root-key", help="A root key; given as often as root needs signatures.", metavar="KEY", show_default=False
    ),
]
TargetsKeyOption = Annotated[
    str | None,
    typer.Option("--targets-key", help="The offline targets key.", metavar="KEY", show_default=False),
]
_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"
_HEAD_BYTES = 4096


class WhosePassphrases(str, Enum):
    """How many passphrases the offline keys of a new registry have."""

    ONE = "one"
    EACH = "each"


class Passphrases:
    """Asks for each passphrase once.

    Args:
        place: A file with the one passphrase of all keys, or a folder with a file for each key; None asks at the terminal.
    """

    def __init__(self, place: Path | None) -> None:
        self._place = place
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The passphrase of a key file.

        Raises:
            UsageError: There is nobody to ask.
        """
        if name not in self._known:
            self._known[name] = self._read(name) if self._place else _asked(f"passphrase of {name}", again=False)
        return self._known[name]

    def new(self, name: str) -> str:
        """A passphrase for keys that are made now; asked for twice.

        Raises:
            UsageError: There is nobody to ask.
        """
        self._known[name] = self._read(name) if self._place else _asked(f"new passphrase of {name}", again=True)
        return self._known[name]

    def new_for(self, names: Sequence[str], *, each: bool) -> Mapping[str, str]:
        """Passphrases for several keys that are made now.

        Args:
            names: Of the key files.
            each: One for each of them, asked for one after the other; else one for all, unless a folder has one for each.

        Raises:
            UsageError: There is nobody to ask.
        """
        if each or (self._place is not None and self._place.is_dir()):
            return {name: self.new(name) for name in names}
        return dict.fromkeys(names, self.new("the offline keys"))

    def _read(self, name: str) -> str:
        from agent.core.errors import UsageError

        path = self._place or Path()
        path = path / name if path.is_dir() else path
        try:
            with path.open(encoding="utf-8") as file:
                text = file.readline(10_000).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}") from error
        if not text:
            raise UsageError(f"the first line of {path} is empty", hint="it is the passphrase")
        return text


def _asked(what: str, *, again: bool) -> str:
    from agent.core.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(f"the {what} is needed, and there is no terminal to ask", hint="--passphrase-file FILE")
    return str(typer.prompt(what, hide_input=True, confirmation_prompt=again, err=True))


def signer(key: str, secret_of: Callable[[str], str]) -> Signer:
    """A private key by its file or URI.

    Raises:
        KeyUnusable: It cannot be used.
    """
    from cloud_sync.signers import signer_from_uri

    return signer_from_uri(uri_of(key), secret_of)


def signers(keys: Sequence[str], passphrases: Passphrases) -> list[Signer]:
    """Several of them."""
    return [signer(key, passphrases.of) for key in keys]


def uri_of(key: str) -> str:
    """The URI of a key that may be named by its file."""
    from cloud_sync.signers import SCHEME

    if ":" in key and not Path(key).exists():
        return key
    try:
        with Path(key).open("rb") as file:
            encrypted = _ENCRYPTED in file.read(_HEAD_BYTES)
    except OSError:
        encrypted = False  # whoever opens it says why it cannot be read
    return f"{SCHEME if encrypted else 'file2'}:{key}"


def needed(value: str | None, option: str, what: str) -> str:
    """An option that this call cannot do without.

    Raises:
        UsageError: It was not given.
    """
    from agent.core.errors import UsageError

    if not value:
        raise UsageError(f"{what} is needed", hint=f"{option} FILE")
    return value
