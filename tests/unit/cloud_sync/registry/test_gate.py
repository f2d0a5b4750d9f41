"""The publish gate at the registry: it refuses as the publisher does, and what is published nevertheless says so for good."""

from __future__ import annotations

import hashlib

import pytest
from evaluating import encoded, report
from registering import client

from cloud_sync.evaluation import GateRefused, ReportInvalid
from cloud_sync.registry.errors import RoleRefused
from cloud_sync.registry.server.faults import status_of

GOOD, BAD = "1" * 100, "0" * 30 + "1" * 70
PATH = "models/solar-cell/1.1.0/manifest.json"


def files(model: bytes, hits: str | None, toml: bytes = b"") -> dict[str, bytes]:
    """A version with its evaluation."""
    found = {"model.tflite": model, "model.toml": toml}
    if hits is not None:
        digests = {path: hashlib.sha256(content).hexdigest() for path, content in found.items()}
        found["evaluation.json"] = encoded(report({"accuracy": hits}, files=digests))
    return found


@pytest.fixture
def evaluated(solar):
    """The channel names a version that was evaluated."""
    solar.publish("solar-cell", "1.0.1", 2, files(b"second", GOOD), "stable")
    return solar


def test_a_worse_version_is_refused_and_changes_nothing(evaluated):
    """Whatever the publisher's own side says; the answer of the API is 409, and neither channel nor log has it."""
    with pytest.raises(GateRefused, match=r"significantly worse than that of solar-cell 1\.0\.1") as refused:
        evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", BAD), "stable")
    assert status_of(refused.value) == 409
    assert evaluated.registry.assignments.one("channel:stable").models == {"solar-cell": "1.0.1"}
    assert [each.version for each in evaluated.registry.models.one("solar-cell").versions] == ["1.0.1", "1.0.0"]


def test_a_version_that_is_as_good_is_published(evaluated):
    """On the same samples."""
    evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", GOOD), "stable")
    assert evaluated.registry.assignments.one("channel:stable").models == {"solar-cell": "1.1.0"}


def test_a_reason_is_signed_and_logged(evaluated, tmp_path):
    """Every device can read it in what the owners signed; the log names what the gate had against it."""
    evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", BAD), "stable", unsafe="the line has new lamps")
    target = client(evaluated, tmp_path / "client").target(PATH)
    assert target.custom["unsafe_publish_worse"] == "the line has new lamps"
    line = next(
        each for each in evaluated.registry.models.history("solar-cell") if each.detail.get("version") == "1.1.0"
    )
    assert line.detail["unsafe_publish_worse"] == "the line has new lamps"
    assert "significantly worse" in line.detail["refused"][0]


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, 7])
def test_a_reason_that_is_none_is_refused(evaluated, reason):
    """An empty one would be a habit soon."""
    with pytest.raises(RoleRefused, match="reason"):
        evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", BAD), "stable", unsafe=reason)


def test_another_channel_has_nothing_to_compare_with(evaluated):
    """A trial channel may have what is not yet good; its bounds hold there, too."""
    evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", BAD), "trial")
    bounded = files(b"fourth", GOOD, b"[bounds]\naccuracy = 0.9\n")
    with pytest.raises(GateRefused, match=r"accuracy is bound to be at least 0\.9"):
        evaluated.publish("solar-cell", "1.2.0", 4, bounded, "trial")
    with pytest.raises(GateRefused):
        evaluated.publish("solar-cell", "1.2.0", 4, bounded)


def test_a_report_that_cannot_be_read_is_refused(evaluated):
    """Of the new version; one of an old version only cannot be compared with."""
    with pytest.raises(ReportInvalid):
        evaluated.publish("solar-cell", "1.1.0", 3, {"evaluation.json": b"{}"}, "stable")


def test_a_channel_does_not_go_on_to_a_worse_version(evaluated):
    """Publishing it for a trial first is no way around; a return to an earlier release is never held up."""
    evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", BAD), "trial")
    with pytest.raises(GateRefused, match="significantly worse"):
        evaluated.registry.assignments.set_channel("stable", {"solar-cell": "1.1.0"}, by="ada")
    assert evaluated.registry.assignments.one("channel:stable").models == {"solar-cell": "1.0.1"}
    evaluated.publish("solar-cell", "1.2.0", 4, files(b"fourth", GOOD), "trial")
    evaluated.registry.assignments.set_channel("stable", {"solar-cell": "1.2.0"}, by="ada")
    evaluated.registry.assignments.set_channel("stable", {"solar-cell": "1.0.0"}, by="ada")
    assert evaluated.registry.assignments.one("channel:stable").models == {"solar-cell": "1.0.0"}


def test_a_version_whose_owners_say_why_may_go_on(evaluated):
    """What they signed holds for every channel."""
    evaluated.publish("solar-cell", "1.1.0", 3, files(b"third", BAD), "trial", unsafe="the line has new lamps")
    evaluated.registry.assignments.set_channel("stable", {"solar-cell": "1.1.0"}, by="ada")
    assert evaluated.registry.assignments.one("channel:stable").models == {"solar-cell": "1.1.0"}
