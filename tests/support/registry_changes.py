"""Every kind of change of a registry, for tests that look at each of its steps or kill it there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from registering import Owner, accepted, client, seen
from securesystemslib.signer import CryptoSigner

if TYPE_CHECKING:
    from collections.abc import Callable

    from registering import Site

_OLD, _NEW = b"\1" * 5000 + bytes(range(200)), b"\1" * 5000 + bytes(range(250))


def prepare(site: Site) -> None:
    """A model with two versions on two channels, and a device's own assignment."""
    site.add_model("solar-cell")
    site.publish("solar-cell", "1.0.0", 1, {"model.tflite": _OLD[1:]}, "stable")
    site.publish("solar-cell", "1.1.0", 2, {"model.tflite": _OLD}, "stable")
    site.registry.assignments.assign_device("press-07", {"solar-cell": "1.0.0"}, by="ada")


def _publish(site: Site) -> None:
    site.publish("solar-cell", "1.2.0", 3, {"model.tflite": _NEW}, "stable")


def _yank(site: Site) -> None:
    site.yank("solar-cell", "1.1.0")


def _owners(site: Site) -> None:
    new = Owner("solar-cell")
    metadata = new.role(site.registry.models.role_metadata("solar-cell"), site.clock())
    site.registry.models.change_owners("solar-cell", new.keys, site.signer("targets"), metadata=metadata, by="ada")


def _root(site: Site) -> None:
    new = CryptoSigner.generate_ed25519()
    site.registry.keys.rotate_root(site.roots, add=[new], remove=[site.signer("root-3").public_key.keyid], by="ada")


def _targets(site: Site) -> None:
    site.registry.keys.rotate_targets(site.roots, CryptoSigner.generate_ed25519(), old=site.signer("targets"), by="ada")


def _assignment(site: Site) -> None:
    site.registry.keys.rotate_online("assignment", targets_signer=site.signer("targets"), by="ada")


CHANGES: dict[str, Callable[[Site], object]] = {
    "publish": _publish,
    "yank": _yank,
    "assign": lambda site: site.registry.assignments.set_channel("stable", {"solar-cell": "1.0.0"}, by="ada"),
    "change owners": _owners,
    "rotate root": _root,
    "rotate targets": _targets,
    "rotate snapshot": lambda site: site.registry.keys.rotate_online("snapshot", root_signers=site.roots, by="ada"),
    "rotate timestamp": lambda site: site.registry.keys.rotate_online("timestamp", root_signers=site.roots, by="ada"),
    "rotate assignment": _assignment,
    "refresh": lambda site: site.registry.keys.refresh(force=True),
}


def view(site: Site, folder: Path) -> tuple[dict, dict, dict]:
    """What a device sees, all of it verified. What it is assigned is among what is published."""
    trusted = client(site, folder)
    versions = seen(trusted, ["solar-cell"])
    assigned = [accepted(site, trusted, subject) for subject in ("channel:stable", "device:press-07")]
    for found in assigned:
        assert set(found.values()) <= set(versions["solar-cell"]), "an assignment names what is no target"
    return versions, *assigned


def at_each_step(monkeypatch, look: Callable[[], None]) -> None:
    """Call `look` before each fsync and each rename of this process, but for those that it makes itself."""
    busy = False

    def stepping(real):
        def step(*arguments):
            nonlocal busy
            if not busy:
                busy = True
                try:
                    look()
                finally:
                    busy = False
            return real(*arguments)

        return step

    monkeypatch.setattr(os, "fsync", stepping(lambda _: None))
    monkeypatch.setattr(Path, "replace", stepping(Path.replace))
