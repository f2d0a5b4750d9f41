"""`lineside check`: what is wrong, before anything runs; and how commands speak."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from command import environment, lineside
from line import write_bundle

from cloud_sync import manifest

GOOD = """\
[device]
id = "press"
state_dir = "state"
[sources.clips]
type = "images"
url = "pictures"
[models.tiny]
path = "tiny"
[pipelines.inspect]
source = "clips"
model = "tiny"
"""


@pytest.fixture
def config(tmp_path):
    """A configuration in which all is well but what makes a bundle trustworthy: manifest and golden samples."""
    write_bundle(tmp_path / "tiny")
    (tmp_path / "pictures").mkdir()
    path = tmp_path / "agent.toml"
    path.write_text(GOOD)
    return path


def test_a_configuration_that_works_exits_0_with_the_verdict_on_stdout(config):
    """What is only odd is talk, on stderr, with the next step."""
    ran = lineside("check", config)
    assert ran.code == 0
    assert ran.out.startswith(f"{config} can be used: no error, 2 warnings; device profile ")
    assert "[not-packed]" in ran.err
    assert "[no-golden]" in ran.err
    assert "next: lineside model pack" in ran.err


def test_errors_exit_3_and_are_named_on_stderr(config):
    """All of them."""
    config.write_text(GOOD.replace("source =", "sorce =").replace("id =", "di ="))
    ran = lineside("check", config)
    assert ran.code == 3
    assert ran.out.startswith(f"{config} cannot be used: 3 errors, no warning")
    for said in ("pipelines.inspect.sorce is not known", "did you mean source?", "device.di is not known"):
        assert said in ran.err


def test_json_is_one_object_and_nothing_else(config):
    """Also where something is wrong."""
    ran = lineside("check", config, "--json")
    assert ran.code == 0
    assert "warning" not in ran.err
    assert {key: ran.json[key] for key in ("files", "errors", "warnings")} == {
        "files": [str(config)],
        "errors": 0,
        "warnings": 2,
    }
    config.write_text("[mqt]\n")
    ran = lineside("check", config, "--json", "--quick")
    assert (ran.code, ran.err) == (3, "")
    assert ran.json["errors"] == 1
    assert ran.json["findings"][0] == {
        "code": "unknown-key",
        "severity": "error",
        "message": f"{config}: mqt is not known",
        "hint": "did you mean mqtt?",
    }


def test_quick_opens_no_model(config):
    """Words only."""
    (config.parent / "tiny" / "model.tflite").unlink()
    assert lineside("check", config, "--quick").code == 0
    ran = lineside("check", config)
    assert ran.code == 3
    assert "models.tiny: " in ran.err


def test_a_name_that_names_nothing_does_not_end_the_check(config):
    """The other models are looked at all the same."""
    config.write_text(GOOD + '[pipelines.second]\nsource = "clips"\nmodel = "tinny"\n')
    ran = lineside("check", config)
    assert ran.code == 3
    assert "did you mean tiny?" in ran.err
    assert "[not-packed]" in ran.err


@pytest.mark.parametrize("command", [["run", "-c"], ["status", "-c"], ["tap", "-c"], ["doctor", "-c"]], ids=str)
def test_a_configuration_that_is_not_there_exits_3_and_is_named(tmp_path, command):
    """By every command that takes one."""
    ran = lineside(*command, tmp_path / "agent.toml")
    assert ran.code == 3, ran
    assert f"{tmp_path / 'agent.toml'} is not there" in ran.err + ran.out


@pytest.mark.parametrize("fault", ["missing", "folder", "binary", "unreadable"])
def test_a_configuration_that_cannot_be_read_is_a_finding(tmp_path, fault):
    """Whatever lies there in its place."""
    config = tmp_path / "agent.toml"
    if fault == "folder":
        config.mkdir()
    elif fault == "binary":
        config.write_bytes(bytes(range(256)))
    elif fault == "unreadable":
        if os.getuid() == 0:
            pytest.skip("root may read everything")
        config.touch(mode=0)
    ran = lineside("check", config)
    assert ran.code == 3
    assert ran.err.startswith(f"error: {config} ")
    assert ran.out.startswith(f"{config} cannot be used: 1 error, no warning")


def test_an_error_with_json_is_an_object_on_stdout(tmp_path):
    """A script reads one stream only."""
    config = tmp_path / "agent.toml"
    ran = lineside("status", "-c", config, "--json")
    assert (ran.code, ran.err) == (3, "")
    assert ran.json["error"]["code"] == "config-invalid"
    assert ran.json["error"]["hint"] == f"lineside check {config}"


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal_gets_colour_unless_no_color_is_set(tmp_path, no_color, coloured):
    """https://no-color.org."""
    master, slave = os.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "agent", "check", str(tmp_path / "none.toml")],
            check=False,
            stderr=slave,
            stdout=subprocess.DEVNULL,
            env=environment(NO_COLOR=no_color),
            timeout=60,
        )
        assert (b"\033[" in os.read(master, 65536)) is coloured
    finally:
        os.close(slave)
        os.close(master)


def test_a_locale_that_lacks_a_sign_does_not_end_a_command(config):
    """What cannot be written is written as an escape."""
    config.write_text(GOOD + '["größe…"]\n')
    ran = lineside("check", config, "--quick", PYTHONIOENCODING="ascii")
    assert ran.code == 3
    assert r"gr\xf6\xdfe\u2026 is not known" in ran.err


def test_the_environment_is_part_of_the_configuration(config):
    """Its faults are findings, and a password in it is not shown."""
    url = "mqtt://user:s3cret@broker"
    ran = lineside("check", config, "--quick", LINESIDE_MQTT__URL=url, LINESIDE_TEST_ASSETS="/x")
    assert ran.code == 3
    assert "environment: mqtt.url" in ran.err
    assert "s3cret" not in ran.err + ran.out
    assert "LINESIDE_TEST_ASSETS" not in ran.err


def test_a_bundle_that_differs_from_its_manifest_exits_5(tmp_path):
    """As `run` and `model verify` do."""
    folder = write_bundle(tmp_path / "b")
    manifest.write(folder, manifest.describe(folder, "tiny", "1.0.0"))
    (folder / "labels.txt").write_text("bright\ndark\n")
    config = tmp_path / "agent.toml"
    config.write_text(
        '[sources.s]\ntype = "images"\nurl = "."\n[models.m]\npath = "b"\n[pipelines.p]\nsource = "s"\nmodel = "m"\n'
    )
    ran = lineside("check", config)
    assert ran.code == 5
    assert "labels.txt has another sha256" in ran.err
