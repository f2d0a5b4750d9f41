"""A bad line and a hostile mirror between a device and a real registry: delivery ends well, and costs at most one download more."""

from __future__ import annotations

import os
import re
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest
from file_server import corrupted, endless, stalled, status, trickling, truncated
from hostile_mirror import HostileMirror, other_part, says_longer, says_shorter, something_else, too_much
from serving import Serving
from sync_world import CHANNEL, FIRST, MODEL, NEW, SECOND, THIRD, Station, make_site, sync_here, sync_in_child

import cloud_sync.wire
from cloud_sync.registry.server.limits import Limits, Rate
from cloud_sync.wire.pace import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.timeout(1800)

KINDS = {
    "next root": r"metadata/2\.root\.json",
    "timestamp": r"metadata/timestamp\.json",
    "snapshot": r"metadata/\d+\.snapshot\.json",
    "targets": r"metadata/\d+\.targets\.json",
    "role of the model": r"metadata/\d+\.model\.parts\.json",
    "keys of assignments": r"targets/keys/.*",
    "own assignment": r"assignments/device:.*",
    "assignment of the channel": r"assignments/channel:.*",
    "manifest": r"targets/models/.*",
    "list of patches": r"deltas/.*",
    "blob": r"blobs/.*",
    "report": r"api/v1/reports",
}
ABSENT = ("next root", "own assignment")
"""Not there in the ordinary course; what takes the true content cannot be done to them."""
ANSWERS = {
    "404": status(404),
    "403": status(403),
    "429 with Retry-After": status(429, Retry_After="2"),
    "429 for an hour": status(429, Retry_After="3600"),
    "500": status(500),
    "503": status(503, Retry_After="1"),
    "redirect": status(302, Location="http://127.0.0.2:9/elsewhere"),
}
CONTENTS: dict[str, Callable] = {
    "truncated": truncated(1000),
    "nothing comes": truncated(0),
    "stalls": stalled(100),
    "trickles": trickling,
    "corrupted": corrupted,
    "says longer": says_longer,
    "says shorter": says_shorter,
    "too much": too_much,
    "endless": endless,
    "another part": other_part,
    "something else": something_else,
}
SLOW = ("stalls", "trickles")
HUNG_UP_ON = ("says longer", "says shorter", "too much", "endless", "another part")
"""The device goes away in the middle, and what the kernel had in its buffers never arrived."""
UPDATES = {"1.1.0 by a patch": CHANNEL, "2.0.0 whole": "canary"}


class Case(NamedTuple):
    """What happens to the first requests of one kind while a device updates."""

    update: str
    kind: str
    fault: str
    times: int


CASES = [
    Case(update, kind, fault, times)
    for update in UPDATES
    for kind in KINDS
    for fault in (*ANSWERS, *CONTENTS)
    for times in (1, 2, 5)
    if (fault in ANSWERS or kind not in (*ABSENT, "report")) and not (update == "2.0.0 whole" and kind != "blob")
]


@pytest.fixture(scope="module")
def no_fsync():
    """What must survive a crash is proved elsewhere."""
    real = os.fsync
    os.fsync = lambda _: None
    yield
    os.fsync = real


@pytest.fixture(scope="module")
def world(tmp_path_factory, no_fsync):
    """A registry's server, and a device at version 1.0.0 of it that is admitted and has told so."""
    folder = tmp_path_factory.mktemp("world")
    site = make_site(folder)
    many = Limits(address=Rate(10_000, 100_000))
    with Serving(site.registry, many) as url:
        site.publish(MODEL, "1.0.0", 1, FIRST, CHANNEL)
        token = site.registry.devices.create_enrolment_token("press-07", by="ada")
        device = Station(folder / "state", site.public / "metadata" / "1.root.json", url, {"enrol_token": token})
        assert (device.poll()["state"], device.outcomes[-1]["enrolment"]) == ("staged", "admitted")
        device.adopt()
        device.options = {}
        assert device.poll()["state"] == "current"
        site.add_model("bolts")  # so that the update has new targets, too
        site.publish(MODEL, "1.1.0", 2, SECOND, CHANNEL)
        site.publish(MODEL, "2.0.0", 3, THIRD, "canary")
        yield site, url, device
    site.registry.close()


@pytest.fixture
def hasty(monkeypatch):
    """Wires of this process that pass their waits by, and notice soon that nothing comes."""
    waits: list[float] = []

    def make(timeout_s: float = 30.0) -> list[float]:
        wire = partial(cloud_sync.wire.http.HttpWire, timeout_s=timeout_s, clock=Clock(sleep=waits.append))
        monkeypatch.setattr(cloud_sync.wire, "HttpWire", wire)
        return waits

    return make


class Delivery(NamedTuple):
    """What an update took.

    Attributes:
        polls: Syncs until it was there.
        blob_bytes: What was sent of blobs.
        errors: How the syncs before the last one ended.
    """

    polls: int
    blob_bytes: int
    errors: tuple[str, ...]


def deliver(device: Station, mirror: HostileMirror, most_polls: int) -> Delivery:
    """Poll until the update is there; before that, nothing of the store changes."""
    before, errors = device.picture(), list[str]()
    for number in range(1, most_polls + 1):
        outcome = device.poll()
        if outcome["state"] == "staged":
            assert all(device.store.is_whole(version.digest) for version in device.store.staged().values())
            device.adopt()
            assert device.poll()["state"] == "current"
            blobs = sum(count for path, count in mirror.sent.items() if path.startswith("blobs/"))
            return Delivery(number, blobs, tuple(errors))
        assert device.picture() == before
        errors.append((outcome["error"] or {}).get("code", "nothing new"))
        assert outcome["error"] is None or outcome["state"] in ("failed", "waiting")
    raise AssertionError(f"{errors}, and it is not there after {most_polls} polls: {device.outcomes[-1]}")


def inflict(mirror: HostileMirror, case: Case) -> None:
    """The first requests of a kind go wrong, whatever they are called."""
    left, fault = [case.times], (ANSWERS | CONTENTS)[case.fault]
    pattern = re.compile(KINDS[case.kind])

    class Faults(dict):
        def get(self, path, default=None):
            if left[0] and pattern.fullmatch(path):
                left[0] -= 1
                return fault
            return default

    mirror.always = Faults()


def clean(world, tmp_path_factory, update: str) -> Delivery:
    _, url, device = world
    with HostileMirror(url) as mirror:
        station = device.copy(tmp_path_factory.mktemp("clean") / "state", mirror.url, models={MODEL: UPDATES[update]})
        return deliver(station, mirror, 1)


@pytest.fixture(scope="module")
def costs(world, tmp_path_factory) -> dict[str, int]:
    """Bytes of blobs of each update over a good line."""
    return {update: clean(world, tmp_path_factory, update).blob_bytes for update in UPDATES}


def whole_bytes(update: str) -> int:
    """What an update costs without any patch: one download."""
    return sum(map(len, (SECOND if "patch" in update else THIRD).values()))


def extra_bytes(case: Case, found: Delivery, station: Station, costs: dict[str, int]) -> int:
    """What a delivery took beyond that over a good line."""
    crossed = found.blob_bytes
    if case.fault in HUNG_UP_ON:
        crossed = sum(outcome["bytes"] for outcome in station.outcomes)
    return crossed - costs[case.update]


def test_a_delivery_ends_well_whatever_the_line_does(world, costs, tmp_path, chance, hasty, storage_row):
    """Each kind of request goes wrong once, twice or five times: no more polls than faults, at most one download's worth of bytes.

    A seeded slice, with --faults=all every case. Each tenth by the process that the agent starts, the others in this one without its waits.
    """
    _, url, device = world
    short = [case for case in CASES if case.times <= 2]
    cases = CASES if chance.runs_all else chance.random.sample(short, 8)
    polls, errors, extra = Counter(), Counter(), dict[Case, int]()
    for number, case in enumerate(cases):
        in_child = case.fault not in SLOW and number % 10 == 0
        hasty(0.5 if case.fault in SLOW else 30.0)
        with HostileMirror(url) as mirror:
            inflict(mirror, case)
            station = device.copy(tmp_path / str(number), mirror.url, models={MODEL: UPDATES[case.update]})
            station.sync = sync_in_child if in_child else sync_here
            found = deliver(station, mirror, case.times + 1)
        polls[found.polls] += 1
        errors.update(found.errors)
        extra[case] = extra_bytes(case, found, station, costs)
        assert extra[case] <= whole_bytes(case.update), case
    share = max(extra[case] / whole_bytes(case.update) for case in extra)
    note = (
        f"polls: {', '.join(f'{k} ({polls[k]}x)' for k in sorted(polls))}; extra at most {share:.2f} of a download; "
        f"first refused with {', '.join(f'{k} ({n}x)' for k, n in sorted(errors.items()))}"
    )
    storage_row("sync: a bad line", len(cases), len(extra), note=note)


@pytest.mark.parametrize("fault", ["corrupted", "too much", "endless"])
def test_five_lies_in_a_row_cost_no_more_than_one_download_together(world, costs, tmp_path, hasty, fault):
    """Only the pieces that are wrong are fetched again, whoever sent them, and over several polls."""
    _, url, device = world
    hasty()
    update = "2.0.0 whole"
    case = Case(update, "blob", fault, 5)
    with HostileMirror(url) as mirror:
        inflict(mirror, case)
        station = device.copy(tmp_path / "state", mirror.url, models={MODEL: UPDATES[update]})
        found = deliver(station, mirror, case.times + 1)
    assert extra_bytes(case, found, station, costs) <= whole_bytes(update)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_there_is_asked_for_once_a_poll(world, tmp_path, hasty, kind):
    """A 404 becomes no storm."""
    _, url, device = world
    waits = hasty()
    with HostileMirror(url) as mirror:
        inflict(mirror, Case("1.1.0 by a patch", kind, "404", 10_000))
        station = device.copy(tmp_path / "state", mirror.url)
        for _ in range(2):
            mirror.requests.clear()
            outcome = station.poll()
            asked = Counter(path for path in mirror.paths() if re.fullmatch(KINDS[kind], path))
            assert set(asked.values()) == {1}
            if kind == "blob":
                assert len(asked) <= 3, "the patch, the file that it would have made, and the new file"
            if outcome["state"] == "staged":
                break
    assert waits == []


def test_a_registry_that_is_busy_is_left_alone_for_as_long_as_it_says(world, tmp_path, hasty):
    """Shortly in the same poll, for long in the agent's time; no more than four requests in any."""
    _, url, device = world
    for seconds, requests, waited in ((2, 4, True), (3600, 1, False)):
        waits = hasty()
        waits.clear()
        with HostileMirror(url) as mirror:
            mirror.always["metadata/timestamp.json"] = status(429, Retry_After=str(seconds))
            station = device.copy(tmp_path / str(seconds), mirror.url)
            outcome = station.poll()
            assert (outcome["state"], outcome["error"]["code"]) == ("waiting", "server-busy")
            assert outcome["retry_after_s"] == seconds
            assert mirror.paths().count("metadata/timestamp.json") == requests
        assert (min(waits, default=0) >= seconds) is waited


def test_a_download_that_is_cut_again_and_again_goes_on_from_where_it_was(world, costs, tmp_path, hasty):
    """Every answer ends after 20 kB: over several polls, without a byte that comes twice."""
    _, url, device = world
    hasty()
    with HostileMirror(url) as mirror:
        inflict(mirror, Case("2.0.0 whole", "blob", "truncated", 10_000))
        mirror.always = _Cut(mirror.always, truncated(20_000))
        station = device.copy(tmp_path / "state", mirror.url, models={MODEL: "canary"})
        found = deliver(station, mirror, 3)
    assert found.blob_bytes == costs["2.0.0 whole"]


class _Cut(dict):
    def __init__(self, which, fault) -> None:
        super().__init__()
        self._which, self._fault = which, fault

    def get(self, path, default=None):
        return self._fault if self._which.get(path) else default


def test_what_is_published_in_the_middle_of_a_poll_is_no_fault(world, tmp_path, hasty):
    """The assignment names a version that the metadata of a moment ago does not know."""
    site, url, device = world
    hasty()

    def publish() -> None:
        site.publish(MODEL, "1.2.0", 4, {**SECOND, "labels.txt": b"good\nworse\n"}, CHANNEL)

    with HostileMirror(url) as mirror:
        mirror.before[f"assignments/channel:{CHANNEL}.json"] = publish
        station = device.copy(tmp_path / "state", mirror.url)
        outcome = station.poll()
    try:
        assert (outcome["error"], outcome["staged"]) == (None, {MODEL: "1.2.0"})
    finally:
        site.registry.assignments.set_channel(CHANNEL, {MODEL: "1.1.0"}, by="ada")
    assert len(NEW) == len(SECOND["model.tflite"])
