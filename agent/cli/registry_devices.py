"""`lineside registry devices list|show|approve|reject|revoke`: who reports to a registry. Each works on its folder or its address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import JsonOption
from agent.cli.registry_models import minute
from agent.cli.registry_place import Place, asking

if TYPE_CHECKING:
    from collections.abc import Mapping

app = typer.Typer(help="Look at the devices of a registry; admit them and send them away.")
DeviceArgument = Annotated[str, typer.Argument(help="The device.", metavar="DEVICE")]
KeyidOption = Annotated[
    str | None,
    typer.Option("--keyid", help="Which candidate, where several wait.", metavar="HEX", show_default=False),
]


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
    """Show all devices, what they run, and who waits to become one.

    Exit codes: 0 done, 4 unreachable.
    """
    answer = place.desk.ask("GET", "devices")
    rows = [
        (
            each["device"],
            each["state"],
            each["profile"] or "-",
            minute(each["reported_at"]) if each["reported_at"] else "never",
            ", ".join(f"{name} {run.get('version')}" for name, run in each["runs"].items()) or "-",
        )
        for each in answer["devices"]
    ]
    waiting = [
        (each["device"], minute(each["asked_at"]), each["profile"] or "-", each["keyid"]) for each in answer["waiting"]
    ]
    parts = [
        output.table(rows, head=("device", "state", "profile", "reported (UTC)", "runs")) if rows else "no device yet"
    ]
    if waiting:
        parts += [
            output.table(waiting, head=("waits", "since (UTC)", "profile", "key id")),
            "next: compare the key id with what `lineside sync enroll` shows there, then lineside registry devices approve DEVICE",
        ]
    output.result(answer, "\n\n".join(parts), as_json=as_json)


@app.command()
@asking
def show(
    device: DeviceArgument,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show one device, and what happened there.

    Exit codes: 0 done, 1 there is no such device, 4 unreachable.
    """
    answer = place.desk.ask("GET", f"devices/{device}")
    output.result(answer, _device(answer), as_json=as_json)


@app.command()
@asking
def approve(
    device: DeviceArgument,
    keyid: KeyidOption = None,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Admit who waits to be this device; a key that it had before is replaced.

    Exit codes: 0 admitted, 1 nobody waits, or several do, 4 unreachable.
    """
    answer = place.desk.ask("POST", f"devices/{device}/approve", {"keyid": keyid})
    output.result(answer, output.table([("admitted", device), ("key id", answer["keyid"])]), as_json=as_json)


@app.command()
@asking
def reject(
    device: DeviceArgument,
    keyid: KeyidOption = None,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Send who waits to be this device away.

    Exit codes: 0 done, 1 nobody waits, 4 unreachable.
    """
    answer = place.desk.ask("POST", f"devices/{device}/reject", {"keyid": keyid})
    output.result(answer, f"{output.counted(answer['rejected'], 'candidate')} sent away", as_json=as_json)


@app.command()
@asking
def revoke(
    device: DeviceArgument,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Take no reports of a device any more; to come back it needs an operator.

    Exit codes: 0 done, 1 there is no such device, 4 unreachable.
    """
    answer = place.desk.ask("DELETE", f"devices/{device}")
    output.result(answer, f"{device} is revoked", as_json=as_json)


def _device(answer: Mapping[str, Any]) -> str:
    rows = [
        ("device", answer["device"]),
        ("state", f"{answer['state']}, since {minute(answer['admitted_at'])}, by {answer['admitted_by']}"),
        ("key id", answer["keyid"]),
        ("profile", answer["profile"] or "-"),
        ("agent", answer["agent_version"] or "-"),
        (
            "reported",
            f"{minute(answer['reported_at'])}, number {answer['number']}" if answer["reported_at"] else "never",
        ),
    ]
    rows += [
        (
            "runs",
            " ".join(str(run.get(part) or "") for part in ("version", "state", "reason"))
            .join((f"{name} ", ""))
            .rstrip(),
        )
        for name, run in answer["runs"].items()
    ]
    rows += [("error", str(answer["error"]))] if answer["error"] else []
    rows += [("waits", f"{each['keyid']}, since {minute(each['asked_at'])}") for each in answer["candidates"]]
    events = [
        tuple(str(each.get(part) or "-") for part in ("at", "what", "model", "version", "reason"))
        for each in answer["events"]
    ]
    parts = [
        output.table(rows),
        output.table(events, head=("at (UTC)", "what", "model", "version", "reason")) if events else "",
    ]
    return "\n\n".join(filter(None, parts))
