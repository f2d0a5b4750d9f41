"""Golden samples, budgets and fit: what makes a bundle prove itself, and what `model pack|verify|inspect` say."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tiny_models
from line import CLASSIFIER_TOML, write_bundle

from agent.core.errors import ModelRefused, NotTrusted
from agent.models.bundle import open_bundle
from agent.models.execution import Delegate, Execution, TrialLimits
from agent.models.loading import load_model
from agent.models.proving import prove
from cloud_sync.manifest import file_sha256

GOLDEN = '[golden]\nfolder = "golden"\nmin_accuracy = {}\n'


def flat(value: int):
    return np.full((8, 8, 3), value, np.uint8)


def golden_bundle(folder, *, toml: str = CLASSIFIER_TOML, min_accuracy: float = 1.0):
    """A bundle with two dark and two bright pictures, by folder."""
    write_bundle(folder, toml=toml + GOLDEN.format(min_accuracy))
    for label, values in (("dark", (10, 60)), ("bright", (200, 250))):
        (folder / "golden" / label).mkdir(parents=True)
        for value in values:
            assert cv2.imwrite(str(folder / "golden" / label / f"{value}.png"), flat(value))
    return folder


def proof_of(folder):
    return prove(open_bundle(folder), Execution(), TrialLimits(timeout_s=60))


def lineside(*arguments: object):
    return subprocess.run(
        [sys.executable, "-m", "agent", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )


def test_a_bundle_that_answers_right_proves_itself(tmp_path):
    """Samples in folders named by their label."""
    proof = proof_of(golden_bundle(tmp_path / "b"))
    assert proof.holds
    assert proof.golden is not None
    assert (proof.golden.samples, proof.golden.right) == (4, 4)


def test_a_bundle_that_answers_wrong_does_not(tmp_path):
    """Labels in the wrong order are the classic; the finding names samples."""
    folder = golden_bundle(tmp_path / "b")
    (folder / "labels.txt").write_text("bright\ndark\n")
    proof = proof_of(folder)
    assert not proof.holds
    failed = next(finding for finding in proof.findings if finding.severity == "error")
    assert "0 of 4" in failed.message
    assert "10.png: expected dark, got bright" in failed.message


def test_a_bundle_without_golden_samples_warns(tmp_path):
    """It may be packed, but nothing shows that it is right."""
    proof = proof_of(write_bundle(tmp_path / "b"))
    assert proof.holds
    assert "no-golden" in [finding.code for finding in proof.findings]


def test_expected_decisions_and_digests_come_from_a_table(tmp_path):
    """`labels.csv` with the columns file, decision, sha256; another digest is not trusted."""
    folder = golden_bundle(tmp_path / "b")
    picture = folder / "golden" / "bright" / "250.png"
    table = folder / "golden" / "labels.csv"
    table.write_text(f"file,decision,sha256\nbright/250.png,reject,{file_sha256(picture)}\ndark/10.png,accept,\n")
    proof = proof_of(folder)
    assert proof.golden is not None
    assert (proof.golden.samples, proof.golden.right) == (2, 2)
    table.write_text(f"file,decision,sha256\nbright/250.png,reject,{'0' * 64}\n")
    with pytest.raises(NotTrusted, match=r"250\.png has another sha256"):
        proof_of(folder)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("../model.tflite,dark", "is not in"),
        ("no-such.png,dark", "is not in"),
        (",dark", "line 2"),
        ("dark/10.png,", "line 2"),
    ],
)
def test_a_table_that_names_nothing_is_refused_with_its_line(tmp_path, row, said):
    """Nothing outside the folder is read."""
    folder = golden_bundle(tmp_path / "b")
    (folder / "golden" / "labels.csv").write_text(f"file,label\n{row}\n")
    with pytest.raises(ModelRefused, match=said):
        proof_of(folder)


def test_a_package_that_is_not_installed_is_named(tmp_path):
    """Samples that may not be shipped are read from an installed package."""
    folder = golden_bundle(tmp_path / "b")
    (folder / "golden" / "labels.csv").write_text("file,label\nx.png,dark\n")
    toml = (folder / "model.toml").read_text() + 'package = "no_such_package"\n'
    (folder / "model.toml").write_text(toml)
    with pytest.raises(ModelRefused, match="no_such_package, which is not installed"):
        proof_of(folder)


def test_pixels_that_fill_half_of_the_input_are_a_finding(tmp_path):
    """mean = 0, std = 510 gives 0..0.5 to a model that takes 0..1."""
    folder = write_bundle(
        tmp_path / "b", toml=CLASSIFIER_TOML.replace('kind = "image"', 'kind = "image"\nstd = [510.0]')
    )
    finding = next(f for f in proof_of(folder).findings if f.code == "input-range")
    assert "0.0 … 0.5" in finding.message


def test_tensors_that_do_not_fit_the_description_are_refused_with_both_shapes(tmp_path):
    """A detector's description over a classifier."""
    toml = CLASSIFIER_TOML.replace("classification", "detection").replace('decode = "classifier"', 'decode = "ssd"')
    with pytest.raises(ModelRefused) as caught:
        load_model(open_bundle(write_bundle(tmp_path / "b", toml=toml)), Execution())
    assert "int8 [1, 2]" in str(caught.value)


def test_a_model_of_arrays_takes_arrays_and_names_what_it_was_given(tmp_path):
    """input.kind = "tensor": as many values as the tensor has."""
    toml = CLASSIFIER_TOML.split("[decision]")[0].replace("classification", "anomaly")
    toml = toml.replace('decode = "classifier"', 'decode = "autoencoder"').replace(
        'kind = "image"', 'kind = "tensor"\nstd = [1.0]'
    )
    model = load_model(
        open_bundle(write_bundle(tmp_path / "b", toml=toml, model=tiny_models.autoencoder(16))), Execution()
    )
    values = np.linspace(-1, 1, 16)
    assert model.predict(values).score == pytest.approx(values.var(), rel=1e-5)
    with pytest.raises(ModelRefused, match=r"shape \[4, 4, 3\] was given, float32 \[1, 16\] was expected"):
        model.predict(np.zeros((4, 4, 3), np.uint8))


def test_pack_seals_and_verify_notices_every_change(tmp_path):
    """pack writes the manifest in place, verify agrees, a changed byte ends with exit code 5, packing again is right again."""
    folder = golden_bundle(tmp_path / "b")
    done = lineside("model", "pack", folder, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["golden"]["accuracy"] == 1.0
    assert json.loads(lineside("model", "verify", folder, "--json").stdout)["digest"] == answer["digest"]
    (folder / "labels.txt").write_text("bright\ndark\n")
    assert lineside("model", "verify", folder).returncode == 5
    refused = lineside("model", "pack", folder)
    assert refused.returncode == 1
    assert "0 of 4 golden samples right" in refused.stderr
    (folder / "labels.txt").write_text("dark\nbright\n")
    assert lineside("model", "pack", folder).returncode == 0
    assert lineside("model", "verify", folder).returncode == 0


def test_inspect_says_what_is_in_a_file_and_whether_the_runtime_takes_it(tmp_path):
    """Tensors, quantization, operators, XNNPACK; a refused file shows its structure and the refusal."""
    good, bad = tmp_path / "good.tflite", tmp_path / "bad.tflite"
    good.write_bytes(tiny_models.classifier())
    bad.write_bytes(tiny_models.unresolved_custom_op())
    text = lineside("model", "inspect", good).stdout
    assert "int8 [1, 8, 8, 3]" in text
    assert re.search(r"xnnpack takes [1-3] of 3 operators", text)
    data = json.loads(lineside("model", "inspect", good, "--json").stdout)
    assert data["operators"] == {"MEAN": 1, "FULLY_CONNECTED": 1, "SOFTMAX": 1}
    refused = lineside("model", "inspect", bad)
    assert refused.returncode == 1
    assert "NoSuchOperator" in refused.stdout
    assert "NoSuchOperator" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_budget_that_this_machine_misses_is_a_warning(tmp_path):
    """Also without golden samples; the machine at hand may not be the one that is meant."""
    toml = CLASSIFIER_TOML + "[budget]\np99_ms = 0.000001\n"
    proof = proof_of(write_bundle(tmp_path / "b", toml=toml))
    assert proof.holds
    assert "over-budget" in [finding.code for finding in proof.findings]


def test_a_detector_that_reports_less_than_it_rejects_is_a_warning(tmp_path):
    """`min_score` below `output.threshold`: what is not reported rejects nothing."""
    toml = CLASSIFIER_TOML.replace("classification", "detection").replace(
        'decode = "classifier"', 'decode = "ssd"\nthreshold = 0.8'
    )
    model = load_model(open_bundle(write_bundle(tmp_path / "b", toml=toml, model=tiny_models.ssd_like())), Execution())
    assert "reject-below-threshold" in [finding.code for finding in model.findings]


def test_a_quantized_model_without_xnnpack_is_a_finding_also_where_it_was_asked_for(tmp_path):
    """It may be 20 times slower, and somebody may have forgotten it."""
    how = Execution(delegates=(Delegate("none"),))
    model = load_model(open_bundle(write_bundle(tmp_path / "b")), how)
    assert model.reference.delegate == "none"
    assert "no-xnnpack" in [finding.code for finding in model.findings]


def test_the_runtime_does_not_talk_into_our_output(tmp_path):
    """LiteRT tells stderr of each delegate that it makes."""
    assert "INFO" not in lineside("model", "verify", golden_bundle(tmp_path / "b")).stderr


def test_a_file_is_no_bundle(tmp_path):
    """The sentence says what to do with it."""
    (tmp_path / "model.tflite").write_bytes(tiny_models.classifier())
    refused = lineside("model", "pack", tmp_path / "model.tflite")
    assert refused.returncode == 1
    assert "is a file, and a bundle is a folder" in refused.stderr
