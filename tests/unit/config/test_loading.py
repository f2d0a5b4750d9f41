"""From a file to settings: the documented configuration works as it stands, and each fault is named with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from line import write_bundle

from agent.config.layers import Layer
from agent.config.loading import cross_references, load, validated
from agent.config.settings import AgentSettings
from agent.core.errors import ConfigInvalid
from agent.core.findings import Finding
from agent.diagnosis.configuration import model_findings

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTED = """\
[device]
id = "press-07"                      # default: the host name
location = "graz/stamping/line-2"    # site/area/line…, any depth or none, goes into every topic
profile = "auto"                     # or the name of a file in device_profiles/
state_dir = "state"                  # default /var/lib/lineside (systemd's StateDirectory)

[mqtt]
url = "mqtt://127.0.0.1:1883"        # mqtts:// ws:// wss://; protocol 5, falls back to 3.1.1
# prefix client_id username password_file ca_file cert_file key_file

[sources.cam]
type = "camera"                      # OpenCV; also "images": a folder in name order
url = "bottle-detection.mp4"         # every source has `url`: "0", "/dev/video0", rtsp://…, a file, a folder
loop = false
realtime = false                     # files and folders only: false = as fast as the pipeline takes them, none dropped

[models.parts]
path = "bundles/parts"               # a bundle folder, or a bare .tflite

[pipelines.parts]
source = "cam"
model = "parts"
publish = "every"                    # "every" prediction (default), or on "change" with a heartbeat
qos = 0
events = "reject"                    # which predictions are events

[spool]
[sync]
"""
PIPELINE = (
    '[sources.cam]\ntype = "camera"\nurl = "0"\n[models.m]\npath = "m"\n[pipelines.p]\nsource = "cam"\nmodel = "m"\n'
)


def write(folder: Path, text: str, name: str = "agent.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def faults(folder: Path, text: str) -> list[tuple[str, str, str]]:
    """Code, message and hint of each error; every one names the file."""
    config = write(folder, text)
    errors = load(config).errors
    assert all(error.message.startswith(str(config)) for error in errors)
    return [(error.code, error.message.removeprefix(f"{config}: "), error.hint) for error in errors]


def test_the_documented_configuration_works_as_it_stands(tmp_path):
    """No finding at all in its words; its model runs, and only the missing manifest is worth a word."""
    write_bundle(tmp_path / "bundles" / "parts")
    loaded = load(write(tmp_path, DOCUMENTED))
    assert loaded.findings == []
    settings = loaded.usable()
    assert settings.device.state_dir == tmp_path / "state"
    assert settings.sources["cam"].url == str(tmp_path / "bottle-detection.mp4")
    assert settings.models["parts"].path == tmp_path / "bundles" / "parts"
    assert {finding.severity for finding in model_findings(settings)} <= {"warning", "info"}


def test_a_configuration_that_cannot_be_used_lists_every_fault_and_the_next_step(tmp_path):
    """`usable` is what commands call; its hint is a command that can be typed."""
    config = write(tmp_path, PIPELINE + 'publsh = "every"\nqos = 7\n')
    with pytest.raises(ConfigInvalid, match="publsh") as caught:
        load(config).usable()
    assert "pipelines.p.qos" in str(caught.value)
    assert caught.value.hint == f"lineside check {config}"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("wrong", "path", "meant"),
    [
        ("[mqt]\n", "mqt", "mqtt"),
        ('[mqtt]\nulr = "mqtt://h"\n', "mqtt.ulr", "url"),
        ('[mqtt]\npassword = "x"\n', "mqtt.password", "password_file"),
        ('[sources.a]\ntype = "camera"\nurl = "0"\nwidht = 640\n', "sources.a.widht", "width"),
        ('[sources.a]\ntype = "images"\nurl = "x"\nrate_hs = 3\n', "sources.a.rate_hs", "rate_hz"),
        ('[models.a]\npath = "x"\n[models.a.input]\ncolour = "rgb"\n', "models.a.input.colour", "color"),
        (
            '[models.a]\npath = "x"\ndecision = { reject = { lable = "b" } }\n',
            "models.a.decision.reject.lable",
            "label",
        ),
        ('[[runtime.delegates]]\nkidn = "none"\n', "runtime.delegates.0.kidn", "kind"),
        ("[pipelines.p]\nsmoothing = { n = 1, m = 2, mm = 3 }\n", "pipelines.p.smoothing.mm", "m"),
    ],
)
def test_an_unknown_key_is_an_error_with_what_was_probably_meant(tmp_path, wrong, path, meant):
    """At every depth, in lists, and in tables of several kinds."""
    assert ("unknown-key", f"{path} is not known", f"did you mean {meant}?") in faults(tmp_path, wrong)


def test_a_key_like_no_other_gets_the_list_of_what_is_known(tmp_path):
    """Where nothing is close, guessing would mislead."""
    [(code, _, hint)] = [fault for fault in faults(tmp_path, PIPELINE + "xyzzy = 1\n") if "xyzzy" in fault[1]]
    assert code == "unknown-key"
    assert hint.startswith("known keys: bounds, capture, deadline_ms, decision, drift, events")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("mqtt = 3\n", "mqtt should be a table (it is 3)"),
        ("[mqtt]\nkeepalive_s = 'often'\n", 'mqtt.keepalive_s should be a whole number (it is "often")'),
        ("[mqtt]\nprefix = true\n", "mqtt.prefix should be text (it is true)"),
        ("[device]\nid = 2026-11-22\n", 'device.id should be text (it is "2026-11-22")'),
        ("[mqtt]\nkeepalive_s = 4\n", "mqtt.keepalive_s should be greater than or equal to 5 (it is 4)"),
        ("[device]\nhealth_interval_s = nan\n", "device.health_interval_s should be a number (it is NaN)"),
        ("[device]\nid = '-x'\n", "device.id is no name"),
        ("[device]\nlocation = 'a//b'\n", "device.location: segment '' is no name"),
        ("[runtime]\ndelegates = []\n", "runtime.delegates"),
        ("[runtime]\ndelegates = 'none'\n", 'runtime.delegates should be a list (it is "none")'),
        (
            "[runtime]\ndelegates = [{kind = 'none', options = {a = [1]}}]\n",
            "runtime.delegates.0.options.a should be text",
        ),
        ("[sources.a]\nurl = '0'\n", "sources.a.type is missing"),
        ("[sources.a]\ntype = 'camra'\nurl = '0'\n", 'sources.a.type should be "camera" or "images" (it is "camra")'),
        ("[sources.a]\ntype = 'camera'\n", "sources.a.url is missing"),
        ("[sources.'a b']\ntype = 'camera'\nurl = '0'\n", "sources.a b is no name"),
        ("[models.a]\nthreads = 1\n", "models.a: a model has either a path or a registry name"),
        (
            "[pipelines.p]\nsource = 'a'\nmodel = 'b'\nevents = 'rejct'\n",
            "pipelines.p.events should be 'all', 'reject' or",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_what_was_expected(tmp_path, wrong, message):
    """One error for one fault, in the words of the reference."""
    named = [fault for fault in faults(tmp_path, wrong) if fault[0] in ("invalid-value", "missing-key")]
    assert len(named) == 1
    assert named[0][1].startswith(message)


def test_a_misspelt_choice_is_corrected(tmp_path):
    """Choices are few, so a guess is safe."""
    hints = [hint for _, message, hint in faults(tmp_path, PIPELINE + "events = 'rejct'\n") if "events" in message]
    assert hints == ["did you mean reject?"]
    assert faults(tmp_path, "[sources.a]\nurl = '0'\n")[0][2] == 'it is "camera" or "images"'


def test_a_name_that_names_nothing_is_an_error_in_its_file(tmp_path):
    """With the nearest name, or how to add the table."""
    near = PIPELINE.replace('source = "cam"', 'source = "cma"')
    assert faults(tmp_path, near) == [
        ("unknown-name", "pipelines.p.source = 'cma' names no table under sources", "did you mean cam?")
    ]
    far = PIPELINE.replace('model = "m"', 'model = "xyzzy"')
    assert [hint for _, _, hint in faults(tmp_path, far)] == ["add [models.xyzzy]"]


def test_what_no_pipeline_uses_is_a_warning_in_its_file(tmp_path):
    """Most often a name was changed in one place only."""
    config = write(tmp_path, PIPELINE)
    spare = write(tmp_path, '[sources.spare]\ntype = "camera"\nurl = "1"\n', "conf.d/spare.toml")
    loaded = load(config)
    assert [(f.code, f.severity, f.message) for f in loaded.findings] == [
        ("unused", "warning", f"{spare}: sources.spare is used by no pipeline")
    ]
    assert loaded.usable().sources["spare"].url == "1"


def test_a_command_that_could_change_nothing_is_a_warning(tmp_path):
    """`set` without bounds is most often half of a change."""
    allowed = PIPELINE + "[commands]\nallow = ['set']\n"
    config = write(tmp_path, allowed)
    assert load(config).findings == [
        Finding(
            "nothing-to-set",
            "warning",
            f"{config}: commands.allow has set, and no pipeline has bounds",
            "add [pipelines.<name>.bounds]",
        )
    ]
    assert faults(tmp_path, allowed + "[pipelines.p.bounds]\nmin_score = [0.4, 0.9]\n") == []


def test_without_a_pipeline_nothing_would_run(tmp_path):
    """An error that names the file in which it is missing."""
    assert [code for code, *_ in faults(tmp_path, "[device]\nid = 'd'\n")] == ["no-pipeline"]


def test_cross_references_need_no_file():
    """The rule is pure: settings and layers in, findings out."""
    values = {"pipelines": {"p": {"source": "s", "model": "m"}}}
    found = [Layer("the test", values)]
    messages = [finding.message for finding in cross_references(AgentSettings.model_validate(values), found, "")]
    assert messages == [
        "the test: pipelines.p.source = 's' names no table under sources",
        "the test: pipelines.p.model = 'm' names no table under models",
    ]


def test_an_unknown_device_profile_is_an_error_in_its_file(tmp_path):
    """The nearest name is suggested."""
    found = faults(tmp_path, PIPELINE + "[device]\nprofile = 'rasberry-pi-5'\n")
    said = "device.profile = 'rasberry-pi-5' is no device profile"
    assert found == [("unknown-profile", said, "did you mean raspberry-pi-5?")]


@pytest.mark.parametrize("place", ["main", "conf.d", "environment", "command line"])
def test_an_error_names_the_place_where_the_value_stands(tmp_path, monkeypatch, place):
    """Of several files and the environment, the one that has to be mended."""
    wrong = "[mqtt]\nkeepalive_s = 1\n"
    config = write(tmp_path, PIPELINE + (wrong if place == "main" else ""))
    other = write(tmp_path, wrong if place == "conf.d" else "", "conf.d/10-other.toml")
    if place == "environment":
        monkeypatch.setenv("LINESIDE_MQTT__KEEPALIVE_S", "1")
    overrides = {"mqtt": {"keepalive_s": 1}} if place == "command line" else None
    [error] = load(config, overrides=overrides).errors
    assert error.message.startswith(f"{ {'main': config, 'conf.d': other}.get(place, place) }: mqtt.keepalive_s")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "no-file"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "no-toml"),
        (b"[device\n", "no-toml"),
        (b"a" + b".a" * 5000 + b" = 1", "no-toml"),
        (b"a = " + b"[" * 5000, "no-toml"),
        (b"a = " + b"1" * 5000, "no-toml"),
    ],
    ids=["missing", "binary", "syntax", "deep keys", "deep lists", "long number"],
)
def test_a_file_that_cannot_be_read_is_one_finding(tmp_path, content, code):
    """No consequence of it is listed beside it."""
    config = tmp_path / "agent.toml"
    if content is not None:
        config.write_bytes(content)
    assert [(finding.code, finding.severity) for finding in load(config).findings] == [(code, "error")]
    assert str(config) in load(config).findings[0].message


def test_a_folder_in_place_of_a_file_is_a_finding(tmp_path):
    """The operating system's reason is passed on."""
    [finding] = load(tmp_path).findings
    assert (finding.code, finding.message) == ("unreadable", f"{tmp_path} cannot be read: Is a directory")


def test_faults_of_one_layer_do_not_hide_those_of_another():
    """All are found in one go."""
    found = [Layer("first", {"mqtt": {"ulr": 1}}), Layer("second", {"log": {"levle": 2}})]
    settings, findings = validated(found)
    assert settings is None
    assert {finding.message for finding in findings} == {
        "first: mqtt.ulr is not known",
        "second: log.levle is not known",
    }


REGISTRY_LINE = """\
[sources.cam]
type = "camera"
url = "0"
[models.m]
registry = "parts"
canary_pipelines = [{canaries}]
[models.n]
path = "n"
[pipelines.press-1]
source = "cam"
model = "m"
[pipelines.press-2]
source = "cam"
model = "m"
[pipelines.look]
source = "cam"
model = "n"
"""


@pytest.mark.parametrize(
    ("canaries", "message", "hint"),
    [
        ('"press-1", "press-2"', None, None),
        ('"pres-1"', "models.m.canary_pipelines names 'pres-1', which is no table under pipelines", "mean press-1?"),
        ('"look"', "names 'look', which has the model n", "pipelines with m: press-1, press-2"),
    ],
)
def test_a_canary_decides_in_pipelines_that_have_its_model(tmp_path, canaries, message, hint):
    """Another name is no canary anywhere, and the version would be rejected at its deadline."""
    loaded = load(write(tmp_path, REGISTRY_LINE.format(canaries=canaries)))
    found = [finding for finding in loaded.findings if finding.code == "unknown-name"]
    assert bool(found) == (message is not None)
    if message is not None:
        [finding] = found
        assert (finding.severity, message in finding.message, hint in finding.hint) == ("error", True, True)


def test_canary_pipelines_of_a_model_that_no_registry_brings_are_of_no_use(tmp_path):
    """It never has a candidate."""
    text = REGISTRY_LINE.format(canaries='"press-1"').replace('registry = "parts"', 'path = "m"')
    assert "nothing-to-try" in [finding.code for finding in load(write(tmp_path, text)).findings]
