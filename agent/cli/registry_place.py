"""Where a registry is, for the commands that ask it something: its folder, or its address and a token."""

from __future__ import annotations

import contextlib
import getpass
import inspect
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud_sync.publishing import Desk
    from cloud_sync.registry.registry import Registry
    from cloud_sync.wire import Wire

WHERE = "LINESIDE_REGISTRY"
TOKEN = "LINESIDE_REGISTRY_TOKEN"  # noqa: S105 - the name of a variable

RegistryOption = Annotated[
    str,
    typer.Option(
        "--registry",
        "-r",
        help=f"The registry: its folder, or its address; `{WHERE}` in the environment stands for it.",
        metavar="DIR|URL",
        show_default=False,
    ),
]
FolderOption = Annotated[
    str,
    typer.Option(
        "--registry",
        "-r",
        help=f"The registry's folder, on its own machine; `{WHERE}` in the environment stands for it.",
        metavar="DIR",
        show_default=False,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        help=f"File with the token, for an address; `{TOKEN}` in the environment may hold the token itself.",
        metavar="FILE",
        show_default=False,
    ),
]
CaFileOption = Annotated[
    Path | None,
    typer.Option(
        "--ca-file", help="Certificates to trust instead of the system's.", metavar="FILE", show_default=False
    ),
]
InsecureOption = Annotated[
    bool, typer.Option("--insecure-http", help="Send token and models unencrypted to another machine.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """An open registry.

    Attributes:
        desk: Answers the calls of the API.
        files: Its plain files.
        name: What it was called by.
        is_folder: Whether it is here.
        root: The first root, where it is here.
    """

    desk: Desk
    files: Wire
    name: str
    is_folder: bool
    root_sha256: str | None = None


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """A command that asks a registry: it is given it as `place`, open, and people type the options of `_typed` in its place."""

    def asked(**typed: Any) -> None:
        where = {name: typed.pop(name) for name in options}
        with at(**where) as place:
            command(place=place, **typed)

    options = inspect.signature(_typed).parameters
    own = inspect.signature(command).parameters
    shown = [each for name, each in own.items() if name != "place"]
    shown[list(own).index("place") : 0] = options.values()
    hints = get_type_hints(command, include_extras=True) | get_type_hints(_typed, include_extras=True)
    asked.__name__, asked.__doc__, asked.__module__ = command.__name__, command.__doc__, command.__module__
    asked.__annotations__ = {each.name: hints[each.name] for each in shown}
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [each.replace(kind=keyword, annotation=hints[each.name]) for each in shown]
    asked.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return asked


def _typed(
    *,
    registry: RegistryOption = "",
    token_file: TokenFileOption = None,
    ca_file: CaFileOption = None,
    insecure_http: InsecureOption = False,
) -> None:
    """Where a registry is, as people say it; the names are those of `at`."""


def operator() -> str:
    """Who works on a registry's folder, for its log."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"operator:{os.getuid()}"


@contextlib.contextmanager
def at(
    registry: str, token_file: Path | None = None, ca_file: Path | None = None, *, insecure_http: bool = False
) -> Iterator[Place]:
    """The registry that a command is about.

    Raises:
        UsageError: It was not said which, or there is no token.
        CloudSyncError: It cannot be opened, or its address may not be used.
    """
    from agent.core.errors import UsageError

    where = registry or os.environ.get(WHERE, "")
    if not where:
        raise UsageError("it was not said which registry", hint=f"--registry DIR or URL, or {WHERE} in the environment")
    if "://" not in where:
        with opened(where) as here:
            yield _here(here, where)
        return
    from cloud_sync.publishing import HttpDesk
    from cloud_sync.wire import HttpWire

    token = _token(token_file)
    if token is None:
        raise UsageError(f"{where} asks for a token", hint=f"--token-file FILE, or {TOKEN} in the environment")
    with (
        HttpWire(where, token=token, ca_file=ca_file, insecure_http=insecure_http, timeout_s=120.0) as api,
        HttpWire(where, ca_file=ca_file, insecure_http=insecure_http) as files,
    ):
        yield Place(HttpDesk(api), files, where, is_folder=False)


@contextlib.contextmanager
def opened(where: str) -> Iterator[Registry]:
    """A registry by its folder, for what is done on its own machine only.

    Raises:
        UsageError: It was not said which, or it is an address.
        MissingExtra: The registry is not installed here.
        StateUnreadable: It is none.
    """
    from agent.core.errors import UsageError

    where = where or os.environ.get(WHERE, "")
    if not where or "://" in where:
        raise UsageError("this is done in the registry's folder, on its own machine", hint="--registry DIR")
    need_the_extra()
    from cloud_sync.registry.registry import Registry

    with Registry.open(Path(where)) as registry:
        yield registry


def need_the_extra() -> None:
    """See that what a registry needs is installed.

    Raises:
        MissingExtra: It is not.
    """
    import importlib.util

    from agent.core.errors import MissingExtra

    for name in ("sqlalchemy", "starlette", "uvicorn"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtra(f"{name} is not installed here", hint="pip install 'lineside[registry]'")


def _here(registry: Registry, where: str) -> Place:
    import hashlib

    from cloud_sync.registry.server.folder_desk import FolderDesk
    from cloud_sync.wire import FolderWire

    first = registry.public / "metadata" / "1.root.json"
    fingerprint = hashlib.sha256(first.read_bytes()).hexdigest()
    return Place(FolderDesk(registry, operator()), FolderWire(registry.public), where, True, fingerprint)


def _token(file: Path | None) -> str | None:
    from agent.core.errors import UsageError

    if file is None:
        return os.environ.get(TOKEN) or None
    try:
        with file.open(encoding="utf-8") as opened_file:
            return opened_file.readline(1000).strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
