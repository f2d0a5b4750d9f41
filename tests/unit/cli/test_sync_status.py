"""`lineside sync status` where no agent runs: what the last sync of this device came to."""

from __future__ import annotations

import json

import pytest
from command import lineside

from cloud_sync.device.journal import FOLDER, Journal
from cloud_sync.device.order import Outcome

CONFIG = """\
[device]
state_dir = "state"
[sync]
url = "https://registry.example"
root_sha256 = "{root}"
[sources.cam]
type = "camera"
url = "0"
[models.parts]
registry = "solar-cell"
channel = "stable"
[pipelines.inspect]
source = "cam"
model = "parts"
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG.format(root="a" * 64))
    return path


def _remember(config, content: str) -> None:
    with Journal.open(config.parent / "state" / FOLDER) as journal:
        journal.set_value("outcome", content)


def test_it_says_how_the_last_sync_ended(config):
    """The time, what was wanted, the fault and the next step, as if the agent still ran."""
    fault = {"code": "registry-unreachable", "message": "no route to the registry", "hint": "is it up?"}
    outcome = Outcome("failed", wanted={"solar-cell": "1.2.0"}, error=fault, bytes=2_000_000)
    outcome.at = "2026-11-28T16:00:00.000000Z"
    _remember(config, json.dumps(outcome.as_dict()))
    ran = lineside("sync", "status", "-c", config)
    assert (ran.code, ran.err) == (0, "")
    assert "now       no agent runs" in ran.out
    assert (
        "last      2026-11-28 16:00:00 UTC: no route to the registry  [registry-unreachable]; 2.0 MB over the wire"
        in ran.out
    )
    assert "next: is it up?" in ran.out
    said = json.loads(lineside("sync", "status", "-c", config, "--json").out)
    assert said["last"]["wanted"] == {"solar-cell": "1.2.0"}


@pytest.mark.parametrize("content", ["null", "{}", '{"state": "odd"}', "not JSON"])
def test_a_journal_that_says_nonsense_says_nothing(config, content):
    """Whoever asks for a status is not sent away by what is broken."""
    _remember(config, content)
    ran = lineside("sync", "status", "-c", config)
    assert ran.code == 0
    assert "last      no sync yet" in ran.out


def test_what_a_sync_that_went_well_wanted_is_shown(config):
    """Beside what is there."""
    outcome = Outcome("staged", wanted={"solar-cell": "1.3.0"}, at="2026-11-28T16:00:00.000000Z")
    _remember(config, json.dumps(outcome.as_dict()))
    ran = lineside("sync", "status", "-c", config)
    assert "something new was fetched and verified" in ran.out
    assert "1.3.0 is to come" in ran.out
