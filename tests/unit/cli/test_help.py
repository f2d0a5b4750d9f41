"""Help answers at once, and a wrong call is told."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command import environment, lineside

from agent import __version__

COMMANDS = [
    "",
    "demo",
    "init",
    "check",
    "run",
    "status",
    "doctor",
    "tap",
    "bench",
    "model",
    "model inspect",
    "model pack",
    "model verify",
    "registry",
    "registry publish",
]
HEAVY = {
    "cv2",
    "numpy",
    "ai_edge_litert",
    "tflite_runtime",
    "paho",
    "psutil",
    "agent.config",
    "agent.app",
}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command or "lineside")
def test_help_of_every_command_imports_nothing_heavy(command):
    """It says what the command does, on stdout, with exit code 0."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "agent", *command.split(), "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "Usage:" in ran.stdout
    imported = {line.rsplit("|", 1)[-1].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")}
    assert "agent.cli.main" in imported, "else the list of imports is not what it seems"
    assert imported & HEAVY == set()


def test_the_version_is_a_result():
    """On stdout, and nothing else."""
    ran = lineside("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"lineside {__version__}\n", "")


@pytest.mark.parametrize(
    "arguments", [["bogus"], ["check", "--bogus"], ["run", "-c"], ["tap", "--count", "-1"], ["model"]]
)
def test_a_wrong_call_exits_2_and_says_what_is_wrong(arguments):
    """With no result on stdout; a group of commands without one lists them."""
    ran = lineside(*arguments)
    assert ran.code == 2
    assert ("Error: " in ran.err and not ran.out) or "Commands:" in ran.err + ran.out
