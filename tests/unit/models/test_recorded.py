"""Golden outputs: recorded when a bundle is packed, compared wherever it is judged."""

from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tiny_models
from deadlines import LONG_S
from evaluating import write_pictures
from line import CLASSIFIER_TOML, write_bundle
from typer.testing import CliRunner

from agent.cli.main import app
from agent.core.errors import ModelRefused
from agent.core.reference import decode
from agent.models.bundle import open_bundle
from agent.models.candidate import judge_candidate
from agent.models.execution import Execution, TrialLimits
from agent.models.recorded import Recording, compare, read_recording, write_recording
from agent.models.samples import by_folder
from agent.models.trial import try_model
from cloud_sync import manifest

GOLDEN = '[golden]\nfolder = "golden"\nmin_accuracy = 0.9\n'
NAMES = tuple(f"dark/{k}.png" for k in range(20))


def recording(codes=0, *, delegate="xnnpack", machine="x86_64", dtype=np.int8, names=NAMES, samples_off=20):
    outputs = np.zeros((20, 1, 10), dtype)
    outputs[:samples_off, 0, 3] = codes
    return Recording("litert 2.3.0", delegate, machine, "", names, {0: outputs})


@pytest.mark.parametrize(
    ("before", "here", "holds"),
    [
        (recording(), recording(8), True),
        (recording(), recording(9), False),
        (recording(), recording(16, machine="aarch64"), True),
        (recording(), recording(17, machine="aarch64"), False),
        (recording(delegate="none"), recording(0, delegate="none", machine="aarch64"), True),
        (recording(delegate="none"), recording(1, delegate="none", machine="aarch64"), False),
        (recording(), recording(100, samples_off=1), True),
        (recording(), recording(100, samples_off=2), False),
        (recording(), recording(dtype=np.uint8), False),
        (recording(), recording(names=tuple("abcdefghijklmnopqrst")), False),
    ],
)
def test_how_much_outputs_may_differ(before, here, holds):
    """In codes of 255: 8 by the same kernels, 16 by others, none by reference kernels; one sample of twenty may lie outside."""
    assert compare(before, here).holds == holds


def test_real_outputs_differ_as_shares_of_their_range():
    """And a number where there was none is never within it."""
    before = recording(dtype=np.float32)
    before.outputs[0][:, 0, 0] = 10.0
    near, far, lost = (replace(before, outputs={0: before.outputs[0].copy()}) for _ in range(3))
    near.outputs[0] += 0.3
    far.outputs[0] += 0.33
    lost.outputs[0][0, 0, 0] = np.nan
    assert [compare(before, each).holds for each in (near, far)] == [True, False]
    assert compare(before, lost).largest == np.inf


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A bundle whose golden samples and statistics come from an evaluation set."""
    folder = tmp_path_factory.mktemp("packed")
    write_bundle(folder / "b", toml=CLASSIFIER_TOML + GOLDEN)
    data = write_pictures(write_pictures(folder / "data", "dark", range(10, 110)), "bright", range(150, 200))
    ran = CliRunner().invoke(app, ["model", "pack", str(folder / "b"), "--data", str(data)])
    assert ran.exit_code == 0, ran.output
    return folder / "b"


def test_pack_takes_golden_samples_of_each_label_and_statistics_of_all(packed):
    """Sixty-four in turn of the labels; the manifest lists everything."""
    rows = (packed / "golden" / "labels.csv").read_text().splitlines()[1:]
    assert [sum(row.endswith(label) for row in rows) for label in ("dark", "bright")] == [32, 32]
    reference = decode((packed / "reference.json").read_bytes())
    assert (reference.samples, reference.label) == (150, "bright")
    assert sum(reference.decisions.values()) == 150
    assert set(reference.inputs) == {"brightness", "contrast", "sharpness"}
    listed = {entry.path for entry in manifest.read(packed)[0].files}
    assert {"reference.json", "golden/recorded.json", "golden/recorded.npz", "golden/labels.csv"} <= listed
    assert not by_folder(packed / "golden" / "nothing")


def test_statistics_of_another_decision_are_told_when_it_is_packed_again(packed, tmp_path):
    """The line would seem to drift, and the version would be blamed for it."""
    shutil.copytree(packed, tmp_path / "b")
    said = (packed / "model.toml").read_text()
    (tmp_path / "b" / "model.toml").write_text(said.replace("min_score = 0.6", "min_score = 0.7"))
    codes = [
        "[reference-stale]" in CliRunner().invoke(app, ["model", "pack", str(each)]).stderr
        for each in (packed, tmp_path / "b")
    ]
    assert codes == [False, True]


def test_what_was_recorded_is_what_is_answered(packed):
    """On the machine that packed it, to the code."""
    ran = CliRunner().invoke(app, ["model", "verify", str(packed)])
    assert "64 of 64 within 3% of the output's range, at most 0.0% off" in ran.stdout


def test_a_model_that_answers_otherwise_is_refused(packed, tmp_path):
    """Though each of its golden answers is still right: here the record says that it was surer. A device refuses it, too."""
    bundle = open_bundle(packed)
    before = read_recording(bundle)
    surer = replace(before, outputs={0: np.where(before.outputs[0] > 0, before.outputs[0] - 60, before.outputs[0])})
    write_recording(packed / "golden", surer)
    manifest.write(packed, manifest.describe(packed, "tiny", "1.0.0"))
    ran = CliRunner().invoke(app, ["model", "verify", str(packed)])
    assert isinstance(ran.exception, ModelRefused)
    assert "answers otherwise than when it was packed: 0 of 64" in ran.stderr
    limits = TrialLimits(timeout_s=LONG_S)
    with pytest.raises(ModelRefused, match="answers otherwise"):
        judge_candidate(packed, Execution(), try_model(packed / "model.tflite", Execution(), limits), limits)
    write_recording(packed / "golden", before)
    manifest.write(packed, manifest.describe(packed, "tiny", "1.0.0"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 junk", b"\x93NUMPY"])
def test_a_record_that_cannot_be_read_is_refused(packed, tmp_path, content):
    """And says what makes a new one."""
    folder = write_bundle(tmp_path / "b", toml=CLASSIFIER_TOML + GOLDEN, model=tiny_models.classifier())
    (folder / "golden" / "dark").mkdir(parents=True)
    assert cv2.imwrite(str(folder / "golden" / "dark" / "1.png"), np.zeros((8, 8, 3), np.uint8))
    (folder / "golden" / "recorded.json").write_bytes((packed / "golden" / "recorded.json").read_bytes())
    (folder / "golden" / "recorded.npz").write_bytes(content)
    with pytest.raises(ModelRefused) as refused:
        read_recording(open_bundle(folder))
    assert "model pack" in refused.value.hint
