"""Patches at publish time: from what the channel had and what devices report, where they are worth it."""

from __future__ import annotations

import hashlib
import random

import pytest
from registering import Device

from cloud_sync import deltas, layout
from cloud_sync.registry.errors import Conflict


def _weights(seed: int, tail: int = 0) -> bytes:
    content = random.Random(seed).randbytes(40_000)
    return content[: 40_000 - 2000] + random.Random(tail).randbytes(2000) if tail else content


def _index(site, content: bytes) -> dict:
    sha256 = hashlib.sha256(content).hexdigest()
    path = site.public / layout.patches_of(sha256)
    patches = deltas.decode_index(path.read_bytes(), sha256).patches if path.exists() else ()
    return {patch.source: patch for patch in patches}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_device_on_an_old_version_gets_a_patch_to_the_new_one(site, tmp_path):
    """One that the channel has left long ago, and that a device still reports."""
    site.add_model("press")
    contents = [_weights(1, tail) for tail in range(1, 5)]
    for number, content in enumerate(contents[:3], 1):
        site.publish("press", f"1.{number}.0", number, {"model.tflite": content}, "stable")
    device = Device("press-07")
    site.registry.devices.enrol(
        device.request(site.registry.devices.nonce(), site.registry.devices.create_enrolment_token("press-07", by="a"))
    )
    site.registry.devices.report(device.report({"press": "1.1.0", "other": "../../x"}))
    published = site.publish("press", "1.4.0", 4, {"model.tflite": contents[3]}, "stable")
    found = _index(site, contents[3])
    assert found.keys() == {_sha256(content) for content in contents[:3]}
    assert published.patches == 3
    patch = found[_sha256(contents[0])]
    old = site.registry.blobs.path(_sha256(contents[0]))
    deltas.apply_patch(
        site.registry.blobs.path(patch.sha256),
        old,
        tmp_path / "made",
        length_bytes=40_000,
        sha256=_sha256(contents[3]),
    )
    assert patch.length_bytes < 2500
    (differs,) = site.registry.models.diff("press", "1.1.0", "1.4.0").files
    assert differs.patch_bytes == patch.length_bytes


def test_a_file_without_patches_is_listed_with_its_pieces(site):
    """Sixteenths, so that a bad line costs one of them; what is as small as one has none."""
    site.add_model("press")
    content, small = _weights(1), random.Random(2).randbytes(4096)
    site.publish("press", "1.0.0", 1, {"model.tflite": content, "labels.txt": small}, "stable")
    path = site.public / layout.patches_of(_sha256(content))
    pieces = [_sha256(content[begin : begin + 4096]) for begin in range(0, 40_000, 4096)]
    assert deltas.decode_index(path.read_bytes(), _sha256(content)) == deltas.Index(tuple(pieces))
    assert not (site.public / layout.patches_of(_sha256(small))).exists()


def test_a_model_that_was_trained_anew_gets_no_patch(site):
    """It would save nothing; and noise does not shrink either."""
    site.add_model("press")
    site.publish("press", "1.0.0", 1, {"model.tflite": _weights(1)}, "stable")
    assert site.publish("press", "1.1.0", 2, {"model.tflite": _weights(2)}, "stable").patches == 0
    assert _index(site, _weights(2)) == {}


def test_what_shrinks_is_there_compressed(site):
    """For a device that has nothing; small files are left alone."""
    site.add_model("press")
    files = {"model.tflite": b"\0" * 30_000, "labels.txt": b"\0" * 4000}
    assert site.publish("press", "1.0.0", 1, files).patches == 1
    assert _index(site, files["model.tflite"]).keys() == {None}


def test_a_refused_version_costs_no_patches(solar, monkeypatch):
    """Whoever cannot publish cannot keep the registry busy."""
    monkeypatch.setattr(deltas, "make_patch", lambda *_: 1 / 0)
    request = solar.request("solar-cell", "1.1.0", 2, {"model.tflite": _weights(1)})
    solar.registry.models.publish(solar.request("solar-cell", "1.0.1", 2, {"labels.txt": b"x"}), by="ada")
    with pytest.raises(Conflict):
        solar.registry.models.publish(request, by="ada")
