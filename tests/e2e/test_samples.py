"""Frames that a real agent keeps, looked at while it runs and after it was killed."""

from __future__ import annotations

import time

import cv2
from broker import needs_mosquitto
from command import lineside
from deadlines import LONG_S
from drifting import part
from line import Agent, configure, write_bundle

from agent.capture.folder import SampleFolder

pytestmark = needs_mosquitto

LINE = (
    '[sources.folder]\ntype = "images"\nurl = "pictures"\nloop = true\n[models.tiny]\npath = "tiny"\n'
    '[pipelines.inspect]\nsource = "folder"\nmodel = "tiny"\nmax_rate_hz = 100\n'
    '[pipelines.inspect.capture]\nreasons = ["random"]\nrandom_share = 1.0\nevery_s = 0\nmin_difference = 0\n'
    "[samples]\nmax_count = 20\nreserve_bytes = 0\n"
)


def until(happens):
    """Wait for what the agent does beside us."""
    deadline_s = time.monotonic() + LONG_S
    while not happens():
        assert time.monotonic() < deadline_s


def test_an_agent_keeps_samples_within_its_quota_and_a_killed_one_leaves_them_whole(tmp_path, broker):
    """Each with its prediction and the model's digest; a purge beside the agent makes room."""
    (tmp_path / "pictures").mkdir()
    for k in range(20):
        cv2.imwrite(str(tmp_path / "pictures" / f"{k:03}.png"), part(k))
    write_bundle(tmp_path / "tiny")
    config = configure(tmp_path, broker.port, LINE)
    folder = SampleFolder(tmp_path / "state")
    with Agent(config) as agent:
        until(lambda: len(list(folder.samples())) >= 15)
        removed = lineside("samples", "purge", "--all", "--json", "-c", config).json["removed"]
        assert len(removed) >= 15
        until(lambda: {sample.id for sample in folder.samples()} - set(removed))
        agent.kill()
    whole = list(folder.samples())
    assert 0 < len(whole) <= 20
    assert all(sample.prediction["id"] == sample.id for sample in whole)
    assert {sample.prediction["model"]["digest"][:7] for sample in whole} == {"sha256:"}
    with Agent(config) as agent:
        until(lambda: {sample.id for sample in folder.samples()} - {sample.id for sample in whole})
        assert agent.stop() == 0, agent.log
    files = list(folder.root.glob("*/*"))
    assert sorted(files) == sorted(p for s in folder.samples() for p in (folder.document(s), folder.image(s)))
