"""The tutorial page of the registry, followed as it stands: its own commands, a real broker, a real server, the demo's model."""

from __future__ import annotations

import importlib.util

import pytest
from broker import free_port, needs_mosquitto
from page import Follower

pytestmark = [
    pytest.mark.timeout(300),  # some 25 s of work, on a machine that may be shared
    needs_mosquitto,
    pytest.mark.skipif(
        importlib.util.find_spec("elpv_dataset") is None,
        reason="elpv_dataset is not installed: pip install 'lineside[demo]'",
    ),
]


def test_a_second_version_comes_to_the_running_agent_as_the_page_says(tmp_path):
    """From an empty folder to the second version at work, without a frame lost; the agent and the registry then end as asked."""
    ports = {"1883": str(free_port()), "8377": str(free_port())}
    instead = {**ports, "lineside registry serve registry": f"lineside registry serve registry --port {ports['8377']}"}
    instead["mosquitto_sub -t"] = f"mosquitto_sub -p {ports['1883']} -t"
    with Follower("docs/tutorial/second-version.md", tmp_path, instead) as follower:
        follower.follow()
