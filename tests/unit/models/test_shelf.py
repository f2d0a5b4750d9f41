"""The shelf: each model opened and tried once, loaded per pipeline, and told about once."""

from __future__ import annotations

import threading

import numpy as np
import psutil
import pytest
import tiny_models
from deadlines import LONG_S
from line import write_bundle

from agent.core.errors import ModelRefused, NotTrusted
from agent.models.bundle import open_bundle
from agent.models.execution import Delegate, Execution, threads_of
from agent.models.interpreter import Interpreter
from agent.models.settings import DelegateSettings, ModelSettings, RuntimeSettings
from agent.models.shelf import ModelShelf, execution
from agent.models.trial import Prover
from agent.pipeline.settings import PipelineSettings
from cloud_sync import manifest


def shelf_of(tmp_path, **models):
    versions, findings = [], []
    shelf = ModelShelf(
        {name: ModelSettings.model_validate(table) for name, table in models.items()},
        RuntimeSettings(),
        Prover(tmp_path),
        on_version=lambda name, version: versions.append((name, version.state, version.reason)),
        on_finding=lambda name, finding: findings.append((name, finding.code)),
    )
    return shelf, versions, findings


def test_two_pipelines_get_interpreters_of_their_own_and_one_announcement(tmp_path):
    """Loaded at once from two threads; the model is told to be active once, its findings once."""
    shelf, versions, findings = shelf_of(tmp_path, m={"path": write_bundle(tmp_path / "b")})
    loaded = []
    threads = [
        threading.Thread(target=lambda: loaded.append(shelf.load(PipelineSettings(source="s", model="m"))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG_S)
    assert len(loaded) == 2
    assert loaded[0] is not loaded[1]
    assert [(name, state) for name, state, _ in versions] == [("m", "active")]
    assert findings == [("m", "not-packed")]
    dark = np.zeros((8, 8, 3), np.uint8)
    assert [model.predict(dark).label for model in loaded] == ["dark", "dark"]


def test_a_refused_model_is_rejected_with_its_reason_and_may_be_mended(tmp_path):
    """The next try opens the folder anew."""
    folder = write_bundle(tmp_path / "b", model=tiny_models.unresolved_custom_op())
    shelf, versions, _ = shelf_of(tmp_path, m={"path": folder})
    pipeline = PipelineSettings(source="s", model="m")
    with pytest.raises(ModelRefused):
        shelf.load(pipeline)
    assert versions[0][1] == "rejected"
    assert "NoSuchOperator" in versions[0][2]
    write_bundle(folder)
    shelf.load(pipeline)
    assert versions[-1][1] == "active"


def test_a_pipeline_may_set_its_own_decision(tmp_path):
    """It replaces the bundle's, and must name one of the model's labels."""
    shelf, versions, _ = shelf_of(tmp_path, m={"path": write_bundle(tmp_path / "b")})
    own = {"source": "s", "model": "m", "decision": {"reject": {"label": "dark", "min_score": 0.7}}}
    rule = shelf.load(PipelineSettings.model_validate(own)).rule
    assert rule is not None
    assert (rule.label, rule.min_score) == ("dark", 0.7)
    own["decision"] = {"reject": {"label": "drak"}}
    with pytest.raises(ModelRefused, match="drak"):
        shelf.load(PipelineSettings.model_validate(own))
    assert [state for _, state, _ in versions] == ["active"], "the fault is the pipeline's, the model runs elsewhere"


def test_a_file_that_changes_under_a_running_agent_is_not_loaded(tmp_path):
    """What a prediction names is what made it: the manifest is compared at each load."""
    folder = write_bundle(tmp_path / "b")
    manifest.write(folder, manifest.describe(folder, "tiny", "1.0.0"))
    shelf, versions, _ = shelf_of(tmp_path, m={"path": folder})
    shelf.load(PipelineSettings(source="s", model="m"))
    (folder / "model.tflite").write_bytes(tiny_models.classifier(seed=5))
    with pytest.raises(NotTrusted):
        shelf.load(PipelineSettings(source="s", model="m"))
    assert [state for _, state, _ in versions] == ["active", "rejected"]


@pytest.mark.parametrize(("longest_ms", "isolated"), [(0.0, True), (1e9, False)])
def test_beside_a_line_that_works_what_loads_for_long_gets_a_process_of_its_own(
    tmp_path, monkeypatch, longest_ms, isolated
):
    """Loading keeps Python's lock, and the line would stand still; at the start of the agent nothing waits."""
    monkeypatch.setattr("agent.models.shelf.LONGEST_PAUSE_MS", longest_ms)
    bundle = open_bundle(write_bundle(tmp_path / "b"))
    shelf, *_ = shelf_of(tmp_path, m={"path": bundle.folder})
    pipeline = PipelineSettings(source="s", model="m")
    first, beside = shelf.load(pipeline), shelf.load_beside(pipeline, bundle)
    children = len(psutil.Process().children())
    beside.close()
    assert children - len(psutil.Process().children()) == isolated
    assert first.predict(np.zeros((8, 8, 3), np.uint8)).label == "dark"


def test_a_model_runs_as_it_says_else_as_all_do():
    """Threads and delegates of the model's table win over [runtime]."""
    runtime = RuntimeSettings(threads=2)
    own = ModelSettings.model_validate({"path": "x", "delegates": [DelegateSettings(kind="none")]})
    assert execution(ModelSettings.model_validate({"path": "x"}), runtime, 2).threads == 2
    how = execution(own, runtime, 2)
    assert (how.threads, [delegate.kind for delegate in how.delegates]) == (2, ["none"])


@pytest.mark.parametrize(
    ("streams", "cores", "threads", "lone_threads", "expected"),
    [
        (1, 4, 1, 2, 2),  # alone on the machine: what the profile says that pays
        (1, 2, 1, 2, 1),  # the second core decodes
        (1, 1, 1, 2, 1),
        (2, 4, 1, 2, 1),  # two streams: one thread each does more
        (1, 4, 3, 2, 3),  # who asks for more has it
        (4, 4, 2, 4, 2),
    ],
)
def test_only_a_lone_stream_gets_more_threads(streams, cores, threads, lone_threads, expected):
    """Two interpreters of one thread do more than one of two."""
    got = threads_of(streams=streams, cores=cores, threads=threads, lone_threads=lone_threads)
    assert got == expected


@pytest.mark.parametrize("delegates", [(Delegate("none"),), (Delegate(),)])
def test_without_xnnpack_there_is_one_thread(tmp_path, delegates):
    """The reference kernels spin: two threads take three times as long as one."""
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.classifier())
    interpreter = Interpreter(path, Execution(4, delegates))
    assert interpreter.threads == (4 if interpreter.delegate == "xnnpack" else 1)
    assert (interpreter.delegate == "xnnpack") == (delegates[0].kind == "xnnpack")
