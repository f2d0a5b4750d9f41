"""The tutorial page of the registry, followed as it stands: its own commands, a real broker, a real server, the demo's model."""

from __future__ import annotations

import importlib.util

import pytest
from broker import needs_mosquitto
from page import Follower
from ports import HeldPort

pytestmark = [
    pytest.mark.timeout(300),  # some 30 s of work, on a machine that may be shared
    needs_mosquitto,
    pytest.mark.skipif(
        importlib.util.find_spec("elpv_dataset") is None,
        reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
    ),
]


def test_a_second_version_comes_to_the_running_agent_as_the_page_says(tmp_path):
    """From an empty folder to the second version at work, without a frame lost. Only the two ports are others than on the page."""
    with HeldPort() as broker, HeldPort() as registry:
        instead = {
            "1883": str(broker.number),
            "8377": str(registry.number),
            "mosquitto_sub -t": f"mosquitto_sub -p {broker.number} -t",
            "lineside registry serve registry": f"lineside registry serve registry --port {registry.number}",
        }
        with Follower("docs/tutorial/second-version.md", tmp_path, instead) as follower:
            follower.follow()
