"""Whatever is done to a registry in whatever order: what it says is accepted, and is what was done."""

from __future__ import annotations

import random

import pytest
from registering import Device, Owner, accepted, client, seen
from securesystemslib.signer import CryptoSigner

from cloud_sync.errors import CloudSyncError

_STEPS = 25


class _Model:
    """What should be there: versions and their releases, channels and what they name."""

    def __init__(self) -> None:
        self.versions: dict[str, dict[str, int]] = {}
        self.yanked: set[tuple[str, str]] = set()
        self.wanted: dict[str, dict[str, str]] = {}


class _Operator:
    """Does something at random, and keeps the books."""

    def __init__(self, site, chance: random.Random) -> None:
        self.site, self.chance, self.books = site, chance, _Model()
        self.targets, self.roots = site.signer("targets"), [site.signer(f"root-{n}") for n in (1, 2, 3)]

    def act(self) -> str:
        actions = [
            "add",
            "publish",
            "publish",
            "publish",
            "yank",
            "assign",
            "rotate",
            "owners",
            "wait",
            "wrong",
            "reopen",
        ]
        action = self.chance.choice(actions if self.books.versions else ["add"])
        getattr(self, f"_{action}")()
        return action

    def _pick(self) -> tuple[str, str] | None:
        there = [(model, version) for model, found in self.books.versions.items() for version in found]
        there = [pair for pair in there if pair not in self.books.yanked]
        return self.chance.choice(there) if there else None

    def _add(self) -> None:
        name = f"m{len(self.books.versions)}"
        owner = self.site.owners[name] = Owner(name)
        self.site.registry.models.add(name, owner.keys, self.targets, by="op")
        self.books.versions[name] = {}

    def _publish(self) -> None:
        model = self.chance.choice(sorted(self.books.versions))
        release = len(self.books.versions[model]) + 1
        channel = self.chance.choice([None, "stable", "canary"])
        self.site.publish(model, f"{release}.0.0", release, {"model.tflite": self.chance.randbytes(50)}, channel)
        self.books.versions[model][f"{release}.0.0"] = release
        if channel:
            self.books.wanted.setdefault(f"channel:{channel}", {})[model] = f"{release}.0.0"

    def _yank(self) -> None:
        if (pair := self._pick()) is None:
            return
        returned = self.site.yank(*pair).returned
        self.books.yanked.add(pair)
        for subject, wanted in self.books.wanted.items():
            if wanted.get(pair[0]) == pair[1]:
                to = returned[subject]
                wanted.pop(pair[0])
                if to is not None:
                    assert (pair[0], to) not in self.books.yanked
                    wanted[pair[0]] = to

    def _assign(self) -> None:
        if (pair := self._pick()) is None:
            return
        subject = self.chance.choice(["channel:stable", "device:press-07"])
        self.site.registry.assignments.assign(subject, dict([pair]), by="op")
        self.books.wanted.setdefault(subject, {})[pair[0]] = pair[1]

    def _rotate(self) -> None:
        registry, role = (
            self.site.registry,
            self.chance.choice(["root", "targets", "snapshot", "timestamp", "assignment"]),
        )
        if role == "root":
            new, old = CryptoSigner.generate_ed25519(), self.roots[0]
            registry.keys.rotate_root(self.roots, add=[new], remove=[old.public_key.keyid], by="op")
            self.roots = [*self.roots[1:], new]
        elif role == "targets":
            new = CryptoSigner.generate_ed25519()
            registry.keys.rotate_targets(self.roots[:2], new, old=self.chance.choice([None, self.targets]), by="op")
            self.targets = new
        else:
            registry.keys.rotate_online(role, root_signers=self.roots[1:], targets_signer=self.targets, by="op")

    def _owners(self) -> None:
        name = self.chance.choice(sorted(self.books.versions))
        new, current = Owner(name), self.site.registry.models.role_metadata(name)
        metadata = new.role(current, self.site.clock()) if current else None
        self.site.registry.models.change_owners(name, new.keys, self.targets, metadata=metadata, by="op")
        self.site.owners[name] = new

    def _wait(self) -> None:
        self.site.clock.forward(hours=self.chance.choice([1, 20, 40, 200]))
        self.site.registry.keys.refresh()

    def _wrong(self) -> None:
        """What is refused changes nothing."""
        model = self.chance.choice(sorted(self.books.versions))
        release = len(self.books.versions[model]) + 1
        request = self.site.request(model, "9.9.9", release, {"x": b"x"}, min_release=release + 1)
        with pytest.raises(CloudSyncError):
            self.site.registry.models.publish(request, by="op")
        with pytest.raises(CloudSyncError):
            self.site.registry.keys.rotate_online("snapshot", root_signers=self.roots[:1], by="op")

    def _reopen(self) -> None:
        self.site.registry.close()
        self.site.registry = type(self.site.registry).open(self.site.folder, clock=self.site.clock)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_client_accepts_what_a_registry_says_after_anything(site, tmp_path, chance, seed):
    """One that looks at each step, one that looks now and then, and a new one at the end."""
    operator = _Operator(site, random.Random(f"{chance.seed} {seed}"))
    done = []
    for step in range(chance.pick(_STEPS, 4 * _STEPS)):
        done.append(operator.act())
        for name, every in (("steady", 2), ("rare", 9)):
            if step % every == 0:
                _compare(operator, tmp_path / name, done)
    for name in ("steady", "rare", "new"):
        _compare(operator, tmp_path / name, done)
    assert site.registry.log.verify() > len(operator.books.versions)


def _compare(operator, folder, done) -> None:
    site, books = operator.site, operator.books
    site.registry.keys.refresh()
    trusted = client(site, folder)
    expected = {
        model: {version for version in found if (model, version) not in books.yanked}
        for model, found in books.versions.items()
        if found
    }
    assert {model: set(found) for model, found in seen(trusted, expected).items()} == {
        model: found for model, found in expected.items() if found
    }, done
    for subject, wanted in books.wanted.items():
        assert accepted(site, trusted, subject) == wanted, done


def test_two_publishers_at_once_never_mix(site, tmp_path):
    """From two threads and two open registries: one wins each round, the other is told, and all is well."""
    import threading

    from cloud_sync.registry.errors import AlreadyThere, Conflict
    from cloud_sync.registry.registry import Registry

    site.add_model("press")
    other = Registry.open(site.folder, clock=site.clock)
    outcomes: list[str] = []
    for number in range(1, 4):
        requests = [
            site.request("press", f"{number}.0.{i}", number, {"x": bytes([number, i])}, "stable") for i in (0, 1)
        ]
        start = threading.Barrier(2)

        def publish(registry, request, start=start):
            start.wait(timeout=30)
            try:
                registry.models.publish(request, by="ada")
                outcomes.append("published")
            except (Conflict, AlreadyThere):
                outcomes.append("told")

        threads = [
            threading.Thread(target=publish, args=pair, daemon=True)
            for pair in zip((site.registry, other), requests, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
    assert sorted(outcomes) == ["published"] * 3 + ["told"] * 3
    assert len(seen(client(site, tmp_path / "client"), ["press"])["press"]) == 3
    assert site.registry.log.verify() == other.log.verify()
    other.close()


def test_reports_come_in_while_a_version_is_published(site):
    """They wait for no signature."""
    site.add_model("press")
    device = Device("press-07")
    site.registry.devices.enrol(
        device.request(site.registry.devices.nonce(), site.registry.devices.create_enrolment_token("press-07", by="a"))
    )
    with site.registry._changing.turn.taken():
        assert site.registry.devices.report(device.report({"press": "1.0.0"})) == "press-07"
