"""`lineside doctor`: the machine, and what a configuration names, answered within a deadline."""

from __future__ import annotations

import threading

import pytest
from broker import Mosquitto, needs_mosquitto
from clips import write_pictures, write_video
from command import lineside
from ports import HeldPort
from reporting import Desk, failed

from agent.config.settings import AgentSettings
from agent.control import ControlServer
from agent.core.errors import SourceUnavailable
from agent.diagnosis import cameras
from agent.diagnosis.configuration import source_findings
from agent.diagnosis.examination import examine
from agent.diagnosis.network import broker_finding
from agent.mqtt.settings import MqttSettings
from agent.sources.camera.settings import CameraSettings
from agent.sources.images.settings import ImagesSettings


@pytest.fixture
def nobody():
    """A port where nobody listens."""
    with HeldPort() as port:
        yield port


def configure(folder, port: int, more: str = ""):
    config = folder / "agent.toml"
    config.write_text(
        f'[device]\nstate_dir = "state"\n[mqtt]\nurl = "mqtt://127.0.0.1:{port}"\n[sources.cam]\ntype = "images"\n'
        'url = "pictures"\n[sources.spare]\ntype = "images"\nurl = "none"\n[models.m]\npath = "m"\n'
        f'[pipelines.p]\nsource = "cam"\nmodel = "m"\n{more}'
    )
    return config


def of(findings, code: str) -> list[tuple[str, str]]:
    return [(finding.severity, finding.message) for finding in findings if finding.code == code]


def test_a_source_that_gives_a_picture_is_well(tmp_path):
    """With its size and where its times come from."""
    folder = write_pictures(tmp_path / "pictures", 1)
    [finding] = cameras.source_findings({"cam": ImagesSettings(type="images", url=str(folder))})
    assert (finding.code, finding.severity) == ("source", "info")
    assert "pixels after" in finding.message
    assert finding.message.endswith("time taken on arrival")


@pytest.mark.parametrize("content", [None, b"", b"no picture"], ids=["missing", "empty", "broken"])
def test_a_source_without_a_picture_is_an_error_with_the_next_step(tmp_path, content):
    """Whatever the reason."""
    path = tmp_path / "one.png"
    if content is not None:
        path.write_bytes(content)
    [finding] = cameras.source_findings({"cam": ImagesSettings(type="images", url=str(path))})
    assert finding.severity == "error"
    assert finding.message.startswith("cam: ")
    assert finding.hint


class OddSource:
    """Hangs, or raises what no source should."""

    captured_at_from = "arrival"

    def __init__(self, released: threading.Event, fault: Exception | None) -> None:
        self._released, self._fault = released, fault

    def open(self) -> None:
        if self._fault is not None:
            raise self._fault
        self._released.wait(60)

    def read(self, index: int):
        raise SourceUnavailable("too late")

    def close(self) -> None:
        pass


def test_a_driver_that_hangs_is_told_within_the_deadline(monkeypatch):
    """The others are told all the same."""
    released = threading.Event()
    faults = {
        "hangs": None,
        "odd": ZeroDivisionError("by zero"),
        "gone": SourceUnavailable("it is off", hint="switch it on"),
    }
    monkeypatch.setattr(cameras, "DEADLINE_S", 0.5)
    monkeypatch.setattr(cameras, "make_source", lambda settings: OddSource(released, faults[settings.url]))
    sources = {name: CameraSettings(url=name) for name in faults}
    try:
        findings = cameras.source_findings(sources)
    finally:
        released.set()
    assert [finding.message for finding in findings] == [
        "hangs: it hangs: no picture and no error within 0.5 s",
        "odd: ZeroDivisionError: by zero",
        "gone: it is off",
    ]
    assert all(finding.severity == "error" and finding.hint for finding in findings)


def test_files_that_are_not_there_are_warnings_of_check(tmp_path):
    """They may come: the agent tries again. Devices and streams are not looked at."""
    sources = {
        "here": {"type": "images", "url": str(tmp_path)},
        "gone": {"type": "camera", "url": str(tmp_path / "x.mp4")},
        "device": {"type": "camera", "url": "/dev/video99"},
        "stream": {"type": "camera", "url": "rtsp://user:s3cret@cam/x"},
    }
    [finding] = source_findings(AgentSettings.model_validate({"sources": sources}))
    assert (finding.severity, finding.message) == ("warning", f"sources.gone: {tmp_path / 'x.mp4'} is not there")


@needs_mosquitto
def test_with_a_broker_and_a_source_all_is_looked_at(tmp_path):
    """Only what a pipeline uses; nothing is an error."""
    write_pictures(tmp_path / "pictures", 1)
    with Mosquitto() as broker:
        findings = examine(configure(tmp_path, broker.port))
    assert [finding for finding in findings if finding.severity == "error"] == []
    assert {"profile", "runtime", "opencv", "clock", "devices", "disk", "broker", "source"} <= {
        f.code for f in findings
    }
    assert len(of(findings, "source")) == 1
    [(_, message)] = of(findings, "broker")
    assert "answers, MQTT 5, a message comes back after" in message


@needs_mosquitto
def test_a_broker_that_holds_messages_back_is_a_warning():
    """With the line of its configuration that ends it."""
    with Mosquitto(nodelay=False) as broker:
        finding = broker_finding(MqttSettings(url=broker.url))
    assert finding.severity == "warning"
    assert "set_tcp_nodelay true" in finding.hint


def test_a_broker_that_is_not_there_is_an_error(nobody):
    """With the address and the next step."""
    finding = broker_finding(MqttSettings(url=nobody.url))
    assert finding.severity == "error"
    assert finding.message.count(f"127.0.0.1:{nobody.number}") == 1
    assert finding.hint


def test_the_running_agent_is_asked_for_its_sources(tmp_path, nobody):
    """It holds the cameras, and most can be opened once only."""
    desk = Desk(tmp_path)
    desk.reporter.source("cam", failed("unplugged"))
    (tmp_path / "state").mkdir()
    server = ControlServer(tmp_path / "state", {"status": lambda _: desk.snapshot() | {"pid": 4711}})
    server.start()
    try:
        findings = examine(configure(tmp_path, nobody.number))
    finally:
        server.close()
    assert of(findings, "agent") == [("info", "runs with pid 4711, degraded")]
    assert of(findings, "source") == [("error", "cam: failed, unplugged")]


def test_what_is_wrong_with_the_configuration_is_told_too(tmp_path, nobody):
    """Also where it can be read, but names something that is not there."""
    findings = examine(configure(tmp_path, nobody.number, '[pipelines.q]\nsource = "cma"\nmodel = "m"\n'))
    assert [message for severity, message in of(findings, "unknown-name") if severity == "error"]
    assert of(findings, "runtime")
    (tmp_path / "agent.toml").write_text("[mqt]\n")
    assert of(examine(tmp_path / "agent.toml"), "unknown-key")


def test_without_a_configuration_the_machine_is_examined(tmp_path):
    """One that nobody named and that is not there is no error."""
    findings = examine(tmp_path / "none.toml", named=False)
    assert of(findings, "configuration")[0][0] == "warning"
    assert of(findings, "no-file") == []
    assert of(examine(tmp_path / "none.toml"), "no-file")[0][0] == "error"


def test_one_source_can_be_looked_at_alone(tmp_path, nobody):
    """Used by a pipeline or not; the command exits 3 if it gives no picture."""
    config = configure(tmp_path, nobody.number)
    write_pictures(tmp_path / "pictures", 1)
    assert [f.code for f in examine(config, only_source="cam")] == ["source"]
    [finding] = examine(config, only_source="kam")
    assert (finding.severity, finding.hint) == ("error", "known: cam, spare")
    ran = lineside("doctor", "-c", config, "--source", "spare")
    assert ran.code == 3
    assert ran.out.startswith("error   source")
    assert "next: " in ran.out
    ran = lineside("doctor", "-c", config, "--source", "cam", "--json")
    assert (ran.code, ran.json["errors"], len(ran.json["findings"])) == (0, 0, 1)


def test_a_source_that_is_to_be_scaled_without_ffmpeg_is_an_error(tmp_path, monkeypatch):
    """Found before the line runs."""
    clip = write_video(tmp_path / "a.mp4", 2)
    settings = CameraSettings(url=str(clip), decode="scaled")
    monkeypatch.setenv("PATH", str(tmp_path))
    [finding] = cameras.source_findings({"cam": settings})
    assert (finding.severity, "needs the ffmpeg program" in finding.message) == ("error", True)
    assert finding.hint
