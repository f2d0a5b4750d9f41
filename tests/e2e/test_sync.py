"""A running agent takes new versions from a registry: over HTTP, by a nudge, by hand and from a stick; numbers go on, faulty ones do not stay."""

from __future__ import annotations

import functools
import http.server
import threading

import cv2
import pytest
from asking import Asker
from broker import needs_mosquitto
from clips import picture
from command import lineside
from folder_registry import FolderRegistry
from line import Agent, configure
from stocking import version_folder

pytestmark = needs_mosquitto

ROOT = "lineside/v1/plant/line/press"
BRIGHT = 27
RIGHT, WRONG = {"dark": 0, "bright": 255}, {"dark": 255, "bright": 0}
LINE = """\
[sources.cam]
type = "images"
url = "pictures"
loop = true
realtime = true
rate_hz = 30
[models.tiny]
registry = "tiny"
gates = {{ shadow_frames = 0, canary_frames = 0, bake_frames = 0, bake_s = 0 }}
[models.apart]
registry = "tiny"
gates = {{ shadow_frames = 0, canary_frames = 0, bake_frames = 0, bake_s = 0 }}
isolation = "process"
[pipelines.inspect]
source = "cam"
model = "tiny"
[pipelines.again]
source = "cam"
model = "apart"
[commands]
allow = ["sync"]
[sync]
url = "http://127.0.0.1:{port}"
root = "{root}"
interval_s = 3600
jitter_s = 0
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files, and nobody who takes reports."""

    def log_message(self, *_) -> None:
        """Nothing."""


@pytest.fixture
def registry(tmp_path):
    made = FolderRegistry(tmp_path / "registry")
    handler = functools.partial(Quiet, directory=str(made.folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


@pytest.fixture
def config(tmp_path, broker, registry):
    """A line on which every part is bright; two pipelines of one model, one of them in a process of its own."""
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/part.png"), picture(BRIGHT))
    tables = LINE.format(port=registry.port, root=registry.root)
    return configure(tmp_path, broker.port, tables, device="health_interval_s = 1")


def publish(registry, folder, version, **more):
    """A version as the registry's, assigned to the channel."""
    place = version_folder(folder / version, version, **more)
    files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
    files.pop("manifest.json")
    registry.publish("tiny", version, files)
    registry.assign("channel:stable", {"tiny": version})


def made_by(subscriber, version) -> None:
    """Both pipelines work with a version."""
    for pipeline in ("inspect", "again"):
        subscriber.wait_for(f"{pipeline}/prediction", lambda p: p["model"]["version"] == version, 60)


@pytest.mark.timeout(300)
def test_an_agent_takes_the_first_version_the_next_and_none_that_is_faulty(
    config, registry, subscriber, broker, tmp_path
):
    """From nothing to a version by a nudge over MQTT, to the next by hand, past a faulty one, and by a stick where no agent runs."""
    registry.assign("channel:stable", {})
    with Agent(config) as agent:
        awaited = subscriber.wait_for("status", lambda s: len(s["reasons"]) == 2, 60).body
        assert "waits for the first version of tiny" in awaited["reasons"][0]
        publish(registry, tmp_path, "1.0.0", golden=RIGHT)
        with Asker(broker.port, ROOT) as asker:
            assert asker.ask("sync", {"id": "s1"}).verdict == (True, None)
        made_by(subscriber, "1.0.0")
        publish(registry, tmp_path, "1.1.0", golden=RIGHT)
        now = lineside("sync", "now", "-c", config, "--json")
        assert (now.code, now.json["models"]["tiny"]["active"]["version"]) == (0, "1.1.0"), now
        made_by(subscriber, "1.1.0")
        publish(registry, tmp_path, "1.2.0", golden=WRONG)
        lineside("sync", "now", "-c", config)
        state = subscriber.wait_for(
            "model/tiny/state", lambda s: s["candidate"] and s["candidate"]["state"] == "rejected", 60
        )
        assert [state.body[key] and state.body[key]["version"] for key in ("active", "candidate", "previous")] == [
            "1.1.0",
            "1.2.0",
            "1.0.0",
        ]
        assert "golden samples" in state.body["candidate"]["reason"]
        assert agent.stop() == 0
    for pipeline in ("inspect", "again"):
        predictions = subscriber.bodies(f"{pipeline}/prediction")
        assert [p["seq"] for p in predictions] == list(range(len(predictions)))
        versions = [p["model"]["version"] for p in predictions]
        assert versions == sorted(versions)
        assert set(versions) == {"1.0.0", "1.1.0"}
    by_frame = [
        {p["frame"]["index"]: p["model"]["version"] for p in subscriber.bodies(f"{pipeline}/prediction")}
        for pipeline in ("inspect", "again")
    ]
    seen_by_both = by_frame[0].keys() & by_frame[1].keys()
    assert {by_frame[0][index] for index in seen_by_both} == {"1.0.0", "1.1.0"}
    assert [index for index in seen_by_both if by_frame[0][index] != by_frame[1][index]] == []

    publish(registry, tmp_path, "1.3.0")
    stick = lineside("sync", "import", registry.folder, "-c", config)
    assert (stick.code, "1.3.0" in stick.out) == (0, True), stick
    with Agent(config):
        made_by(subscriber, "1.3.0")
