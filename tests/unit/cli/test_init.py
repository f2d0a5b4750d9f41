"""`lineside init`: a commented configuration that is right from the start."""

from __future__ import annotations

import pytest
from command import lineside
from line import write_bundle

from agent.config.loading import load
from device_profiles import names


def test_what_init_writes_has_no_error(tmp_path):
    """And nothing unused; the machine's profile is named in it."""
    config = tmp_path / "agent.toml"
    ran = lineside("init", "-o", config)
    assert ran.code == 0
    assert f"written  {config}" in ran.out
    assert load(config).findings == []
    assert lineside("check", config, "--quick").code == 0
    assert any(f"profile {name} " in config.read_text() for name in names())


def test_a_file_that_is_there_is_not_replaced(tmp_path):
    """Unless it is forced; exit code 1 and the next step."""
    config = tmp_path / "agent.toml"
    config.write_text("mine")
    ran = lineside("init", "-o", config)
    assert (ran.code, ran.out, config.read_text()) == (1, "", "mine")
    assert "--force" in ran.err
    assert lineside("init", "-o", config, "--force").code == 0
    assert load(config).errors == []
    assert [path.name for path in tmp_path.iterdir()] == ["agent.toml"]


def test_the_options_stand_in_the_file(tmp_path):
    """Any address and any path, with every sign that they may hold."""
    config = tmp_path / "conf" / "agent.toml"
    model = 'a "model"\\x\n.tflite'
    ran = lineside(
        "init",
        "-o",
        config,
        "--camera",
        "rtsp://cam/x",
        "--broker",
        "wss://broker/mqtt",
        "--model",
        f"/opt/{model}",
        "--json",
    )
    assert ran.code == 0
    assert (ran.json["file"], ran.json["camera"]) == (str(config), "rtsp://cam/x")
    settings = load(config).usable()
    assert settings.sources["camera"].url == "rtsp://cam/x"
    assert settings.mqtt.url == "wss://broker/mqtt"
    assert str(settings.models["parts"].path) == f"/opt/{model}"


def test_a_relative_path_is_written_as_the_file_sees_it(tmp_path):
    """Paths in a configuration are relative to it, paths in a command to where it was typed."""
    bundle = write_bundle(tmp_path / "bundles" / "tiny")
    ran = lineside("init", "-o", "conf/agent.toml", "--model", "bundles/tiny", "--camera", "0", cwd=tmp_path)
    assert ran.code == 0
    assert load(tmp_path / "conf" / "agent.toml").usable().models["parts"].path == bundle


@pytest.mark.parametrize(
    ("option", "value"),
    [("--camera", "foo://x"), ("--broker", "broker"), ("--broker", "mqtt://u:s3cret@h")],
)
def test_an_address_that_makes_no_sense_is_refused_before_anything_is_written(tmp_path, option, value):
    """Exit code 2, and no password is shown."""
    ran = lineside("init", "-o", tmp_path / "agent.toml", option, value)
    assert ran.code == 2
    assert option in ran.err
    assert "s3cret" not in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", [".", "file/agent.toml"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, where):
    """A folder, and a folder that is a file; exit code 1."""
    (tmp_path / "file").write_text("")
    ran = lineside("init", "--force", "-o", tmp_path / where)
    assert ran.code == 1
    assert "cannot be written" in ran.err
    assert "--output" in ran.err
