"""Where configuration comes from, and that later places win."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.config.layers import Layer, absolute, credentials_layer, environment_layer, merge, origin_of, profile_layer
from agent.config.loading import load
from device_profiles import load as load_profile

PIPELINE = (
    '[sources.cam]\ntype = "camera"\nurl = "0"\n[models.m]\npath = "m"\n[pipelines.p]\nsource = "cam"\nmodel = "m"\n'
)


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch):
    """No setting of the machine that runs the tests."""
    for name in ("LINESIDE_MQTT__URL", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def test_each_place_wins_over_the_ones_before_it(tmp_path, monkeypatch):
    """Defaults < device profile < file < conf.d by name < systemd credentials < environment < command line."""
    config = tmp_path / "agent.toml"

    def username(**overrides: str) -> str | None:
        tables = {"mqtt": overrides} if overrides else None
        return load(config, overrides=tables).usable().mqtt.username

    config.write_text(PIPELINE)
    assert username() is None
    config.write_text(PIPELINE + '[mqtt]\nusername = "file"\n')
    assert username() == "file"
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "20.toml").write_text('[mqtt]\nusername = "twenty"\n')
    (tmp_path / "conf.d" / "10.toml").write_text('[mqtt]\nusername = "ten"\n')
    (tmp_path / "conf.d" / "99.toml.bak").write_text('[mqtt]\nusername = "backup"\n')
    assert username() == "twenty"
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "mqtt-username").write_text("credential\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert username() == "credential"
    monkeypatch.setenv("LINESIDE_MQTT__USERNAME", "environment")
    assert username() == "environment"
    assert username(username="command line") == "command line"


def test_a_device_profile_is_above_the_defaults_and_below_the_file(tmp_path):
    """Threads of the runtime, and hints for cameras that are devices of this machine, key by key."""
    profile = load_profile("raspberry-pi-5")
    config = tmp_path / "agent.toml"
    chosen = '[device]\nprofile = "raspberry-pi-5"\n'
    config.write_text(PIPELINE + chosen)
    settings = load(config).usable()
    assert settings.runtime.threads == profile.runtime.threads
    assert settings.sources["cam"].width == profile.camera.width
    config.write_text(PIPELINE.replace('url = "0"', 'url = "0"\nwidth = 321') + chosen + "[runtime]\nthreads = 63\n")
    settings = load(config).usable()
    assert settings.runtime.threads == 63
    assert (settings.sources["cam"].width, settings.sources["cam"].height) == (321, profile.camera.height)


def test_a_profile_has_no_hints_for_streams_and_files():
    """They are as they are, and would refuse them."""
    tables = {"s": {"type": "camera", "url": "rtsp://h/x"}, "f": {"type": "camera", "url": "/x.mp4"}}
    layer = profile_layer(load_profile("raspberry-pi-5"), [Layer("file", {"sources": tables})])
    assert "sources" not in layer.values


def test_relative_paths_are_relative_to_the_file_that_they_stand_in(tmp_path, monkeypatch):
    """Also in conf.d, and whatever the working directory is."""
    (tmp_path / "conf.d").mkdir()
    config = tmp_path / "agent.toml"
    config.write_text(
        '[device]\nstate_dir = "state"\n[mqtt]\npassword_file = "../secret"\n'
        '[sources.a]\ntype = "images"\nurl = "0"\n[sources.b]\ntype = "camera"\nurl = "clips/b c.mp4"\n'
        '[sources.c]\ntype = "camera"\nurl = "0"\n[sources.d]\ntype = "camera"\nurl = "rtsp://h/x"\n'
        '[models.m]\npath = "/opt/m.tflite"\nlabels = "labels.txt"\n'
        '[[runtime.delegates]]\nkind = "external"\nlibrary = "lib/npu.so"\n'
        '[[runtime.delegates]]\nkind = "external"\nlibrary = "libedgetpu.so.1"\n'
    )
    (tmp_path / "conf.d" / "x.toml").write_text('[sources.e]\ntype = "camera"\nurl = "e.mp4"\n')
    monkeypatch.chdir("/")
    settings = load(config).settings
    assert settings is not None
    assert settings.device.state_dir == tmp_path / "state"
    assert settings.mqtt.password_file == tmp_path.parent / "secret"
    assert {name: source.url for name, source in settings.sources.items()} == {
        "a": str(tmp_path / "0"),
        "b": str(tmp_path / "clips" / "b c.mp4"),
        "c": "0",
        "d": "rtsp://h/x",
        "e": str(tmp_path / "conf.d" / "e.mp4"),
    }
    assert settings.models["m"].path == Path("/opt/m.tflite")
    assert settings.models["m"].labels == tmp_path / "labels.txt"
    assert [delegate.library for delegate in settings.runtime.delegates] == [
        tmp_path / "lib" / "npu.so",
        Path("libedgetpu.so.1"),
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("file:///data/my%20clip.mp4", "/data/my clip.mp4"),
        ("~nobody-of-this-name/clip.mp4", "/base/~nobody-of-this-name/clip.mp4"),
        ("./a/../b.mp4", "/base/b.mp4"),
    ],
)
def test_addresses_of_files_become_plain_paths(written, meant):
    """Percent signs of a file:// address are undone once; a home that is not there is no crash."""
    values = {"sources": {"cam": {"type": "camera", "url": written}}}
    assert absolute(values, Path("/base"))["sources"]["cam"]["url"] == meant


def test_the_home_of_the_user_is_known(monkeypatch):
    """`~` stands for it, as in a shell."""
    monkeypatch.setenv("HOME", "/home/op")
    assert absolute({"device": {"state_dir": "~/state"}}, Path("/base")) == {"device": {"state_dir": "/home/op/state"}}


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    """Editors of Windows write one."""
    config = tmp_path / "agent.toml"
    config.write_bytes(b"\xef\xbb\xbf" + PIPELINE.encode())
    assert load(config).findings == []


def test_variables_set_keys_at_every_depth():
    """Two underscores go one table deeper; tables and lists are JSON."""
    layer, findings = environment_layer(
        {
            "LINESIDE_MQTT__URL": "mqtt://h",
            "LINESIDE_SOURCES__CAM__TRANSPORT": "udp",
            "LINESIDE_RUNTIME__DELEGATES": '[{"kind": "none"}]',
            "LINESIDE_LOG": '{"level": "debug"}',
            "LINESIDE_LOG__FORMAT": "json",
            "HOME": "/root",
        }
    )
    assert findings == []
    assert layer.values == {
        "mqtt": {"url": "mqtt://h"},
        "sources": {"cam": {"transport": "udp"}},
        "runtime": {"delegates": [{"kind": "none"}]},
        "log": {"level": "debug", "format": "json"},
    }


def test_only_the_environment_that_is_given_counts(monkeypatch):
    """The rule takes values and returns values."""
    monkeypatch.setenv("LINESIDE_MQTT__URL", "mqtt://elsewhere")
    assert environment_layer({})[0].values == {}


def test_variables_of_tests_are_not_configuration():
    """`LINESIDE_TEST_*` is for whoever tests."""
    assert environment_layer({"LINESIDE_TEST_ASSETS": "/x", "LINESIDE_TEST_MQTT__URL": "x"}) == (
        Layer("environment", {}),
        [],
    )


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("LINESIDE_MQT__URL", "did you mean LINESIDE_MQTT__…?"),
        ("LINESIDE_XYZZY", "LINESIDE_<TABLE>__<KEY>=… sets a key"),
    ],
)
def test_a_variable_that_sets_nothing_is_a_warning(variable, hint):
    """It may be a slip, and the value may be a secret: only the name is shown."""
    layer, [finding] = environment_layer({variable: "s3cret"})
    assert layer.values == {}
    assert (finding.code, finding.severity, finding.hint) == ("unknown-variable", "warning", hint)
    assert finding.message == f"{variable} in the environment is no setting"


@pytest.mark.parametrize("value", ["junk", "[1", "[" * 100_000, ""])
@pytest.mark.parametrize("variable", ["LINESIDE_SOURCES", "LINESIDE_RUNTIME__DELEGATES"])
def test_a_table_that_is_no_json_never_ends_a_command(tmp_path, monkeypatch, variable, value):
    """It is an error that names the variable or the table, and other variables still count."""
    config = tmp_path / "agent.toml"
    config.write_text(PIPELINE)
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("LINESIDE_LOG__LEVEL", "loud")
    errors = load(config).errors
    assert any(error.message.startswith("environment: log.level") for error in errors)
    assert len(errors) == 2
    assert all(error.message.startswith("environment: ") for error in errors)


def test_a_wrong_value_in_the_environment_is_a_finding(tmp_path, monkeypatch):
    """Of unknown keys too."""
    config = tmp_path / "agent.toml"
    config.write_text(PIPELINE)
    monkeypatch.setenv("LINESIDE_MQTT__KEEPALIVE_S", "often")
    monkeypatch.setenv("LINESIDE_SOURCES__CAM__WIDHT", "3")
    assert {
        (error.code, error.message, error.hint) for error in load(config).errors if error.code == "unknown-key"
    } == {("unknown-key", "environment: sources.cam.widht is not known", "did you mean width?")}
    assert any(error.message.startswith("environment: mqtt.keepalive_s") for error in load(config).errors)


def test_credentials_give_paths_and_the_name_of_the_user(tmp_path):
    """Secrets stay in their files; what is not there is not set."""
    for name in ("mqtt-username", "mqtt-password", "mqtt-ca"):
        (tmp_path / name).write_text("operator\n")
    layer, findings = credentials_layer({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert findings == []
    assert layer.values == {
        "mqtt": {
            "username": "operator",
            "password_file": str(tmp_path / "mqtt-password"),
            "ca_file": str(tmp_path / "mqtt-ca"),
        }
    }


def test_a_credential_that_is_no_text_is_an_error(tmp_path):
    """Its content is not shown."""
    (tmp_path / "mqtt-username").write_bytes(b"\xff\xfes3cret")
    _, [finding] = credentials_layer({"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert (finding.code, finding.severity) == ("unreadable", "error")
    assert "s3cret" not in finding.message


def test_without_systemd_there_are_no_credentials(tmp_path):
    """Neither without the variable nor with an empty folder."""
    assert credentials_layer({})[0].values == {}
    assert credentials_layer({"CREDENTIALS_DIRECTORY": str(tmp_path / "none")})[0].values == {}


def test_tables_merge_key_by_key_and_lists_as_a_whole():
    """A list of delegates is one decision."""
    below = Layer("a", {"t": {"x": 1, "y": [1, 2]}, "u": 1})
    above = Layer("b", {"t": {"y": [3]}, "u": {"z": 1}})
    assert merge([below, above]) == {"t": {"x": 1, "y": [3]}, "u": {"z": 1}}
    assert below.values == {"t": {"x": 1, "y": [1, 2]}, "u": 1}


def test_the_origin_is_the_last_place_that_says_it():
    """Or that has the table around it, where the key is missing."""
    found = [Layer("a", {"t": {"x": 1}}), Layer("b", {"t": {"x": 2, "l": [{"k": 1}]}}), Layer("c", {"u": 1})]
    assert origin_of(("t", "x"), found) == "b"
    assert origin_of(("t", "l", "0", "k"), found) == "b"
    assert origin_of(("t", "missing"), found) == "b"
    assert origin_of(("v",), found) is None
