"""The child process that tries a model file first: whatever the file does, the parent gets a report or a sentence."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import psutil
import pytest
import tiny_models
from processes import wait_for_end

from agent.core.errors import ModelRefused
from agent.models import trial
from agent.models.children import PACKAGES
from agent.models.execution import Delegate, Execution, TrialLimits
from agent.models.trial import Prover, try_model
from cloud_sync.manifest import file_sha256

SHORT = TrialLimits(timeout_s=60)
DAMAGED_COPIES = int(os.environ.get("LINESIDE_TEST_DAMAGED", "12"))
"""A seeded slice; `LINESIDE_TEST_DAMAGED=1000` takes them all, in a minute or two."""


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(tiny_models.classifier())
    return path


def written(tmp_path, content: bytes):
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    return path


def test_a_good_model_is_described(model):
    """Tensors, delegate and runtime as the interpreter has them."""
    report = try_model(model, Execution(), SHORT)
    assert [(t.dtype, t.shape) for t in report.inputs] == [("int8", (1, 8, 8, 3))]
    assert [(t.dtype, t.shape) for t in report.outputs] == [("int8", (1, 2))]
    assert report.delegate == "xnnpack"
    assert 0 < report.delegated <= report.operators == 3
    assert report.load_ms > 0
    assert report.runtime.startswith(("litert ", "tflite-runtime "))


def test_reference_kernels_are_named_none(model):
    """What ran is told, not what was asked for."""
    report = try_model(model, Execution(delegates=(Delegate("none"),)), SHORT)
    assert (report.delegate, report.delegated) == ("none", 0)


def test_a_delegate_that_is_not_there_is_a_finding_and_the_next_one_runs(model):
    """The order of the configuration is the order that is tried."""
    how = Execution(delegates=(Delegate("external", "libno-such-delegate.so"), Delegate()))
    report = try_model(model, how, SHORT)
    assert report.delegate == "xnnpack"
    assert [finding.code for finding in report.findings] == ["delegate-unavailable"]
    assert "libno-such-delegate.so" in report.findings[0].message


def test_where_no_delegate_can_be_had_the_model_is_refused(model):
    """Nothing is tried that the configuration does not name."""
    with pytest.raises(ModelRefused, match=r"libno-such-delegate\.so"):
        try_model(model, Execution(delegates=(Delegate("external", "libno-such-delegate.so"),)), SHORT)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"\xff\xd8\xff\xe0" + bytes(500), "JPEG"),
        (tiny_models.unresolved_custom_op(), "NoSuchOperator"),
        (tiny_models.crashing(), "SIGSEGV"),
        (tiny_models.classifier()[:700], "bad.tflite"),
    ],
    ids=["empty", "jpeg", "unknown operator", "crashes", "truncated"],
)
def test_a_bad_file_ends_in_a_sentence(tmp_path, content, said):
    """It names the file and what was found."""
    with pytest.raises(ModelRefused, match=said) as caught:
        try_model(written(tmp_path, content), Execution(), SHORT)
    assert "bad.tflite" in str(caught.value)


def test_a_model_that_never_comes_back_is_ended(tmp_path):
    """The message says at what it was, and for how long."""
    with pytest.raises(ModelRefused, match="not done after 15 s while being invoked"):
        try_model(written(tmp_path, tiny_models.endless()), Execution(), TrialLimits(timeout_s=15.0))


def test_a_parent_that_is_killed_leaves_no_child(tmp_path):
    """A model that spins for ever would take a core until somebody finds it."""
    script = (
        "import sys\nfrom pathlib import Path\nfrom agent.models.execution import Execution, TrialLimits\n"
        "from agent.models.trial import try_model\n"
        "try_model(Path(sys.argv[1]), Execution(), TrialLimits(timeout_s=60))\n"
    )
    path = written(tmp_path, tiny_models.endless())
    with subprocess.Popen([sys.executable, "-c", script, str(path)], cwd=PACKAGES) as parent:
        child = _wait_for_spinning_child(parent.pid)
        parent.kill()
        wait_for_end(child)


def _wait_for_spinning_child(parent: int) -> int:
    """The child of a process, as soon as it has worked for longer than it takes to load."""
    until_s = time.monotonic() + 60
    while not (busy := [c for c in psutil.Process(parent).children() if c.cpu_times().user > 2]):
        assert time.monotonic() < until_s
        time.sleep(0.05)
    return busy[0].pid


def test_a_model_that_needs_too_much_memory_is_ended(tmp_path):
    """An input of 300 MB with 100 MB allowed: refused or ended, never this process's memory."""
    path = written(tmp_path, tiny_models.classifier(10_000, 10_000, 3, dtype="float32"))
    with pytest.raises(ModelRefused):
        try_model(path, Execution(), TrialLimits(timeout_s=60, memory_bytes=100 << 20))


@pytest.mark.timeout(600)
def test_damaged_copies_never_hurt_this_process(tmp_path):
    """Each of a seeded handful runs or is refused in a sentence; nothing else comes out."""
    good = tiny_models.classifier()
    seeded = random.Random(20261124)
    answers = []
    for _ in range(DAMAGED_COPIES):
        damaged = bytearray(good)
        for _ in range(seeded.choice((1, 4, 40))):
            damaged[seeded.randrange(len(damaged))] = seeded.randrange(256)
        answers.append(answer_of(written(tmp_path, bytes(damaged))))
    refusals = [answer for answer in answers if isinstance(answer, ModelRefused)]
    print(f"{DAMAGED_COPIES} damaged copies: {len(refusals)} refused in a sentence, {len(answers) - len(refusals)} run")
    assert len(answers) == DAMAGED_COPIES
    assert refusals
    assert all("bad.tflite" in str(refusal) for refusal in refusals)


def answer_of(path):
    try:
        return try_model(path, Execution(), SHORT)
    except ModelRefused as refusal:
        return refusal


def test_what_was_proven_is_not_tried_again(tmp_path, model, monkeypatch):
    """Neither by this prover nor by the next start's, until the bytes or the delegates change."""
    tried = []

    def counted(path, how, limits):
        tried.append(how)
        return try_model(path, how, limits)

    monkeypatch.setattr(trial, "try_model", counted)
    first = Prover(tmp_path).prove(model, Execution(), SHORT)
    assert Prover(tmp_path).prove(model, Execution(), SHORT) == first
    assert len(tried) == 1
    Prover(tmp_path).prove(model, Execution(delegates=(Delegate("none"),)), SHORT)
    model.write_bytes(tiny_models.classifier(seed=1))
    Prover(tmp_path).prove(model, Execution(), SHORT)
    assert len(tried) == 3


def test_a_digest_that_is_known_is_not_computed_again(tmp_path, model):
    """Whoever has compared the file with its manifest hands its digest on."""
    prover, sha256 = Prover(tmp_path), file_sha256(model)
    first = prover.prove(model, Execution(), SHORT)
    model.unlink()
    assert prover.prove(model, Execution(), SHORT, sha256=sha256) == first


def test_a_refusal_is_not_remembered(tmp_path):
    """A model that was refused for want of memory may run tomorrow."""
    path = written(tmp_path, tiny_models.unresolved_custom_op())
    for _ in range(2):
        with pytest.raises(ModelRefused):
            Prover(tmp_path).prove(path, Execution(), SHORT)
    assert not (tmp_path / "proven.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": "other"}', b"[]", b'{"schema": "lineside.proven/1"}'])
def test_a_memory_that_cannot_be_read_is_begun_anew(tmp_path, model, content):
    """A damaged file costs one trial, not a start."""
    (tmp_path / "proven.json").write_bytes(content)
    assert Prover(tmp_path).prove(model, Execution(), SHORT).operators == 3
    assert b"lineside.proven/1" in (tmp_path / "proven.json").read_bytes()


def test_what_an_older_version_remembers_is_no_reason_to_try_again(tmp_path, model, monkeypatch):
    """It did not measure how long loading takes: that reads as 0."""
    Prover(tmp_path).prove(model, Execution(), SHORT)
    memory = json.loads((tmp_path / "proven.json").read_bytes())
    for report in memory["proven"].values():
        del report["load_ms"]
    (tmp_path / "proven.json").write_text(json.dumps(memory))
    monkeypatch.setattr(trial, "try_model", None)
    assert Prover(tmp_path).prove(model, Execution(), SHORT).load_ms == 0.0
