"""Publishes and takes back versions, for the owners of a model: verify, sign, upload, commit.

The owner's key signs here and goes nowhere. What the owners signed last is taken from metadata that was verified, never from the API:
else a hostile registry could have us sign what it made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cloud_sync import layout, manifest
from cloud_sync.errors import CloudSyncError, Refused, Unreachable
from cloud_sync.evaluation import GateRefused
from cloud_sync.publishing import role
from cloud_sync.publishing.gate import Gate
from cloud_sync.publishing.role import NewVersion
from cloud_sync.publishing.uploading import Uploaded, Uploads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from securesystemslib.signer import Signer

    from cloud_sync.manifest import Manifest
    from cloud_sync.publishing.desk import Desk
    from cloud_sync.publishing.knowledge import Knowledge

ROLE_DAYS: Final = 365
"""How long a signature of the owners holds: each change renews it, and devices take no update of a model after it."""


@dataclass(frozen=True, slots=True)
class Published:
    """What was published.

    Attributes:
        answer: The registry's.
        release: The number that was signed.
        digest: `sha256:` and the digest of the manifest.
        uploaded: What had to be sent.
        refused: What the gate had against it, where a reason was given to publish it nevertheless.
    """

    answer: dict[str, Any]
    release: int
    digest: str
    uploaded: Uploaded
    refused: tuple[str, ...] = ()


class Publisher:
    """Of one registry, with the keys of a model's owners.

    Args:
        desk: For changes.
        knowledge: What is verified of the registry; refreshed here.
        signers: Keys of the model's owners.
        now: Aware, UTC.
        role_days: How long the signature holds.
    """

    def __init__(
        self, desk: Desk, knowledge: Knowledge, signers: Sequence[Signer], now: datetime, role_days: int = ROLE_DAYS
    ) -> None:
        self._desk = desk
        self._knowledge = knowledge
        self._gate = Gate(desk, knowledge)
        self._signers = list(signers)
        self._now = now
        self._expires = now + timedelta(days=role_days)

    def publish(
        self,
        folder: Path,
        channel: str | None,
        hardware: Sequence[str],
        told: Callable[[int, int], None] = lambda _done, _of: None,
        *,
        unsafe_publish_worse: str | None = None,
    ) -> Published:
        """Publish a packed bundle, and give it to a channel.

        Args:
            folder: With its `manifest.json`.
            channel: None leaves all channels as they are.
            hardware: Devices that it is for; none stands for all.
            told: Told the bytes that are there, and bytes in all, of the files that were missing.
            unsafe_publish_worse: Why it is published even if the gate refuses it; signed with it.

        Raises:
            Refused: It exists, or the keys are not the owners'.
            GateRefused: It misses its own bounds, or is not shown to be as good as what it replaces, and no reason is given.
            Untrusted: The registry, or the bundle, is not what it should be.
            Unreachable: The registry does not answer.
        """
        content, listed = _packed(folder)
        if odd := [tag for tag in hardware if not layout.is_name(tag)]:
            raise Refused(f"{odd[0]!r} is no name of hardware", hint="a profile's name, or what `uname -m` says")
        self._knowledge.refresh()
        owned = self._knowledge.owned(listed.name)
        owned.demand(listed.name, self._signers)
        digest = manifest.digest_of(content)
        reasons = self._gate.reasons_against(folder, listed, digest, channel)
        if reasons and unsafe_publish_worse is None:
            raise GateRefused(f"{listed.name} {listed.version}", reasons)
        release = role.next_release(owned.current, self._releases_told(listed.name))
        new = NewVersion(
            listed.name, listed.version, content, release, tuple(hardware), self._now, unsafe_publish_worse
        )
        metadata = role.signed_by(role.with_version(owned.current, new, self._expires), self._signers)
        uploaded = Uploads(self._desk, folder, told).run(listed.files)
        body = {"manifest": content.decode(), "metadata": metadata.decode(), "channel": channel}
        answer = self._commit(listed, digest, body)
        return Published(answer, release, digest, uploaded, reasons)

    def yank(self, model: str, version: str) -> dict[str, Any]:
        """Take a version back; for the errors see `publish`."""
        self._knowledge.refresh()
        owned = self._knowledge.owned(model)
        owned.demand(model, self._signers)
        signed = role.without_version(owned.current, model, version, self._expires)
        metadata = role.signed_by(signed, self._signers)
        return self._desk.ask("DELETE", f"models/{model}/versions/{version}", {"metadata": metadata.decode()})

    def renew(self, model: str, min_release: int | None) -> dict[str, Any]:
        """Sign the same versions again, with another least release if one is given; for the errors see `publish`."""
        self._knowledge.refresh()
        owned = self._knowledge.owned(model)
        owned.demand(model, self._signers)
        metadata = role.signed_by(role.renewed(owned.current, self._expires, min_release), self._signers)
        return self._desk.ask("PUT", f"models/{model}/role", {"metadata": metadata.decode()})

    def _releases_told(self, model: str) -> list[int]:
        versions = self._desk.ask("GET", f"models/{model}").get("versions")
        known = (
            [each.get("release") for each in versions if isinstance(each, dict)] if isinstance(versions, list) else []
        )
        return [release for release in known if isinstance(release, int)]

    def _commit(self, listed: Manifest, digest: str, body: dict[str, Any]) -> dict[str, Any]:
        """Publish; where the answer was lost, find out whether it was done."""
        path = f"models/{listed.name}/versions"
        try:
            return self._desk.ask("POST", path, body)
        except Unreachable as lost:
            try:
                there = self._desk.ask("GET", f"{path}/{listed.version}")
            except CloudSyncError:
                raise Unreachable(
                    f"it is not known whether {listed.name} {listed.version} was published: {lost}",
                    hint="run the same command again: it says so if it was",
                ) from lost
            if there.get("digest") == digest and there.get("state") == "published":
                return {"version": there, "channel": body["channel"], "patches": 0, "below_min_release": []}
            raise


def _packed(folder: Path) -> tuple[bytes, Manifest]:
    """A manifest, and the very bytes that were read."""
    path = folder / manifest.MANIFEST
    try:
        with path.open("rb") as file:
            content = file.read(manifest.MAX_BYTES + 1)
    except FileNotFoundError:
        raise Refused(f"{folder} is not packed", hint=f"lineside model pack {folder}") from None
    listed = manifest.decode(content, what=str(path))
    if not layout.is_name(listed.name) or not layout.is_name(listed.version):
        raise Refused(f"{path} is of {listed.name!r} {listed.version!r}, which are no names")
    return content, listed
