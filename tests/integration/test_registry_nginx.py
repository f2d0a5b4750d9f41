"""A registry behind nginx, by the server block of the how-to page as it stands there."""

from __future__ import annotations

import hashlib
import json

import pytest
import urllib3
from authority import Authority
from nginx import Nginx, documented, needs_nginx
from serving import Serving
from sync_world import CHANNEL, DEVICE, FIRST, MODEL, NEW, SECOND, Station, make_site

from cloud_sync import layout
from cloud_sync.errors import NotFound
from cloud_sync.wire import HttpWire

pytestmark = needs_nginx


@pytest.fixture
def site(tmp_path):
    made = make_site(tmp_path)
    made.publish(MODEL, "1.0.0", 1, FIRST, CHANNEL)
    yield made
    made.registry.close()


@pytest.fixture
def front(site, tmp_path, monkeypatch):
    """The address of nginx, whose certificate this process' TLS trusts."""
    authority = Authority("plant")
    monkeypatch.setenv("SSL_CERT_FILE", authority.write(tmp_path / "ca.pem"))
    files = authority.issue(tmp_path, "registry", host="127.0.0.1")
    with Serving(site.registry) as url:
        changes = {
            "fullchain.pem": files["cert_file"],
            "privkey.pem": files["key_file"],
            "/srv/lineside/registry/public": str(site.public),
            "http://127.0.0.1:8377": url,
        }
        with Nginx(tmp_path, documented(), changes) as nginx:
            yield f"https://127.0.0.1:{nginx.port}"


def test_a_device_is_admitted_updated_by_a_patch_and_heard(site, front, tmp_path):
    """All its ways go through nginx: files, enrolment, reports."""
    token = site.registry.devices.create_enrolment_token(DEVICE, by="ada")
    device = Station(tmp_path / "state", site.public / "metadata" / "1.root.json", front, {"enrol_token": token})
    outcome = device.poll()
    assert (outcome["state"], outcome["enrolment"], outcome["report_error"]) == ("staged", "admitted", None)
    device.adopt()
    device.options = {}
    site.publish(MODEL, "1.1.0", 2, SECOND, CHANNEL)
    outcome = device.poll()
    assert (outcome["staged"], outcome["error"]) == ({MODEL: "1.1.0"}, None)
    assert outcome["bytes"] < len(NEW) / 2
    assert site.registry.devices.one(DEVICE).events


def test_what_may_change_is_asked_for_each_time_and_the_rest_kept(site, front):
    """As the page says that whatever serves should."""
    digest = hashlib.sha256(FIRST["model.tflite"]).hexdigest()
    with urllib3.PoolManager(retries=False) as pool:
        for path, kept in {
            "metadata/timestamp.json": "no-cache",
            f"assignments/channel:{CHANNEL}.json": "no-cache",
            f"deltas/sha256/{digest}.json": "no-cache",
            "metadata/1.root.json": "immutable",
            layout.blob(digest): "immutable",
        }.items():
            answer = pool.request("GET", f"{front}/{path}", headers={"Accept-Encoding": "gzip"})
            assert (answer.status, answer.headers.get("Content-Encoding")) == (200, None), path
            assert kept in answer.headers["Cache-Control"], path
            again = pool.request("GET", f"{front}/{path}", headers={"If-None-Match": answer.headers["ETag"]})
            assert again.status == 304, path
        absent = pool.request("GET", f"{front}/metadata/99.root.json")
        assert (absent.status, absent.headers.get("Cache-Control")) == (404, None)


def test_a_cut_download_goes_on_and_nothing_is_taken_where_files_lie(site, front, tmp_path):
    """Ranges work; a POST beside the API is told by its status."""
    content = FIRST["model.tflite"]
    digest = hashlib.sha256(content).hexdigest()
    (tmp_path / "blob.partial").write_bytes(content[:-100])
    with HttpWire(front) as wire:
        arguments = {"length_bytes": len(content), "sha256": digest}
        assert wire.download(layout.blob(digest), tmp_path / "blob", **arguments) == 100
        with pytest.raises(NotFound, match="answers 405, as plain files do"):
            wire.post("metadata/timestamp.json", b"x", 10_000)


def test_a_piece_of_an_upload_and_a_refusal_come_through(site, front):
    """What the API says is not replaced by a page of nginx.

    A refusal that comes before a large piece has been sent is: nginx drops it with the connection. Publishers ask what is missing first,
    and are refused there.
    """
    token = site.registry.tokens.create("ci", "publisher", models=(MODEL,), by="ada")[1]
    large, small = bytes(range(256)) * (8 << 10), b"guess"
    for secret, content, status, code in ((token, large, 200, None), ("guessed", small, 401, "token-invalid")):
        digest = hashlib.sha256(content).hexdigest()
        with HttpWire(front, token=secret) as wire:
            answer = wire.ask(
                "PUT",
                f"api/v1/uploads/{digest}?offset=0&length={len(content)}",
                content=content,
                max_bytes=10_000,
            )
        assert answer.status == status, answer.content
        assert json.loads(answer.content).get("error", {}).get("code") == code
    assert site.registry.blobs.has(hashlib.sha256(large).hexdigest())
