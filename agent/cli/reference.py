"""Writes the reference of commands and of device profiles: `python -m agent.cli.reference`.

With `--check` it writes nothing and exits 1 when a file differs from what the code says. Reads the functions behind the commands
and not typer's objects, whose form differs between its versions.
"""

from __future__ import annotations

import inspect
import sys
import typing
from dataclasses import dataclass
from enum import Enum, EnumMeta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from agent.cli import profile_reference
from agent.cli.main import app
from agent.core import errors
from agent.generated import keep
from cloud_sync import errors as sync_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import typer

FOLDER = Path("docs/reference")
_WORDS = {int: "whole number", float: "number", str: "text", Path: "path"}
_INTRODUCTION = """\
<!-- Written by `make reference` from the commands in the code; changes here are lost. -->

# Commands

Results go to stdout, talk to stderr; with `--json` the result is one JSON object (`tap`: one a line), and an error is
`{"error": {"code": …, "message": …, "hint": …}}`. `NO_COLOR` is honoured. `lineside --version` prints the version, `--help` behind
any command its manual.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | called in a way that makes no sense |
| 3 | findings of severity `error`; nothing was started |
| 4 | broker, agent or registry unreachable, or messages undelivered |
| 5 | not trusted: a file differs from what its manifest says, or metadata from what its signature says |
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """An option or an argument of a command.

    Attributes:
        names: `--config`, `-c`; empty for an argument.
        value: What is to be given, in words; None for a switch.
        default: As it would be typed; an empty string where there is none.
        required: Whether it must be given.
        text: Its manual.
    """

    names: tuple[str, ...]
    value: str | None
    default: str
    required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        words: What is typed behind `lineside`, such as `("model", "pack")`.
        text: Its manual, exit codes included.
        parameters: In their order.
    """

    words: tuple[str, ...]
    text: str
    parameters: tuple[Parameter, ...]


def commands(tree: typer.Typer = app, words: tuple[str, ...] = ()) -> Iterator[Command]:
    """Every command of the tree, in the order of `--help`.

    Args:
        tree: Where to look.
        words: What is typed before.
    """
    for info in tree.registered_commands:
        if info.callback is not None:
            name = info.name or info.callback.__name__.replace("_", "-")
            yield Command((*words, name), inspect.getdoc(info.callback) or "", tuple(_parameters(info.callback)))
    for group in tree.registered_groups:
        if group.typer_instance is not None and group.name:
            yield from commands(group.typer_instance, (*words, group.name))


def build() -> dict[str, str]:
    """Name of the file under `docs/reference` to its text, for every file of this reference."""
    parts = [_INTRODUCTION, _errors(), *map(_section, commands())]
    return {"commands.md": "\n".join(parts), "device-profiles.md": profile_reference.page()}


def _parameters(callback: Callable[..., Any]) -> Iterator[Parameter]:
    hints = typing.get_type_hints(callback, include_extras=True)
    for name, parameter in inspect.signature(callback).parameters.items():
        # Python 3.10 makes an Optional of what has None as its default.
        hint = next((member for member in get_args(hints[name]) if get_origin(member) is Annotated), hints[name])
        if get_origin(hint) is not Annotated:
            continue
        kind, *notes = get_args(hint)
        info = next(note for note in notes if isinstance(note, OptionInfo | ArgumentInfo))
        default = parameter.default
        yield Parameter(
            names=_names(name, info),
            value=None if kind is bool else info.metavar or _words(kind, info),
            default="" if default in (inspect.Parameter.empty, None) or kind is bool else _said(default),
            required=default is inspect.Parameter.empty,
            text=info.help or "",
        )


def _said(default: Any) -> str:
    return str(default.value if isinstance(default, Enum) else default)


def _names(name: str, info: OptionInfo | ArgumentInfo) -> tuple[str, ...]:
    """Long names first. Inside `Annotated`, typer takes the first name for the default and knows better later."""
    if isinstance(info, ArgumentInfo):
        return ()
    given = [each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)]
    return tuple(sorted(given or [f"--{name.replace('_', '-')}"], key=lambda each: not each.startswith("--")))


def _words(kind: Any, info: OptionInfo | ArgumentInfo) -> str:
    plain = next((member for member in get_args(kind) if member is not type(None)), kind)
    if isinstance(plain, EnumMeta):
        choices: list[Any] = list(plain)
        return ", ".join(f"`{choice.value}`" for choice in choices)
    return _WORDS[plain] + ("" if info.min is None else f" ≥ {info.min:g}")


def _section(command: Command) -> str:
    typed = " ".join(
        ("lineside", *command.words, *(_typed(parameter) for parameter in command.parameters if not parameter.names))
    )
    options = [parameter for parameter in command.parameters if parameter.names]
    text = f"## `{typed}`\n\n{command.text}\n"
    if options:
        text += "\n| option | value | default | meaning |\n|---|---|---|---|\n"
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.names)
        default = f"`{option.default}`" if option.default else ""
        text += f"| {names} | {option.value or ''} | {default} | {option.text} |\n"
    return text


def _typed(argument: Parameter) -> str:
    return str(argument.value) if argument.required else f"[{argument.value}]"


def _errors() -> str:
    """The errors that have a code of their own."""
    bases = (errors.LinesideError, sync_errors.CloudSyncError)
    found = {
        value.code: value  # both bases say `failed`
        for value in (*vars(errors).values(), *vars(sync_errors).values())
        if isinstance(value, type) and issubclass(value, bases) and "code" in vars(value)
    }
    lines = [
        "## Errors",
        "",
        "`code` of an error in `--json` and in logs. What is tried again is tried by the agent itself, with growing delays.",
        "",
        "| code | exit code | tried again | meaning |",
        "|---|---|---|---|",
    ]
    for error in sorted(found.values(), key=lambda each: (each.exit_code, each.code)):
        again = "yes" if error.retryable else "no"
        meaning = (inspect.getdoc(error) or "").partition("\n\n")[0].replace("\n", " ")
        lines.append(f"| `{error.code}` | {error.exit_code} | {again} | {meaning} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, or with `--check` compare them; the exit code."""
    return keep(FOLDER, build(), arguments)


if __name__ == "__main__":
    sys.exit(main())
