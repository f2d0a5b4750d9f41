"""A broker that is there and behaves badly: out of reach, refusing, hanging up in the middle of a packet, slow, silent."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time

import pytest
from broker import needs_mosquitto
from harness.plant import ORDERLY, Plant

from agent.core.errors import AgentUnreachable

pytestmark = [needs_mosquitto, pytest.mark.timeout(600)]

needs_mosquitto_passwd = pytest.mark.skipif(
    shutil.which("mosquitto_passwd") is None, reason="mosquitto_passwd is not installed"
)


def test_no_event_is_lost_while_the_broker_is_out_of_reach(tmp_path, chance, row):
    """For the length of 20,000 messages; then all of them come, in order."""
    messages = chance.pick(1_000, 20_000)
    with Plant(tmp_path, pipelines=4, rate_hz=chance.pick(100, 150), broker_options=ORDERLY) as plant:
        plant.start()
        plant.broker.stop()
        made = plant.wait_made(messages, 300)
        plant.broker.start()
        plant.heal(time.monotonic(), 90)
        plant.way.recording.wait_confirmations(made, 300)
        plant.wait_drained()
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict(heard_s=60)
    row("broker out of reach", 1, plant, verdict, f"for {messages} messages")
    assert not verdict.forgotten


def _wait_refused(plant: Plant) -> None:
    until_s = time.monotonic() + 60
    state = "unknown"
    while state != "refused":
        assert time.monotonic() < until_s, f"the broker refuses, and mqtt is {state}"
        time.sleep(0.1)
        with contextlib.suppress(AgentUnreachable):  # it is busy
            state = plant.status()["mqtt"]["state"]


@needs_mosquitto_passwd
def test_no_event_is_lost_while_the_broker_refuses_the_password(tmp_path, chance, row):
    """Refused, the agent tries slowly, as a person must act. One that is asked to end tries once more: the person may have acted."""
    refusals = chance.pick(1, 3)
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "press", "right"], check=True, capture_output=True)
    secret.write_text("right\n")
    secret.chmod(0o600)
    with Plant(
        tmp_path,
        rate_hz=25,
        mqtt=f'username = "press"\npassword_file = "{secret}"\n',
        broker_options=f"password_file {passwords}",
    ) as plant:
        plant.start()
        for refusal in range(refusals):
            secret.write_text("wrong\n")
            plant.way.cut()
            plant.wait_made(50)
            _wait_refused(plant)
            secret.write_text("right\n")
            if refusal < refusals - 1:
                plant.heal(time.monotonic(), 400)
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("broker refuses the password", refusals, plant, verdict, "tried again after 30 to 60 s, or at the end")
    assert not verdict.forgotten


def test_no_event_is_lost_when_the_connection_ends_in_the_middle_of_a_packet(tmp_path, chance, row):
    """Of a message, before the broker has all of it; and of its confirmation, before the agent has."""
    cuts = chance.pick(4, 60)
    with Plant(tmp_path) as plant:
        plant.start()
        for number in range(cuts):
            plant.way.tear(to_broker=number % 2 == 0, share=chance.random.random())
            assert plant.way.torn.wait(60), "the connection was not torn"
            plant.heal(time.monotonic())
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("connection cut inside a packet", cuts, plant, verdict)
    assert not verdict.forgotten


def test_no_event_is_lost_at_a_broker_that_takes_one_message_a_second(tmp_path, chance, row):
    """What it cannot take waits; when it is itself again, everything comes."""
    slow_s = chance.pick(3, 120)
    with Plant(tmp_path, pipelines=1, rate_hz=20) as plant:
        plant.start()
        plant.way.period_s = 1.0
        time.sleep(slow_s)
        plant.way.period_s = 0.0
        plant.heal(time.monotonic())
        plant.wait_more(slow_s)
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    row("broker takes 1 message/s", 1, plant, verdict, f"for {slow_s} s")
    assert not verdict.forgotten


@pytest.mark.parametrize("how", ["network", "broker"])
def test_no_event_is_lost_when_the_other_side_falls_silent(tmp_path, chance, row, how):
    """A pulled cable, which ends that connection for good; a broker that hangs for a while and then goes on."""
    freezes = chance.pick(1, 10)
    with Plant(tmp_path, mqtt="keepalive_s = 5\n") as plant:
        plant.start()
        for _ in range(freezes):
            time.sleep(chance.wait_s(0.0, 1.0))
            if how == "network":
                plant.way.freeze()
                plant.heal(time.monotonic())
            else:
                with plant.broker.paused():
                    time.sleep(chance.wait_s(1.0, chance.pick(2.0, 15.0)))
                plant.heal(time.monotonic())
        assert plant.stop() == 0, plant.agent.log
        verdict = plant.verdict()
    note = "until the keepalive of 5 s notices" if how == "network" else ""
    row(f"{how} silent", freezes, plant, verdict, note)
    assert not verdict.forgotten
