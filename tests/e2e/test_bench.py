"""`lineside bench` as a person meets it: figures that fit together, and an agent that is left alone. Never a time."""

from __future__ import annotations

import os

import pytest
import tiny_models
from clips import write_video
from command import lineside
from line import CLASSIFIER_TOML, configure, write_bundle

from agent.lock import StateLock

CLIP = '[sources.cam]\ntype = "camera"\nurl = "belt.mp4"\n'
TINY = '[models.tiny]\npath = "tiny"\n'
INSPECT = '[pipelines.inspect]\nsource = "cam"\nmodel = "tiny"\n'
NO_BROKER = 9


@pytest.fixture
def line(tmp_path):
    write_video(tmp_path / "belt.mp4", 20)
    write_bundle(tmp_path / "tiny")
    return tmp_path


def test_the_figures_of_a_clip_fit_together(line):
    """One object; the clip goes round, nothing is dropped, and no state directory is made."""
    ran = lineside("bench", "-c", configure(line, NO_BROKER, CLIP + TINY + INSPECT), "--seconds", "1", "--json")
    assert (ran.code, ran.err) == (0, "")
    report = ran.json
    assert next(iter(report)) == "schema"
    assert (report["schema"], report["device"], report["seconds"]) == ("lineside.bench/1", "press", 1.0)
    model, source, pipeline = report["models"]["tiny"], report["sources"]["cam"], report["pipelines"]["inspect"]
    assert (model["version"], model["bare"]["threads"], model["fault"]) == ("1.0.0", 1, None)
    assert 0 < model["bare"]["invoke_ms"]["p50"] <= model["bare"]["invoke_ms"]["p99"]
    assert (model["other"] is None) == (report["machine"]["cores"] == 1)
    assert (source["width"], source["height"], source["live"], source["is_synthetic"]) == (96, 64, False, False)
    held, latency = pipeline["held"], pipeline["held"]["latency_ms"]
    assert held["predictions"] > 20
    assert held["drops"] == {}
    assert list(latency) == ["wait", "pre", "invoke", "post", "total"]
    assert all(spread["p50"] <= spread["p99"] for spread in latency.values())
    assert latency["invoke"]["p50"] <= latency["total"]["p50"]
    assert pipeline["bound_by"] in ("decoding", "model", "processor")
    assert pipeline["capacity_hz"] > 0
    assert 0 <= pipeline["overhead_share"] < 1
    assert pipeline["cpu_cores"] > 0
    assert report["together"] is None
    assert report["machine"]["memory_pss_bytes"] > 10_000_000
    assert not (line / "state").exists()


def test_a_camera_that_is_not_there_is_replaced_by_a_picture_and_said(line):
    """And pipelines are measured together where there are several; a clip in real time is a camera."""
    absent = '[sources.usb]\ntype = "camera"\nurl = "/dev/video987"\nwidth = 320\nheight = 240\n'
    second = INSPECT.replace("inspect", "second").replace('"cam"', '"usb"')
    tables = CLIP + "realtime = true\n" + absent + TINY + INSPECT + second
    report = lineside("bench", "-c", configure(line, NO_BROKER, tables), "--seconds", "1", "--json").json
    usb = report["sources"]["usb"]
    assert (usb["is_synthetic"], usb["width"], usb["height"], usb["rate_hz"]) == (True, 320, 240, None)
    assert "/dev/video987" in usb["fault"]
    assert report["sources"]["cam"]["live"]
    # A file would be bound by its decoding; where others take the cores, a camera's frames are too many.
    assert report["pipelines"]["inspect"]["bound_by"] in ("camera", "processor")
    assert list(report["together"]["pipelines"]) == ["inspect", "second"]
    assert "synthetic" in [finding["code"] for finding in report["findings"]]


def test_the_text_has_units_and_a_next_step(line):
    """And fits a terminal of 80 columns."""
    ran = lineside(
        "bench", "-c", "agent.toml", "-s", "0.5", cwd=configure(line, 9, CLIP + TINY + INSPECT).parent, COLUMNS="80"
    )
    assert (ran.code, ran.err) == (0, "")
    blocks = ran.out.split("\n\n")
    heads = [block.split("\n")[0].split()[0] for block in blocks]
    assert heads[:6] == ["press", "model", "source", "pipeline", "latency", "memory"]
    assert blocks[-1] == "next: lineside run -c agent.toml\n"
    assert max(map(len, ran.out.splitlines())) <= 80


def test_an_agent_that_runs_is_left_alone_and_named(line):
    """Its lock, its memory of trials and its folder stay as they are."""
    config = configure(line, NO_BROKER, CLIP + TINY + INSPECT)
    with StateLock(line / "state"):
        report = lineside("bench", "-c", config, "--seconds", "0.5", "--json").json
    assert report["machine"]["agent_pid"] == os.getpid()
    assert "agent-runs" in [finding["code"] for finding in report["findings"]]
    assert [path.name for path in (line / "state").iterdir()] == ["agent.lock"]


def test_a_model_that_is_refused_is_told_and_the_others_are_measured(line):
    """Every frame of a pipeline counts, whatever `publish` and `motion` hold back."""
    write_bundle(line / "odd", model=tiny_models.unresolved_custom_op())
    odd = '[models.odd]\npath = "odd"\n' + INSPECT.replace("inspect", "other").replace("tiny", "odd")
    quiet = 'publish = "change"\nevents = "change"\nmotion = {}\n'
    config = configure(line, NO_BROKER, CLIP + TINY + INSPECT + quiet + odd)
    report = lineside("bench", "-c", config, "--seconds", "0.5", "--json").json
    assert "NoSuchOperator" in report["models"]["odd"]["fault"]
    assert report["pipelines"]["other"]["held"] is None
    assert report["pipelines"]["inspect"]["held"]["predictions"] > 20
    assert report["pipelines"]["inspect"]["held"]["drops"] == {}
    assert report["together"] is None


@pytest.mark.parametrize(
    ("text", "next_step"),
    [(None, "lineside init --output"), ("[pipelines.p]\nsource = 'nobody'\nmodel = 'none'\n", "add [sources.nobody]")],
)
def test_without_a_usable_configuration_nothing_is_measured(tmp_path, text, next_step):
    """Exit code 3, as with the other commands, and the fault names the next step."""
    config = tmp_path / "agent.toml"
    if text is not None:
        config.write_text(text)
    ran = lineside("bench", "-c", config)
    assert (ran.code, ran.out) == (3, "")
    assert next_step in ran.err


@pytest.mark.parametrize(
    ("toml", "code", "error"),
    [(CLASSIFIER_TOML.replace("bright", "brihgt"), 1, "failed"), (CLASSIFIER_TOML, 5, "not-trusted")],
)
def test_when_nothing_can_be_measured_it_fails(line, toml, code, error):
    """1, or 5 where files differ from their manifests."""
    write_bundle(line / "tiny", toml=toml)
    if code == 5:
        assert lineside("model", "pack", line / "tiny").code == 0
        (line / "tiny" / "labels.txt").write_text("other\nlabels\n")
    ran = lineside("bench", "-c", configure(line, NO_BROKER, CLIP + TINY + INSPECT), "-s", "0.5", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (code, error)
