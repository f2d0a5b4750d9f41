"""`lineside registry …`: make a registry and serve it, publish to it, and say what should run where.

Most commands take the registry's folder or its address; those that need its files, or keys that are kept offline, its folder only.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output, registry_devices, registry_models, registry_owner, registry_rotate, registry_tokens
from agent.cli.output import JsonOption
from agent.cli.registry_keys import PassphraseFileOption, WhosePassphrases
from agent.cli.registry_place import FolderOption, Place, asking

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(help="Make and serve a registry of models, publish to it, and say what should run where.")
_SOON_DAYS = 60
DirArgument = Annotated[Path, typer.Argument(help="The registry's folder.", metavar="DIR")]
WantedArgument = Annotated[
    list[str] | None,
    typer.Argument(help="What should run; nothing shows what does.", metavar="MODEL=VERSION…", show_default=False),
]
RemoveOption = Annotated[
    list[str] | None, typer.Option("--remove", help="Take a model out.", metavar="MODEL", show_default=False)
]
GateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        help="What the versions named here must show on a device before they count there, such as bake_s=7200; without a value it is taken "
        "out. The tightest of bundle, device and this holds.",
        metavar="GATE=VALUE",
        show_default=False,
    ),
]
ReplaceOption = Annotated[bool, typer.Option("--replace", help="Take out the models that are not named.")]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    output.demand_a_command(context)


@app.command()
def init(
    folder: DirArgument,
    offline_keys: Annotated[
        Path,
        typer.Option(
            "--offline-keys",
            help="New folder for the encrypted root and targets keys, such as a stick that is pulled afterwards.",
            metavar="DIR",
        ),
    ],
    passphrases: Annotated[
        WhosePassphrases,
        typer.Option(
            "--passphrases",
            help="`one` for all four offline keys, or one for `each`, typed in turn by the people who will hold them.",
        ),
    ] = WhosePassphrases.ONE,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a registry in a folder, with all its keys, and print what is to be done with them.

    Exit codes: 0 made, 1 there is something already, or a passphrase is too short.
    """
    from agent.cli.registry_keys import Passphrases
    from agent.cli.registry_place import need_the_extra, operator

    need_the_extra()
    from cloud_sync.registry.first import OFFLINE_FILES
    from cloud_sync.registry.registry import Registry

    each = passphrases is WhosePassphrases.EACH
    secrets = functools.cache(lambda: Passphrases(passphrase_file).new_for(OFFLINE_FILES, each=each))
    made = Registry.init(folder, offline_keys, lambda name: secrets()[name], by=operator())
    data = {
        "registry": str(folder),
        "root_sha256": made.root_sha256,
        "root_keyids": list(made.root_keyids),
        "targets_keyid": made.targets_keyid,
        "offline_files": list(made.offline_files),
    }
    output.result(data, made.text, as_json=as_json)


@app.command()
def serve(
    folder: DirArgument,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.", metavar="ADDRESS")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", min=0, help="Port; 0 for any that is free.")] = 8377,
    tls_cert: Annotated[
        Path | None,
        typer.Option("--tls-cert", help="Certificate with its chain, in PEM.", metavar="FILE", show_default=False),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", help="Key of the certificate.", metavar="FILE", show_default=False)
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            help="A reverse proxy whose X-Forwarded-For is believed; several times for several.",
            metavar="ADDRESS",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Serve a registry's folder until SIGTERM: plain files for devices, and the API under /api/v1.

    Signs the timestamp again in time. Devices take plain HTTP from this machine only: give a certificate, or put a proxy in front.

    Exit codes: 0 ended when asked to, 1 the address cannot be had, or the folder is no registry.
    """
    from agent.cli.registry_place import opened
    from agent.core.errors import UsageError

    if (tls_cert is None) != (tls_key is None):
        raise UsageError("a certificate and its key belong together", hint="--tls-cert FILE --tls-key FILE")
    with opened(str(folder)) as registry:
        import logging

        from cloud_sync.registry.server.serving import Place, serve

        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
        place = Place(host, port, tls_cert, tls_key, tuple(proxy or ()))

        def told(address: str) -> None:
            output.result({"listening": address}, f"listening on {address}", as_json=as_json)

        serve(registry, place, told)


@app.command()
@asking
def channel(
    name: Annotated[
        str | None, typer.Argument(help="The channel; none shows all.", metavar="CHANNEL", show_default=False)
    ] = None,
    wanted: WantedArgument = None,
    gate: GateOption = None,
    remove: RemoveOption = None,
    replace: ReplaceOption = False,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Say which versions a channel names, or show it. Works on a registry's folder or address.

    Exit codes: 0 done, 1 there is no such version or channel, 4 unreachable.
    """
    if name is None:
        answer = place.desk.ask("GET", "channels")
    elif wanted or remove or gate:
        body = _wanted(wanted, remove, gate, replace=replace)
        answer = place.desk.ask("PUT", f"channels/{name}", body)
    else:
        answer = place.desk.ask("GET", f"channels/{name}")
    output.result(answer, _subjects(answer.get("subjects", [answer])), as_json=as_json)


@app.command()
@asking
def assign(
    device: Annotated[str, typer.Argument(help="The device.", metavar="DEVICE")],
    wanted: WantedArgument = None,
    gate: GateOption = None,
    remove: RemoveOption = None,
    replace: ReplaceOption = False,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Say what one device should run, whatever its channel says, or show it. Works on a registry's folder or address.

    Exit codes: 0 done, 1 there is no such version, or nothing is assigned, 4 unreachable.
    """
    path = f"assignments/device:{device}"
    if wanted or remove or gate:
        answer = place.desk.ask("PUT", path, _wanted(wanted, remove, gate, replace=replace))
    else:
        answer = place.desk.ask("GET", path)
    output.result(answer, _subjects([answer]), as_json=as_json)


@app.command()
def export(
    to: Annotated[Path, typer.Option("--to", help="Folder to copy into, such as a USB stick.", metavar="DIR")],
    model: Annotated[
        list[str], typer.Option("--model", help="Model to copy; several times for several.", metavar="MODEL")
    ],
    every_version: Annotated[
        bool, typer.Option("--every-version", help="All published versions, not only those that are assigned.")
    ] = False,
    registry: FolderOption = "",
    as_json: JsonOption = False,
) -> None:
    """Copy models with metadata and assignments, for `lineside sync import` where there is no network. Works on a registry's folder.

    Exit codes: 0 copied, 1 there is no such model, or no room.
    """
    from agent.cli.registry_place import opened, operator

    with opened(registry) as found:
        versions = found.export(model, to, every_version=every_version, by=operator())
    text = output.table([("exported", each) for each in versions] + [("to", str(to))])
    output.result({"to": str(to), "versions": versions}, text, as_json=as_json)


@app.command("enroll-token")
@asking
def enroll_token(
    device: Annotated[str, typer.Argument(help="The device that may enrol once.", metavar="DEVICE")],
    days: Annotated[float, typer.Option("--days", min=0.001, max=90, help="How long it is valid.")] = 7,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Make a secret that admits one device once. Works on a registry's folder or address.

    Exit codes: 0 made, 1 it is no name of a device, 4 unreachable.
    """
    body = {"device": device, "valid_for_s": max(60, round(days * 86400))}
    answer = place.desk.ask("POST", "enrolment-tokens", body)
    output.talk(f"shown only once; on {device}: lineside sync enroll")
    output.result(answer, str(answer["token"]), as_json=as_json)


@app.command()
@asking
def log(
    after: Annotated[int, typer.Option("--after", min=0, help="Number of the last line that is known.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Lines at most, up to 1000.")] = 100,
    subject: Annotated[
        str | None,
        typer.Option("--subject", help="Such as model:solar-cell.", metavar="SUBJECT", show_default=False),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute the chain of hashes again; works on a registry's folder only.")
    ] = False,
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show who changed what, and when. Works on a registry's folder or address.

    Exit codes: 0 done, 4 unreachable, 5 the log was changed.
    """
    from agent.cli.registry_place import opened

    if verify:
        with opened(place.name) as found:
            lines = found.log.verify()
        output.result({"verified": lines}, f"{output.counted(lines, 'line')}, none changed", as_json=as_json)
        return
    query = {"after": after, "limit": limit, "subject": subject}
    answer = place.desk.ask("GET", "log", query=query)
    output.result(answer, registry_models.changes(answer["changes"]), as_json=as_json)


@app.command()
@asking
def status(
    *,
    place: Place,
    as_json: JsonOption = False,
) -> None:
    """Show how long what is signed holds, and which roles need a person with a key. Works on a registry's folder or address.

    Exit codes: 0 done, 4 unreachable.
    """
    answer = place.desk.ask("GET", "expiries")
    rows = [
        (
            each["role"],
            each["version"],
            registry_models.minute(each["expires"]),
            "a person" if each["offline"] else "itself",
        )
        for each in answer["roles"]
    ]
    for each in answer["roles"]:
        if each["offline"] and _days_left(each["expires"]) < _SOON_DAYS:
            output.talk(f"warning: {each['role']} must be signed again by {registry_models.minute(each['expires'])}")
            output.talk("  next: docs/how-to/keys.md, when it is time")
    text = output.table(rows, head=("role", "version", "holds until (UTC)", "renewed by"))
    output.result(answer, text, as_json=as_json)


app.command("add-model")(registry_owner.add_model)
app.command("owners")(registry_owner.owners)
app.command("owner-key")(registry_owner.owner_key)
app.command()(registry_owner.publish)
app.command()(registry_owner.yank)
app.command()(registry_owner.renew)
app.command()(registry_rotate.rotate)
app.add_typer(registry_models.app, name="models")
app.add_typer(registry_devices.app, name="devices")
app.add_typer(registry_tokens.app, name="token")


def _days_left(expires: str) -> float:
    from datetime import datetime, timezone

    left = datetime.fromisoformat(expires.replace("Z", "+00:00")) - datetime.now(timezone.utc)
    return left.total_seconds() / 86400


def _wanted(
    wanted: Sequence[str] | None, remove: Sequence[str] | None, gates: Sequence[str] | None, *, replace: bool
) -> dict[str, Any]:
    from agent.core.errors import UsageError

    models: dict[str, str | None] = dict.fromkeys(remove or ())
    for pair in wanted or ():
        model, equals, version = pair.partition("=")
        if not equals or not model or not version:
            raise UsageError(f"{pair!r} does not say which version of which model", hint="MODEL=VERSION")
        models[model] = version
    named = [model for model, version in models.items() if version is not None]
    if gates and not named:
        raise UsageError("a gate is for a model, and none is named", hint="MODEL=VERSION --gate GATE=VALUE")
    said = dict(map(_gate, gates or ()))
    body = {"models": models, "replace": replace}
    return {**body, "gates": dict.fromkeys(named, said)} if said else body  # an earlier registry knows no gates


def _gate(text: str) -> tuple[str, float | None]:
    from math import isfinite

    from agent.core.errors import UsageError

    name, equals, value = text.partition("=")
    try:
        number = float(value) if value else None
    except ValueError:
        equals = ""
    if not (name and equals) or (number is not None and not isfinite(number)):
        raise UsageError(f"{text!r} does not say which value of which gate", hint="GATE=VALUE, such as bake_s=7200")
    return name, number


def _gates(subject: dict[str, Any], model: str) -> str:
    found = subject.get("gates", {}).get(model, {})
    return " ".join(f"{name}={value:.10g}" for name, value in sorted(found.items())) or "-"


def _subjects(subjects: Sequence[dict[str, Any]]) -> str:
    rows = [
        (each["subject"], model, version, each["counter"], registry_models.minute(each["expires"]), _gates(each, model))
        for each in subjects
        for model, version in (each["models"] or {"-": "-"}).items()
    ]
    return (
        output.table(rows, head=("who", "model", "version", "counter", "holds until (UTC)", "gates"))
        if rows
        else "nothing is assigned"
    )
