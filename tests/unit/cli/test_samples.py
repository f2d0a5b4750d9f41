"""`lineside samples` over a folder, without an agent."""

from __future__ import annotations

import json

import pytest
from line import configure
from sampling import made
from typer.testing import CliRunner

from agent.capture.folder import SampleFolder
from agent.cli.samples import app
from agent.core.errors import BadData, UsageError

LINE = (
    '[sources.cam]\ntype = "camera"\nurl = "belt.mp4"\n[models.tiny]\npath = "tiny"\n'
    '[pipelines.inspect]\nsource = "cam"\nmodel = "tiny"\n'
)


@pytest.fixture
def device(tmp_path):
    """A configuration, and three samples in its state directory."""
    configure(tmp_path, 1883, LINE)
    folder = SampleFolder(tmp_path / "state")
    made(folder, 1, reasons=["random"])
    made(folder, 2, reasons=["feedback", "random"], label="crack", decision="reject")
    made(folder, 3, reasons=["drift"])
    return tmp_path


def run(device, *arguments):
    """What the command says; its own errors are raised."""
    done = CliRunner().invoke(app, [*arguments, "-c", str(device / "agent.toml")])
    if done.exception is not None:
        raise done.exception
    return done.stdout


def seqs(device, *arguments):
    return [int(s["id"][-4:], 16) for s in json.loads(run(device, "list", "--json", *arguments))["samples"]]


def test_list_shows_what_was_kept_and_why(device):
    """A line for each, and how much it is in all."""
    text = run(device, "list")

    assert "feedback, random" in text
    assert "crack" in text
    assert "3 samples" in text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [1, 2, 3]),
        (["--reason", "random"], [1, 2]),
        (["--labelled"], [2]),
        (["--pipeline", "q"], []),
    ],
)
def test_list_shows_what_is_asked_for(device, options, expected):
    """By pipeline, reason and label."""
    assert seqs(device, *options) == expected


def test_an_unknown_reason_is_told_with_the_known_ones(device):
    """And is no empty list."""
    with pytest.raises(UsageError) as refused:
        run(device, "list", "--reason", "drfit")
    assert "near_threshold" in refused.value.hint


def test_where_nothing_is_kept_list_says_what_to_do(tmp_path):
    """Capture is off until configured."""
    configure(tmp_path, 1883, LINE)

    assert "[pipelines.<name>.capture]" in run(tmp_path, "list")


def test_show_gives_all_that_is_known_and_where_the_picture_lies(device):
    """The end of an id is enough."""
    shown = json.loads(run(device, "show", "000000000002", "--json"))

    assert shown["label"] == "crack"
    assert shown["file"].endswith(".jpg")


@pytest.mark.parametrize("name", ["0193", "nothing"])
def test_show_asks_for_one_sample(device, name):
    """Neither for several nor for none."""
    with pytest.raises(BadData, match=r"samples? of"):
        run(device, "show", name)


def test_export_says_how_much_is_labelled(device):
    """What is not is no truth."""
    answer = json.loads(run(device, "export", str(device / "out"), "--json"))

    assert (answer["samples"], answer["labelled"]) == (3, 1)


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["000000000002"], [1, 3]),
        (["--all"], []),
        (["--before", "2026-11-28"], [1, 2, 3]),
        (["--before", "2026-11-29"], []),
    ],
)
def test_purge_removes_what_is_named(device, arguments, left):
    """And nothing else."""
    run(device, "purge", *arguments)

    assert seqs(device) == left


def test_purge_without_a_name_removes_nothing(device):
    """All of them is said in words."""
    with pytest.raises(UsageError, match="--all"):
        run(device, "purge")
    assert seqs(device) == [1, 2, 3]
