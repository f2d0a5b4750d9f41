"""What the owners of a model do: make a key, own a model, publish, yank, renew. Their key signs here and goes nowhere."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli import output
from agent.cli.output import JsonOption
from agent.cli.registry_keys import KeyOption, PassphraseFileOption, TargetsKeyOption
from agent.cli.registry_place import CaFileOption, FolderOption, InsecureOption, RegistryOption, TokenFileOption

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.cli.registry_keys import Passphrases
    from agent.cli.registry_place import Place
    from cloud_sync.publishing import Knowledge, Publisher
    from cloud_sync.registry.registry import Registry

ModelArgument = Annotated[str, typer.Argument(help="The model.", metavar="MODEL")]
OwnersOption = Annotated[
    list[Path], typer.Option("--owner", help="Public key of an owner; several times for several.", metavar="FILE.pub")
]
ThresholdOption = Annotated[int, typer.Option("--threshold", min=1, help="How many owners must sign.")]
RootSha256Option = Annotated[
    str | None,
    typer.Option(
        "--root-sha256",
        help="Fingerprint of the registry's first root; without it the registry is trusted at first use.",
        metavar="HEX",
        show_default=False,
    ),
]
DaysOption = Annotated[
    int, typer.Option("--days", min=1, help="How long the signature holds; each publish begins it anew.")
]


def owner_key(
    file: Annotated[Path, typer.Argument(help="New file for the private key, such as solar-cell.pem.", metavar="FILE")],
    unencrypted: Annotated[
        bool, typer.Option("--unencrypted", help="Without a passphrase: for a build server that keeps it safe itself.")
    ] = False,
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the key pair of a model's owner: FILE, and its public part beside it, which ends in .pub.

    Exit codes: 0 made, 1 there is such a file.
    """
    from agent.cli.registry_keys import Passphrases
    from agent.core.errors import BadData, UsageError
    from cloud_sync.signers import create_key_file, public_file

    if unencrypted and passphrase_file:
        raise UsageError("an unencrypted key has no passphrase", hint="leave one of the two options out")
    passphrase = None if unencrypted else Passphrases(passphrase_file).new(file.name)
    try:
        made = create_key_file(file, passphrase)
    except OSError as error:
        raise BadData(f"{file} cannot be written: {error}") from error
    keyid = made.public_key.keyid
    data = {"key": str(file), "public": str(public_file(file)), "keyid": keyid}
    rows = [
        ("private key", f"{file}, {'NOT encrypted' if unencrypted else 'encrypted'}: stays with you"),
        ("public key", f"{public_file(file)}: for whoever runs the registry"),
        ("key id", keyid),
    ]
    output.result(data, output.table(rows), as_json=as_json)


def add_model(
    model: ModelArgument,
    owner: OwnersOption,
    targets_key: TargetsKeyOption = None,
    threshold: ThresholdOption = 1,
    registry: FolderOption = "",
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add a model, owned by those whose public keys are given. Needs the offline targets key; works on a registry's folder.

    Exit codes: 0 added, 1 there is such a model, or a key cannot be used, 5 the key is not the targets key.
    """

    def add(found: Registry, keys: list[Any], targets: Any, by: str) -> None:
        found.models.add(model, keys, targets, threshold=threshold, by=by)

    _owned(model, owner, targets_key, passphrase_file, registry, add, as_json=as_json)


def owners(
    model: ModelArgument,
    owner: OwnersOption,
    targets_key: TargetsKeyOption = None,
    threshold: ThresholdOption = 1,
    key: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            help="Private key of a new owner, to sign the versions anew; needed when none of the new owners signed them.",
            metavar="KEY",
            show_default=False,
        ),
    ] = None,
    days: DaysOption = 365,
    registry: FolderOption = "",
    passphrase_file: PassphraseFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replace the owners of a model: those whose public keys are given, and nobody else. Works on a registry's folder.

    Exit codes: 0 replaced, 1 there is no such model, or a key cannot be used, 5 the key is not the targets key.
    """
    from datetime import datetime, timedelta, timezone

    from agent.cli.registry_keys import Passphrases, signers
    from cloud_sync.publishing import role

    passphrases = Passphrases(passphrase_file)

    def replace(found: Registry, keys: list[Any], targets: Any, by: str) -> None:
        metadata = found.models.role_metadata(model)
        if metadata is not None and key:
            expires = datetime.now(timezone.utc) + timedelta(days=days)
            signed = role.renewed(role.decoded(metadata), expires, None)
            metadata = role.signed_by(signed, signers(key, passphrases))
        else:
            metadata = None
        found.models.change_owners(model, keys, targets, threshold=threshold, metadata=metadata, by=by)

    _owned(model, owner, targets_key, passphrase_file, registry, replace, as_json=as_json, passphrases=passphrases)


def publish(
    bundle: Annotated[Path, typer.Argument(help="A packed bundle folder.", metavar="BUNDLE")],
    key: KeyOption,
    channel: Annotated[
        str | None,
        typer.Option("--channel", help="Channel that gets it at once.", metavar="CHANNEL", show_default=False),
    ] = None,
    hardware: Annotated[
        list[str] | None,
        typer.Option(
            "--hardware",
            help="Device profile or `uname -m` that it is for; else `hardware` of model.toml, else any.",
            metavar="TAG",
            show_default=False,
        ),
    ] = None,
    unsafe_publish_worse: Annotated[
        str | None,
        typer.Option(
            "--unsafe-publish-worse",
            help="Publish even if it misses its bounds or is worse than what it replaces; the reason is signed with it and logged.",
            metavar="REASON",
            show_default=False,
        ),
    ] = None,
    days: DaysOption = 365,
    registry: RegistryOption = "",
    root_sha256: RootSha256Option = None,
    token_file: TokenFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    ca_file: CaFileOption = None,
    insecure_http: InsecureOption = False,
    as_json: JsonOption = False,
) -> None:
    """Verify a bundle, sign it with the owner's key, upload what is missing, and make it visible: at once, or not at all.

    Works on a registry's folder or address. An upload that was cut goes on where it was. The key is used here and sent nowhere.
    A version that misses the bounds of its model.toml, or is not shown to be as good as the one its channel names, is refused.

    Exit codes: 0 published, 1 refused, or the bundle does not prove itself, 4 unreachable, 5 not trusted: the registry, or the bundle.
    """
    from agent.cli.registry_progress import uploading

    tags, title = _proven(bundle, hardware)
    with (
        _publisher(registry, token_file, ca_file, insecure_http, key, passphrase_file, root_sha256, days) as (
            publisher,
            knowledge,
        ),
        uploading(title, quiet=as_json) as told,
    ):
        done = publisher.publish(bundle, channel, tags, told, unsafe_publish_worse=unsafe_publish_worse)
    version = done.answer["version"]
    data = {
        **done.answer,
        "release": done.release,
        "digest": done.digest,
        "uploaded_files": done.uploaded.files,
        "uploaded_bytes": done.uploaded.sent_bytes,
        "root_sha256": knowledge.fingerprint,
        "refused": list(done.refused),
    }
    sent = f"{output.counted(done.uploaded.files, 'file')}, {done.uploaded.sent_bytes / 1e6:.2f} MB"
    rows = [
        ("published", f"{title}, release {done.release}"),
        ("digest", done.digest),
        ("channel", channel or "none"),
        ("hardware", ", ".join(version["hardware"]) or "any"),
        ("uploaded", f"{sent} of {version['size_bytes'] / 1e6:.2f} MB"),
    ]
    rows += [("UNSAFE", why) for why in done.refused]
    rows += [
        ("too old", f"{subject} names a version below min release") for subject in done.answer["below_min_release"]
    ]
    output.result(data, output.table(rows), as_json=as_json)


def yank(
    model: ModelArgument,
    version: Annotated[str, typer.Argument(help="The version.", metavar="VERSION")],
    key: KeyOption,
    days: DaysOption = 365,
    registry: RegistryOption = "",
    root_sha256: RootSha256Option = None,
    token_file: TokenFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    ca_file: CaFileOption = None,
    insecure_http: InsecureOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take a version back: no device activates it any more, and what names it returns to the one before.

    Works on a registry's folder or address.

    Exit codes: 0 taken back, 1 there is no such version, 4 unreachable, 5 not trusted.
    """
    with _publisher(registry, token_file, ca_file, insecure_http, key, passphrase_file, root_sha256, days) as (
        publisher,
        _,
    ):
        answer = publisher.yank(model, version)
    rows = [("yanked", f"{model} {version}")]
    rows += [(subject, f"returns to {to}" if to else "names no version") for subject, to in answer["returned"].items()]
    output.result(answer, output.table(rows), as_json=as_json)


def renew(
    model: ModelArgument,
    key: KeyOption,
    min_release: Annotated[
        int | None,
        typer.Option("--min-release", min=0, help="Least release that devices may still activate.", show_default=False),
    ] = None,
    days: DaysOption = 365,
    registry: RegistryOption = "",
    root_sha256: RootSha256Option = None,
    token_file: TokenFileOption = None,
    passphrase_file: PassphraseFileOption = None,
    ca_file: CaFileOption = None,
    insecure_http: InsecureOption = False,
    as_json: JsonOption = False,
) -> None:
    """Sign a model's versions again before the signature ends, or forbid old releases. Works on a registry's folder or address.

    Exit codes: 0 signed, 1 refused, 4 unreachable, 5 not trusted.
    """
    with _publisher(registry, token_file, ca_file, insecure_http, key, passphrase_file, root_sha256, days) as (
        publisher,
        _,
    ):
        answer = publisher.renew(model, min_release)
    from agent.cli.registry_models import minute

    rows = [
        ("signed", f"{model}, version {answer['role_version']} of its metadata"),
        ("holds until", minute(answer["role_expires"])),
        ("min release", answer["min_release"]),
    ]
    output.result(answer, output.table(rows), as_json=as_json)


def _owned(
    model: str,
    owner: Sequence[Path],
    targets_key: str | None,
    passphrase_file: Path | None,
    registry: str,
    change: Callable[[Registry, list[Any], Any, str], None],
    *,
    as_json: bool,
    passphrases: Passphrases | None = None,
) -> None:
    """Say who owns a model, and print it."""
    from agent.cli.registry_keys import Passphrases, needed, signer
    from agent.cli.registry_place import opened, operator
    from cloud_sync.signers import read_public

    passphrases = passphrases or Passphrases(passphrase_file)
    keys = [read_public(file) for file in owner]
    with opened(registry) as found:
        targets = signer(needed(targets_key, "--targets-key", "the offline targets key"), passphrases.of)
        change(found, keys, targets, operator())
        info = found.models.one(model)
    keyids = [key.keyid for key in info.owners]
    data = {"model": model, "owners": keyids, "threshold": info.threshold}
    rows = [("model", model), *(("owner", keyid) for keyid in keyids), ("must sign", info.threshold)]
    output.result(data, output.table(rows), as_json=as_json)


def _proven(bundle: Path, hardware: Sequence[str] | None) -> tuple[list[str], str]:
    """What a bundle is for, after it was compared with its manifest and has proved itself on this machine.

    Raises:
        ModelRefused: It does not, or is not packed.
        NotTrusted: A file differs.
    """
    from agent.core.errors import ModelRefused
    from agent.models.bundle import open_bundle
    from agent.models.execution import Execution, TrialLimits
    from agent.models.proving import prove

    opened = open_bundle(bundle)
    if any(finding.code == "not-packed" for finding in opened.findings):
        raise ModelRefused(f"{bundle} is not packed", hint=f"lineside model pack {bundle}")
    proof = prove(opened, Execution(), TrialLimits())
    for finding in proof.findings:
        output.finding(finding)
    if not proof.holds:
        raise ModelRefused(f"{bundle} does not prove itself, so it was not published", hint="mend what is named above")
    return list(hardware or opened.spec.hardware), opened.title


@contextlib.contextmanager
def _publisher(
    registry: str,
    token_file: Path | None,
    ca_file: Path | None,
    insecure_http: bool,
    key: Sequence[str],
    passphrase_file: Path | None,
    root_sha256: str | None,
    days: int,
) -> Iterator[tuple[Publisher, Knowledge]]:
    """A publisher with its keys, and what is known of the registry."""
    from datetime import datetime, timezone

    from agent.cli.registry_keys import Passphrases, signers
    from agent.cli.registry_place import at
    from cloud_sync.publishing import Knowledge, Publisher

    with at(registry, token_file, ca_file, insecure_http=insecure_http) as place, _memory(place) as folder:
        keys = signers(key, Passphrases(passphrase_file))
        now = datetime.now(timezone.utc)
        knowledge = Knowledge(folder, place.files, now=now, root_sha256=root_sha256 or place.root_sha256)
        try:
            yield Publisher(place.desk, knowledge, keys, now, days), knowledge
        finally:
            if knowledge.first_use:
                output.talk(f"trusted {place.name} at first use; its first root has sha256 {knowledge.fingerprint}")
                output.talk(
                    "  next: compare it with what `registry init` printed; --root-sha256 does so from the start"
                )


@contextlib.contextmanager
def _memory(place: Place) -> Iterator[Path]:
    """Where what is verified of a registry is remembered: below ~/.config/lineside, or nowhere where the registry is here."""
    from tempfile import TemporaryDirectory

    from cloud_sync.publishing import folder_of

    if place.is_folder:
        with TemporaryDirectory(prefix="lineside-") as folder:
            yield Path(folder)
        return
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "lineside" / "registries"
    yield folder_of(base, place.name)
