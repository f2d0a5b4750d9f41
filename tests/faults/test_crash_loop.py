"""A version that takes the agent down: after three runs the next start works with the one before it, and says why."""

from __future__ import annotations

import cv2
import pytest
from broker import Mosquitto, Subscriber, needs_mosquitto
from clips import picture
from command import lineside
from folder_registry import FolderRegistry
from line import Agent, configure
from stocking import version_folder

from cloud_sync.store import ModelStore

pytestmark = [needs_mosquitto, pytest.mark.timeout(600)]

LINE = """\
[sources.cam]
type = "images"
url = "pictures"
loop = true
realtime = true
rate_hz = 20
[models.tiny]
registry = "tiny"
[models.tiny.gates]
{gates}
[pipelines.inspect]
source = "cam"
model = "tiny"
[sync]
root = "{root}"
"""
GATES = {
    "active": "shadow_frames = 0\ncanary_frames = 0\nbake_frames = 1000000\n",
    "shadow": "shadow_frames = 1000000\n",
}


@pytest.fixture
def broker():
    with Mosquitto() as made:
        yield made


@pytest.fixture
def subscriber(broker):
    with Subscriber(broker.port, "lineside/v1/plant/line/press/#") as made:
        yield made


@pytest.mark.parametrize("state", GATES)
def test_a_version_that_took_three_runs_down_is_rejected_before_it_is_loaded_again(
    tmp_path, broker, subscriber, chance, state
):
    """SIGKILL in place of its crash. The old version works from the first frame on, and numbers have no gap in any session."""
    if not chance.runs_all:
        pytest.skip(
            "five starts of an agent; the rule is in tests/unit/life/test_starting.py, --faults=all runs this too"
        )
    registry = FolderRegistry(tmp_path / "registry")
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures/part.png"), picture(27))
    config = configure(tmp_path, broker.port, LINE.format(root=registry.root, gates=GATES[state]))
    store = ModelStore(tmp_path / "state")

    def bring(version) -> None:
        place = version_folder(tmp_path / version, version)
        files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        files.pop("manifest.json")
        registry.publish("tiny", version, files)
        registry.assign("channel:stable", {"tiny": version})
        came = lineside("sync", "import", registry.folder, "-c", config)
        assert came.code == 0, came

    def sessions() -> set[str]:
        """So far. One that was killed at once has told its state, and perhaps made no prediction."""
        return {b["session"] for topic in ("inspect/prediction", "tiny/state") for b in subscriber.bodies(topic)}

    def works_with(before, version, role="active", state="active") -> None:
        def is_so(body) -> bool:
            one = body[role]
            return bool(one) and (one["version"], one["state"]) == (version, state) and body["session"] not in before

        subscriber.wait_for("model/tiny/state", is_so, 60)

    bring("1.0.0")
    before = sessions()
    with Agent(config):
        works_with(before, "1.0.0")
        assert lineside("model", "confirm", "tiny", "-c", config).code == 0
        subscriber.wait_for("model/tiny/state", lambda s: "confirmed" in (s["active"]["reason"] or ""), 60)
        bring("1.1.0")
        tried = {"version": "1.1.0", "role": "active" if state == "active" else "candidate", "state": state}
        subscriber.wait_for(
            "model/tiny/state",
            lambda s: (
                bool(s[tried["role"]]) and (s[tried["role"]]["version"], s[tried["role"]]["state"]) == ("1.1.0", state)
            ),
            60,
        )
    for _ in range(2):
        before = sessions()
        with Agent(config):
            works_with(before, **tried)
    before = sessions()
    with Agent(config) as agent:
        works_with(before, "1.0.0")
        works_with(before, "1.1.0", role="candidate", state="rejected")
        session = subscriber.bodies("model/tiny/state")[-1]["session"]
        subscriber.wait_for("inspect/prediction", lambda p: p["session"] == session, 60)
        assert agent.stop() == 0
    assert "3 runs in a row" in store.rejected()["tiny"].reason
    assert store.active("tiny").version == "1.0.0"
    last = [p for p in subscriber.bodies("inspect/prediction") if p["session"] == session]
    assert {p["model"]["version"] for p in last} == {"1.0.0"}
    assert [p["seq"] for p in last] == list(range(len(last)))
