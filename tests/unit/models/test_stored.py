"""Models of a registry on the shelf: the active version as its record says, the previous one where that does not load."""

from __future__ import annotations

import pytest
import tiny_models
from stocking import PIPELINE, activated, stage, version_folder

from agent.core.errors import ModelAwaited
from agent.models.settings import ModelSettings, RuntimeSettings
from agent.models.shelf import ModelShelf
from agent.models.trial import Prover
from cloud_sync.store import ModelStore


def shelf_of(tmp_path):
    store, said, findings = ModelStore(tmp_path), [], []
    shelf = ModelShelf(
        {"m": ModelSettings(registry="tiny")},
        RuntimeSettings(),
        Prover(tmp_path),
        store=store,
        on_version=lambda _, version: said.append((version.version, version.state)),
        on_finding=lambda _, finding: findings.append(finding.code),
    )
    return shelf, store, said, findings


def damage(store, version):
    path = store.folder(version.digest) / "model.tflite"
    path.chmod(0o644)
    path.write_bytes(tiny_models.classifier(seed=77))


def test_without_a_version_the_model_is_awaited_and_loads_as_soon_as_there_is_one(tmp_path):
    """A fault that may pass: the agent goes on, and the next try finds it."""
    shelf, store, said, _ = shelf_of(tmp_path)
    with pytest.raises(ModelAwaited, match=r"models\.m waits for the first version of tiny") as raised:
        shelf.load(PIPELINE)
    assert raised.value.retryable
    version = activated(store, version_folder(tmp_path / "a", "1.0.0"))
    model = shelf.load(PIPELINE)
    assert (model.reference.version, model.reference.digest) == ("1.0.0", f"sha256:{version.digest}")
    assert said == [("1.0.0", "active")]


def test_a_damaged_active_version_is_thrown_out_and_the_previous_one_works(tmp_path):
    """It is told, the next sync fetches it again, and every later load of this start gives the same version."""
    shelf, store, said, findings = shelf_of(tmp_path)
    activated(store, version_folder(tmp_path / "a", "1.0.0"))
    new = activated(store, version_folder(tmp_path / "b", "1.1.0"))
    damage(store, new)
    assert [shelf.load(PIPELINE).reference.version for _ in range(2)] == ["1.0.0", "1.0.0"]
    assert said == [("1.1.0", "rejected"), ("1.0.0", "active")]
    assert findings == ["previous-works"]
    assert store.folder(new.digest) is None


def test_where_neither_loads_the_model_is_awaited(tmp_path):
    """The agent does not end: a sync may bring one that works."""
    shelf, store, said, _ = shelf_of(tmp_path)
    damage(store, activated(store, version_folder(tmp_path / "a", "1.0.0")))
    with pytest.raises(ModelAwaited, match=r"tiny 1\.0\.0 is active and does not load"):
        shelf.load(PIPELINE)
    assert said == [("1.0.0", "rejected")]


def test_a_version_that_has_worked_is_not_left_for_the_previous_one(tmp_path):
    """A second pipeline that cannot load it fails: two pipelines of one model never work with two versions."""
    shelf, store, _, _ = shelf_of(tmp_path)
    activated(store, version_folder(tmp_path / "a", "1.0.0"))
    new = activated(store, version_folder(tmp_path / "b", "1.1.0"))
    assert shelf.load(PIPELINE).reference.version == "1.1.0"
    damage(store, new)
    with pytest.raises(ModelAwaited):
        shelf.load(PIPELINE)


def test_a_record_that_names_another_model_is_not_believed(tmp_path):
    """What the folder says that it is must be what was activated."""
    shelf, store, _, _ = shelf_of(tmp_path)
    version = stage(store, version_folder(tmp_path / "a", "1.0.0", name="other"), want=False)
    store.activate({"tiny": type(version)("tiny", "1.0.0", version.digest)})
    with pytest.raises(ModelAwaited, match=r"says that it is other 1\.0\.0"):
        shelf.load(PIPELINE)
