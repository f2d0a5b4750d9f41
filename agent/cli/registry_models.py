"""`lineside registry models list|show|history|diff`: what a registry has. Each works on its folder or its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import JsonOption
from agent.cli.registry_place import Place, asking

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="Look at the models of a registry.")
ModelArgument = Annotated[str, typer.Argument(help="The model.", metavar="MODEL")]
_MINUTE = len("2026-11-28T13:19")


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command("list")
@asking
def list_(
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show all models with their newest version.

    Exit codes: 0 done, 4 unreachable.
    """
    answer = place.desk.ask("GET", "models")
    rows = []
    for model in answer["models"]:
        there = [each for each in model["versions"] if each["state"] == "published"]
        newest = there[0]["version"] if there else "-"
        channels = ", ".join(sorted({f"{name}: {each['version']}" for each in there for name in each["channels"]}))
        rows.append((model["name"], newest, len(there), sum(each["devices"] for each in there), channels or "-"))
    text = output.table(rows, head=("model", "newest", "versions", "devices", "channels")) if rows else "no model yet"
    output.result(answer, text, as_json=as_json)


@app.command()
@asking
def show(
    model: ModelArgument,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show a model's owners and versions, and where they run.

    Exit codes: 0 done, 1 there is no such model, 4 unreachable.
    """
    answer = place.desk.ask("GET", f"models/{model}")
    head = [
        ("model", answer["name"]),
        *(("owner", keyid) for keyid in answer["owners"]),
        ("must sign", answer["threshold"]),
        ("min release", answer["min_release"]),
        ("holds until", minute(answer["role_expires"]) if answer["role_expires"] else "nothing was published yet"),
    ]
    rows = [
        (
            each["version"],
            each["release"],
            each["state"],
            f"{each['size_bytes'] / 1e6:.2f}",
            ", ".join(each["hardware"]) or "any",
            minute(each["published_at"]),
            ", ".join(each["channels"]) or "-",
            each["devices"],
        )
        for each in answer["versions"]
    ]
    titles = ("version", "release", "state", "MB", "hardware", "published (UTC)", "channels", "devices")
    parts = [output.table(head), output.table(rows, head=titles) if rows else ""]
    output.result(answer, "\n\n".join(filter(None, parts)), as_json=as_json)


@app.command()
@asking
def history(
    model: ModelArgument,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show what happened to a model, and by whom.

    Exit codes: 0 done, 1 there is no such model, 4 unreachable.
    """
    answer = place.desk.ask("GET", f"models/{model}/history")
    output.result(answer, changes(answer["changes"]), as_json=as_json)


@app.command()
@asking
def diff(
    model: ModelArgument,
    before: Annotated[str, typer.Argument(help="The one version.", metavar="FROM")],
    after: Annotated[str, typer.Argument(help="The other.", metavar="TO")],
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show the files in which two versions differ, and what a patch between them weighs.

    Exit codes: 0 done, 1 there is no such version, 4 unreachable.
    """
    answer = place.desk.ask("GET", f"models/{model}/diff", query={"from": before, "to": after})
    rows = [
        (each["path"], *(_length(each[name]) for name in ("before_bytes", "after_bytes", "patch_bytes")))
        for each in answer["files"]
    ]
    text = output.table(rows, head=("file", f"{before}, bytes", f"{after}, bytes", "patch, bytes"))
    same = f"{output.counted(answer['same'], 'file')} the same"
    output.result(answer, f"{text}\n{same}" if rows else same, as_json=as_json)


def changes(lines: Sequence[dict[str, Any]]) -> str:
    """Lines of the log, for people."""
    rows = [
        (line["number"], line["at"][:19].replace("T", " "), line["who"], line["what"], line["subject"], _detail(line))
        for line in lines
    ]
    return output.table(rows, head=("number", "at (UTC)", "who", "what", "of", "detail")) if rows else "no change yet"


def minute(time: str) -> str:
    """A time of the API, to the minute."""
    return time[:_MINUTE].replace("T", " ")


def _detail(line: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_words(value)}" for name, value in line["detail"].items())


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(inner)}" for name, inner in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "-"
    return "-" if value is None else str(value)


def _length(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
