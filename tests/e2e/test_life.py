"""A running agent judges new versions by its own frames: a good one stays, a worse one goes, and no number is missing."""

from __future__ import annotations

import time

import cv2
import pytest
from asking import Asker
from broker import needs_mosquitto
from clips import picture
from command import lineside
from deadlines import LONG_S
from folder_registry import FolderRegistry
from line import Agent, configure
from stocking import version_folder

from agent.capture.folder import SampleFolder
from agent.control import ask
from agent.core.sequential import needed

pytestmark = [needs_mosquitto, pytest.mark.timeout(600)]

ROOT = "lineside/v1/plant/line/press"
LINE = """\
[sources.cam]
type = "images"
url = "pictures"
loop = true
realtime = true
rate_hz = 40
[models.tiny]
registry = "tiny"
[models.tiny.gates]
shadow_frames = 5
shadow_s = 0
canary_frames = 5
canary_s = 0
bake_frames = 100
bake_s = 0
[pipelines.inspect]
source = "cam"
model = "tiny"
[pipelines.inspect.capture]
reasons = ["disagreement", "feedback"]
every_s = 0
min_difference = 0
[samples]
reserve_bytes = 0
[commands]
allow = ["feedback"]
[sync]
root = "{root}"
"""


class Line:
    """An agent, its registry on a stick, and who listens."""

    def __init__(self, folder, broker, subscriber) -> None:
        self.folder, self.subscriber, self.port = folder, subscriber, broker.port
        self.registry = FolderRegistry(folder / "registry")
        (folder / "pictures").mkdir()
        cv2.imwrite(str(folder / "pictures/part.png"), picture(27))
        self.config = configure(folder, broker.port, LINE.format(root=self.registry.root))

    def bring(self, version, *, labels=("dark", "bright")) -> None:
        """A version comes on a stick; with its labels the other way round it decides otherwise on every part."""
        place = version_folder(self.folder / version, version)
        files = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        files.pop("manifest.json")
        files["labels.txt"] = "\n".join(labels).encode() + b"\n"
        self.registry.publish("tiny", version, files)
        self.registry.assign("channel:stable", {"tiny": version})
        ask(self.folder / "state", "sync import", dir=str(self.registry.folder))

    def wait(self, role, version, state, saying="") -> dict:
        """What `model/tiny/state` says of a version, as soon as it is in a state."""

        def has(body) -> bool:
            one = body[role]
            return bool(one) and (one["version"], one["state"]) == (version, state) and saying in (one["reason"] or "")

        return self.subscriber.wait_for("model/tiny/state", has, LONG_S).body

    def disputed(self) -> list[str]:
        """Predictions on which the two differ."""
        trial = ask(self.folder / "state", "status")["trials"].get("tiny", {})
        return [each["prediction"] for each in trial.get("disputed", [])]

    def give_feedback(self, count) -> None:
        """Somebody calls so many disputed predictions right, as soon as there are so many."""
        until_s = time.monotonic() + LONG_S  # the shadow sees few frames where others keep the machine busy
        while len(ids := self.disputed()) < count:
            assert time.monotonic() < until_s, ids
            time.sleep(0.1)  # between two looks
        with Asker(self.port, ROOT) as asker:
            assert asker.ask("feedback", {"prediction": "0193", "verdict": "right"}).verdict == (False, "unknown_name")
            for name in ids[:count]:
                assert asker.ask("feedback", {"prediction": name, "verdict": "right"}).verdict == (True, None)


def test_a_good_version_stays_a_worse_one_is_found_out_and_one_that_was_let_through_is_returned_from(
    tmp_path, broker, subscriber
):
    """By shadow, canary and bake time; by feedback over MQTT; by the watch over what an operator confirmed unseen. Not one number is missing."""
    line = Line(tmp_path, broker, subscriber)
    with Agent(line.config) as agent:
        subscriber.wait_for("status", lambda s: s["reasons"], LONG_S)
        line.bring("1.0.0")
        line.wait("active", "1.0.0", "active", "confirmed")

        line.bring("1.1.0")
        line.wait("candidate", "1.1.0", "shadow")
        line.wait("candidate", "1.1.0", "canary")
        line.wait("active", "1.1.0", "active")
        line.wait("active", "1.1.0", "active", "confirmed")

        line.bring("1.2.0", labels=("bright", "dark"))
        line.wait("candidate", "1.2.0", "shadow", "waits for feedback")
        line.give_feedback(needed(0.05))
        line.wait("candidate", "1.2.0", "rejected", "worse")

        line.bring("1.3.0", labels=("bright", "dark"))
        line.wait("candidate", "1.3.0", "shadow")
        shown = lineside("status", "-c", line.config)
        assert "on trial  tiny 1.3.0, in its shadow" in shown.out
        said = lineside("model", "confirm", "tiny", "-c", line.config)
        assert (said.code, "becomes active" in said.out) == (0, True), said
        line.wait("active", "1.3.0", "active")
        line.wait("candidate", "1.3.0", "rejected", "its reference")
        line.wait("active", "1.1.0", "active", "returned to")
        assert lineside("model", "return", "tiny", "-c", line.config).code == 1, "there is nothing before it any more"
        made = len(subscriber.bodies("inspect/prediction"))
        subscriber.wait_count("inspect/prediction", made + 5)
        assert agent.stop() == 0
    predictions = subscriber.bodies("inspect/prediction")
    assert [p["seq"] for p in predictions] == list(range(len(predictions)))
    versions = [p["model"]["version"] for p in predictions]
    assert versions[-1] == "1.1.0"
    assert "1.2.0" not in versions, "it never decided a frame"
    decided_wrong = [p["model"]["version"] for p in predictions if p["decision"] == "accept"]
    assert set(decided_wrong) == {"1.3.0"}
    samples = list(SampleFolder(tmp_path / "state").samples())
    said = [sample.disagreement for sample in samples if "disagreement" in sample.reasons]
    assert said
    assert all(both["active"]["decision"] != both["candidate"]["decision"] for both in said)
    judged = [sample for sample in samples if "feedback" in sample.reasons]
    assert judged
    assert all(sample.label == sample.prediction["result"]["label"] for sample in judged), "they were called right"
