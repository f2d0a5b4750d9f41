"""`lineside registry token create|list|revoke`: who may call a registry's API. Each works on its folder or its address."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import JsonOption
from agent.cli.registry_models import minute
from agent.cli.registry_place import Place, asking

app = typer.Typer(help="Make, list and revoke the tokens of a registry's API.")


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command()
@asking
def create(
    name: Annotated[str, typer.Argument(help="What people call it, such as build-server.", metavar="NAME")],
    role: Annotated[
        str, typer.Option("--role", help="admin, publisher (of --model), or viewer.", metavar="ROLE")
    ] = "viewer",
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", help="Model whose versions a publisher may change.", metavar="MODEL", show_default=False
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option("--days", min=0.001, help="How long it is valid; else until it is revoked.")
    ] = None,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Make a token, and print it; the registry keeps only its digest. The first one is made on the registry's folder.

    Exit codes: 0 made, 1 refused, 4 unreachable.
    """
    body: dict[str, Any] = {"name": name, "role": role, "models": model or []}
    body["valid_for_s"] = max(60, round(days * 86400)) if days else None
    answer = place.desk.ask("POST", "tokens", body)
    output.talk(f"token {answer['id']} of {answer['name']}, {answer['role']}; shown only once")
    output.result(answer, str(answer["token"]), as_json=as_json)


@app.command("list")
@asking
def list_(
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show all tokens, without their secrets.

    Exit codes: 0 done, 1 refused, 4 unreachable.
    """
    answer = place.desk.ask("GET", "tokens")
    rows = [
        (
            each["id"],
            each["name"],
            each["role"],
            ", ".join(each["models"]) or "-",
            minute(each["created_at"]),
            f"revoked {minute(each['revoked_at'])}" if each["revoked_at"] else _until(each["expires"]),
        )
        for each in answer["tokens"]
    ]
    text = (
        output.table(rows, head=("id", "name", "role", "models", "made (UTC)", "valid until"))
        if rows
        else "no token yet"
    )
    output.result(answer, text, as_json=as_json)


@app.command()
@asking
def revoke(
    token: Annotated[str, typer.Argument(help="Its id in `lineside registry token list`.", metavar="ID")],
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """End a token.

    Exit codes: 0 it opens nothing any more, 1 there is no such token, 4 unreachable.
    """
    answer = place.desk.ask("DELETE", f"tokens/{token}")
    output.result(answer, f"token {token} is revoked", as_json=as_json)


def _until(expires: str | None) -> str:
    return minute(expires) if expires else "it is revoked"
