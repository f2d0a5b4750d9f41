"""A registry over HTTP: a publisher, its rivals and its accidents, against a real server on the loopback."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3
from evaluating import encoded, report
from registering import PASSPHRASE, START, Clock, Site
from serving import Serving

from cloud_sync import layout, manifest
from cloud_sync.errors import Refused, SignatureInvalid, Unreachable
from cloud_sync.evaluation import GateRefused
from cloud_sync.publishing import HttpDesk, Knowledge, Publisher
from cloud_sync.registry.registry import Registry
from cloud_sync.trust import TrustedRepository
from cloud_sync.wire import HttpWire

WEIGHTS = bytes(range(256)) * 12_000  # two pieces of an upload


@pytest.fixture
def site(tmp_path):
    made = Site.make(tmp_path)
    made.add_model("parts")
    made.add_model("bolts")
    yield made
    made.registry.close()


@pytest.fixture
def url(site):
    with Serving(site.registry) as address:
        yield address


def token(site, role="publisher", models=("parts",)):
    return site.registry.tokens.create("ci", role, models=models if role == "publisher" else (), by="ada")[1]


def bundle(folder, model="parts", version="1.0.0", weights=WEIGHTS):
    """A packed folder; nobody runs it here."""
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(weights)
    (folder / "labels.txt").write_text(f"good\nbad {version}\n")
    manifest.write(folder, manifest.describe(folder, model, version))
    return folder


class Publishers:
    """Makes publishers, each with a memory of its own."""

    def __init__(self, site, url, tmp_path, now=START):
        self.site, self.url, self.folder, self.now = site, url, tmp_path, now
        self.count = 0

    def __call__(self, secret=None, *, model="parts", desk=None, root_sha256=None):
        self.count += 1
        wire = HttpWire(self.url, token=secret or token(self.site, models=(model,)))
        knowledge = Knowledge(self.folder / f"memory-{self.count}", wire, now=self.now, root_sha256=root_sha256)
        return Publisher(desk or HttpDesk(wire), knowledge, self.site.owners[model].signers, self.now)


@pytest.fixture
def publisher(site, url, tmp_path):
    return Publishers(site, url, tmp_path)


def seen(url, folder, now=START, model="parts", version="1.0.0"):
    """What a device is told of a version, verified."""
    root = HttpWire(url).read("metadata/1.root.json", 1 << 20)
    repository = TrustedRepository(folder, HttpWire(url), root=root, now=now)
    repository.refresh()
    return repository, repository.target(layout.manifest_target(model, version))


def test_what_is_published_is_what_devices_verify_and_what_is_yanked_is_gone(site, url, publisher, tmp_path):
    """Files by digest, hardware and release as signed; the key of the owner was never sent."""
    folder, told = bundle(tmp_path / "b"), []
    done = publisher().publish(folder, "canary", ["jetson-orin-nano"], lambda *progress: told.append(progress))
    repository, target = seen(url, tmp_path / "trusted")
    content = repository.read_target(target.path, 1 << 20)
    assert content == (folder / "manifest.json").read_bytes()
    assert (target.custom["release"], target.custom["hardware"]) == (1, ["jetson-orin-nano"])
    weights = manifest.decode(content).files[1]
    assert HttpWire(url).read(layout.blob(weights.sha256), 1 << 24) == WEIGHTS
    assert (done.uploaded.files, told[-1]) == (2, (done.uploaded.missing_bytes,) * 2)

    publisher().publish(bundle(tmp_path / "b2", version="1.1.0"), "canary", [])
    assert site.registry.assignments.one("channel:canary").models == {"parts": "1.1.0"}
    answer = publisher().yank("parts", "1.1.0")
    assert answer["returned"] == {"channel:canary": "1.0.0"}
    assert seen(url, tmp_path / "trusted", version="1.1.0")[1] is None
    publisher().publish(bundle(tmp_path / "b3", version="1.2.0"), None, [])
    assert seen(url, tmp_path / "trusted", version="1.2.0")[1].custom["release"] == 3


def test_only_what_is_missing_is_sent(publisher, tmp_path):
    """A second version with the same weights costs its labels."""
    publisher().publish(bundle(tmp_path / "b"), None, [])
    done = publisher().publish(bundle(tmp_path / "b2", version="1.1.0"), None, [])
    assert (done.uploaded.files, done.uploaded.sent_bytes) == (1, len("good\nbad 1.1.0\n"))


def test_an_upload_that_was_cut_goes_on_where_it_was(site, url, publisher, tmp_path):
    """What had arrived when the line broke is not sent again."""
    folder, secret = bundle(tmp_path / "b"), token(site)
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    head = (
        f"PUT /api/v1/uploads/{digest}?offset=0&length={len(WEIGHTS)} HTTP/1.1\r\nHost: registry\r\n"
        f"Authorization: Bearer {secret}\r\nContent-Length: 2000000\r\n\r\n"
    )
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port)) as line:
        line.sendall(head.encode() + WEIGHTS[:1_200_000])
    arrived, patience = 0, threading.Event()
    for _ in range(600):
        arrived = site.registry.blobs.offset(digest)
        if arrived == 1_200_000:
            break
        patience.wait(0.05)
    assert arrived == 1_200_000
    done = publisher(secret).publish(folder, None, [])
    labels = (folder / "labels.txt").stat().st_size
    assert done.uploaded.sent_bytes == len(WEIGHTS) - arrived + labels


def test_a_line_that_breaks_at_every_second_piece_is_no_obstacle(publisher, site, url, tmp_path, monkeypatch):
    """The registry is asked how far it has come, and the publisher goes on there."""

    class Broken(HttpDesk):
        calls = 0

        def upload(self, sha256, offset, length, piece):
            Broken.calls += 1
            if Broken.calls % 2:
                state = super().upload(sha256, offset, length, piece[: len(piece) // 2])
                raise Unreachable(f"cut at {state['offset']}")
            return super().upload(sha256, offset, length, piece)

    monkeypatch.setattr("cloud_sync.publishing.uploading.Uploads._rest", lambda *_: None)
    desk = Broken(HttpWire(url, token=token(site)))
    publisher(desk=desk).publish(bundle(tmp_path / "b"), None, [])
    assert seen(url, tmp_path / "trusted")[1] is not None


def test_the_second_of_two_publishers_is_told_and_nothing_of_its_version_is_seen(publisher, site, url, tmp_path):
    """Both built on the same state; the first wins, the second runs again and follows it."""
    first, wire = publisher(), HttpWire(url, token=token(site))

    class Slow(HttpDesk):
        def ask(self, method, path, body=None, query=None):
            if path.endswith("/versions"):
                first.publish(bundle(tmp_path / "b", weights=b"first"), None, [])
            return super().ask(method, path, body, query)

    late = bundle(tmp_path / "b2", version="1.1.0")
    with pytest.raises(Refused) as refused:
        publisher(desk=Slow(wire)).publish(late, "canary", [])
    assert refused.value.code == "conflict"
    assert seen(url, tmp_path / "trusted", version="1.1.0")[1] is None
    publisher().publish(late, "canary", [])
    assert seen(url, tmp_path / "trusted", version="1.1.0")[1].custom["release"] == 2


def test_a_version_that_exists_or_existed_is_never_another_one(publisher, tmp_path):
    """Not when it was published, and not when it was yanked."""
    publisher().publish(bundle(tmp_path / "b"), None, [])
    changed = bundle(tmp_path / "b2", weights=b"other")
    with pytest.raises(Refused, match="published already"):
        publisher().publish(changed, None, [])
    publisher().yank("parts", "1.0.0")
    with pytest.raises(Refused) as refused:
        publisher().publish(changed, None, [])
    assert refused.value.code == "already-there"


def test_the_team_of_one_model_cannot_publish_another(publisher, site, tmp_path):
    """Not with its token, and not with its key; the registry's own say does not help."""
    bolts = bundle(tmp_path / "b", model="bolts")
    with pytest.raises(Refused) as by_token:
        publisher(token(site, models=("parts",)), model="bolts").publish(bolts, None, [])
    assert by_token.value.code == "not-allowed"
    both = publisher(token(site, models=("parts", "bolts")))
    with pytest.raises(Refused, match="no owner's key of bolts"):
        both.publish(bolts, None, [])
    with pytest.raises(Refused) as by_nobody:
        publisher("guessed").publish(bundle(tmp_path / "b2"), None, [])
    assert by_nobody.value.code == "token-invalid"


def test_a_registry_that_is_another_one_is_noticed(publisher, site, url, tmp_path):
    """By its fingerprint, before anything is signed or sent."""
    root = (site.public / "metadata/1.root.json").read_bytes()
    folder = bundle(tmp_path / "b")
    with pytest.raises(SignatureInvalid):
        publisher(root_sha256="0" * 64).publish(folder, None, [])
    assert site.registry.blobs.offset(hashlib.sha256(WEIGHTS).hexdigest()) == 0
    known = publisher(root_sha256=hashlib.sha256(root).hexdigest())
    known.publish(folder, None, [])
    again = Knowledge(tmp_path / f"memory-{publisher.count}", HttpWire(url), now=START, root_sha256="1" * 64)
    with pytest.raises(SignatureInvalid, match="was known by root"):
        again.refresh()


def test_plain_files_are_served_as_any_web_server_would(site, url):
    """ETag, 304, parts and HEAD, as urllib3 sees them."""
    with urllib3.PoolManager() as pool:
        first = pool.request("GET", f"{url}/metadata/timestamp.json")
        again = pool.request("GET", f"{url}/metadata/timestamp.json", headers={"If-None-Match": first.headers["ETag"]})
        assert (first.status, again.status, again.data) == (200, 304, b"")
        digest = site.registry.blobs.put(WEIGHTS)
        blob = f"{url}/blobs/sha256/{digest}"
        part = pool.request("GET", blob, headers={"Range": "bytes=3000000-"})
        assert (part.status, part.data) == (206, WEIGHTS[3_000_000:])
        assert part.headers["Content-Range"] == f"bytes 3000000-{len(WEIGHTS) - 1}/{len(WEIGHTS)}"
        assert pool.request("GET", blob).data == WEIGHTS
        head = pool.request("HEAD", blob)
        assert (head.status, head.headers["Content-Length"], head.data) == (200, str(len(WEIGHTS)), b"")
        site.clock.forward(hours=30)
        site.registry.keys.refresh()
        changed = pool.request(
            "GET", f"{url}/metadata/timestamp.json", headers={"If-None-Match": first.headers["ETag"]}
        )
        assert changed.status == 200


def test_too_much_is_refused_and_the_server_goes_on(site, url):
    """By its head, and in pieces without one."""
    headers = {"Authorization": f"Bearer {token(site)}"}
    with urllib3.PoolManager(retries=False) as pool:
        address = f"{url}/api/v1/uploads/{'0' * 64}?offset=0&length=99999999"
        told = pool.request("PUT", address, headers=headers | {"Content-Length": str(9 << 20)}, body=b"x" * (1 << 16))
        assert told.status == 413
        report = pool.request("POST", f"{url}/api/v1/reports", body=iter([b"x" * 100_000] * 3), chunked=True)
        assert (report.status, report.json()["error"]["code"]) == (413, "request-too-large")
        assert pool.request("GET", f"{url}/metadata/timestamp.json").status == 200


def test_a_stranger_learns_nothing_of_a_fault_of_ours(site, url, monkeypatch):
    """500, and no word of what it was."""

    def fails(_):
        raise RuntimeError("password hunter2")

    monkeypatch.setattr(type(site.registry.models), "all", fails)
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request(
            "GET", f"{url}/api/v1/models", headers={"Authorization": f"Bearer {token(site, 'viewer')}"}
        )
    assert answer.status == 500
    assert answer.json()["error"]["code"] == "internal"
    assert b"hunter2" not in answer.data
    assert b"Traceback" not in answer.data


def test_a_server_killed_amid_a_publication_shows_the_old_or_the_new(tmp_path, chance):
    """At any fsync; started again, it serves one state, whole, and the publisher's second try ends well."""
    killed = [_killed(tmp_path / str(at), at) for at in chance.pick([chance.random.randint(1, 11)], range(1, 12))]
    assert any(killed)


def _killed(tmp_path: Path, at: int) -> bool:
    """Publish to a server that is killed at an fsync; whether it was."""
    now = datetime.now(timezone.utc)
    tmp_path.mkdir()
    clock, offline = Clock(now), tmp_path / "offline"
    Registry.init(tmp_path / "registry", offline, lambda _: PASSPHRASE, clock=clock, key_rounds=1000)
    site = Site(tmp_path / "registry", offline, clock, Registry.open(tmp_path / "registry", clock=clock))
    site.add_model("parts")
    site.publish("parts", "0.9.0", 1, {"model.tflite": b"old"}, "canary")
    secret = token(site)
    site.registry.close()
    command = [sys.executable, Path(__file__).parents[1] / "support" / "serving_killed.py", site.folder, str(at)]
    folder = bundle(tmp_path / "b")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        url = server.stdout.readline().strip()
        doomed = Publishers(site, url, tmp_path, now)(secret)
        try:
            doomed.publish(folder, "canary", [])
            killed = False
        except Unreachable:
            killed = True
        server.kill()
    with Registry.open(site.folder) as registry, Serving(registry) as url:
        repository, target = seen(url, tmp_path / "trusted", now)
        if target is not None:
            assert manifest.decode(repository.read_target(target.path, 1 << 20)).version == "1.0.0"
        expected = "0.9.0" if target is None else "1.0.0"
        assert registry.assignments.one("channel:canary").models == {"parts": expected}
        assert registry.models.one("parts").versions[0].version == expected
        if killed:
            again = Publishers(site, url, tmp_path / "again", now)(secret)
            with nullcontext() if target is None else pytest.raises(Refused, match="published already"):
                again.publish(folder, "canary", [])
        assert registry.assignments.one("channel:canary").models == {"parts": "1.0.0"}
    return killed


def evaluated_bundle(folder, version, hits):
    """A packed folder with an evaluation."""
    weights = f"{version} {'w' * 5000}".encode()
    bundle(folder, version=version, weights=weights)
    files = {"model.tflite": manifest.file_sha256(folder / "model.tflite")}
    (folder / "evaluation.json").write_bytes(encoded(report({"accuracy": hits}, files=files)))
    manifest.write(folder, manifest.describe(folder, "parts", version))
    return folder


def test_a_publisher_learns_before_any_upload_that_a_version_is_worse(site, url, publisher, tmp_path):
    """What it compares with is what the owners signed; with a reason it is published, and the reason is signed with it."""
    publisher().publish(evaluated_bundle(tmp_path / "b1", "1.0.0", "1" * 60), "stable", [])
    worse = evaluated_bundle(tmp_path / "b2", "1.1.0", "0" * 20 + "1" * 40)
    with pytest.raises(GateRefused, match=r"significantly worse than that of parts 1\.0\.0"):
        publisher().publish(worse, "stable", [])
    assert not site.registry.blobs.has(manifest.file_sha256(worse / "model.tflite"))

    done = publisher().publish(worse, "stable", [], unsafe_publish_worse="lamps were changed")
    assert len(done.refused) == 1
    _, target = seen(url, tmp_path / "trusted", version="1.1.0")
    assert target.custom["unsafe_publish_worse"] == "lamps were changed"
