"""What `check` finds beyond words: files that a configuration names, and whether each model works here."""

from __future__ import annotations

import pytest
import tiny_models
from line import CLASSIFIER_TOML, write_bundle

from agent.config.settings import AgentSettings
from agent.diagnosis.configuration import model_findings, mqtt_findings, source_findings


def settings_of(**tables) -> AgentSettings:
    return AgentSettings.model_validate(tables)


def test_files_for_the_broker_that_are_not_there_are_errors(tmp_path):
    """Without them no connection will ever come about."""
    (tmp_path / "ca.pem").write_text("x")
    mqtt = {
        "url": "mqtts://broker",
        "ca_file": tmp_path / "ca.pem",
        "username": "u",
        "password_file": tmp_path / "gone",
    }
    (finding,) = mqtt_findings(settings_of(mqtt=mqtt))
    assert (finding.code, finding.severity) == ("no-mqtt-file", "error")
    assert "mqtt.password_file" in finding.message


def test_a_source_that_is_not_there_may_come_and_a_folder_is_no_camera(tmp_path):
    """A warning for the first, an error for the second; devices and streams are not looked at."""
    sources = {
        "gone": {"type": "camera", "url": str(tmp_path / "gone.mp4")},
        "folder": {"type": "camera", "url": str(tmp_path)},
        "pictures": {"type": "images", "url": str(tmp_path)},
        "stream": {"type": "camera", "url": "rtsp://camera/stream"},
    }
    found = [(f.code, f.severity) for f in source_findings(settings_of(sources=sources))]
    assert found == [("no-source", "warning"), ("folder-as-camera", "error")]


@pytest.mark.parametrize(
    ("model", "decision", "said"),
    [
        (tiny_models.unresolved_custom_op(), None, "NoSuchOperator"),
        (tiny_models.classifier(classes=3), None, "3 classes"),
        (tiny_models.classifier(), {"reject": {"label": "brihgt"}}, "brihgt"),
    ],
)
def test_a_model_that_cannot_run_is_an_error(tmp_path, model, decision, said):
    """Refused by the runtime, by its own description, or by the decision of a pipeline."""
    folder = write_bundle(tmp_path / "b", model=model)
    pipeline = {"source": "s", "model": "m"} | ({"decision": decision} if decision else {})
    found = model_findings(settings_of(models={"m": {"path": folder}}, pipelines={"p": pipeline}))
    errors = [finding for finding in found if finding.severity == "error"]
    assert len(errors) == 1
    assert said in errors[0].message


def test_golden_samples_of_a_bare_model_lie_beside_it(tmp_path):
    """The same rules as in a bundle."""
    write_bundle(tmp_path / "b", toml=CLASSIFIER_TOML)
    golden = tmp_path / "b" / "golden" / "dark"
    golden.mkdir(parents=True)
    (golden / "no-picture.png").write_bytes(b"x")
    bare = {
        "path": tmp_path / "b" / "model.tflite",
        "labels": tmp_path / "b" / "labels.txt",
        "output": {"decode": "classifier"},
        "golden": {"folder": "golden"},
    }
    found = model_findings(settings_of(models={"m": bare}, pipelines={"p": {"source": "s", "model": "m"}}))
    assert ["no-picture.png is no picture" in finding.message for finding in found] == [True]


def test_a_model_of_samples_is_refused_where_every_source_gives_pictures(tmp_path):
    """Before it runs, not at its first frame."""
    toml = CLASSIFIER_TOML.split("[decision]")[0].replace("classification", "anomaly").replace('"image"', '"window"')
    folder = write_bundle(
        tmp_path / "b", toml=toml.replace('"classifier"', '"autoencoder"'), model=tiny_models.autoencoder(16)
    )
    found = model_findings(settings_of(models={"m": {"path": folder}}, pipelines={"p": {"source": "s", "model": "m"}}))
    assert ["takes a window, and every source gives pictures" in finding.message for finding in found] == [True]
