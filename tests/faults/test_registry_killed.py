"""SIGKILL to a registry at each step of each kind of change: clients see old or new, and who opens it next finishes what was decided.

A step is an fsync or a rename of ours, and the beginning and the end of each commit of the database.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import contextmanager

import pytest
from registering import Site
from registry_changes import CHANGES, at_each_step, prepare, view
from sqlalchemy import event

from cloud_sync.registry.registry import Registry
from cloud_sync.registry.state.database import Database, engine_of

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    made = Site.make(tmp_path_factory.mktemp("prepared"))
    prepare(made)
    made.registry.close()
    return made


def _killed_at(site: Site, change: str, number: int, monkeypatch) -> bool:
    """Make the change in a child that kills itself before step `number`; whether it came that far."""
    site.registry.close()
    child = os.fork()
    if child == 0:
        try:
            _counted(site, change, monkeypatch, dies_at=number)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must not go on as a second pytest
            traceback.print_exc(file=sys.__stderr__)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def _counted(site: Site, change: str, monkeypatch, dies_at: int | None = None) -> int:
    """Open the registry, make the change, and count its steps."""
    steps = 0

    def step(*_) -> None:
        nonlocal steps
        steps += 1
        if steps == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    real = Database.writing

    @contextmanager
    def writing(self):
        with real(self) as tx:
            yield tx
        step()

    site.registry = Registry.open(site.folder, clock=site.clock)
    at_each_step(monkeypatch, step)
    event.listen(engine_of(site.registry._changing.database), "commit", step)
    monkeypatch.setattr(Database, "writing", writing)
    CHANGES[change](site)
    return steps


@pytest.mark.parametrize("change", CHANGES)
def test_a_killed_registry_is_old_or_new_and_goes_on(prepared, tmp_path, monkeypatch, chance, change):
    """After each kill: a known client is not refused, the next start converges, and the same change can be made again."""
    whole = prepared.copy(tmp_path / "whole")
    before = view(whole, tmp_path / "whole" / "known")
    whole.registry.close()
    with monkeypatch.context() as patched:
        steps = _counted(whole, change, patched)
    after = view(whole, tmp_path / "whole" / "known")
    whole.registry.close()

    for number in chance.pick([chance.random.randint(1, steps)], range(1, steps + 1)):
        site = prepared.copy(tmp_path / str(number))
        known = tmp_path / str(number) / "known"
        assert view(site, known) == before
        assert _killed_at(site, change, number, monkeypatch), f"there are less than {number} steps"
        assert all(part in pair for part, *pair in zip(view(site, known), before, after, strict=True))
        site.registry = Registry.open(site.folder, clock=site.clock)
        found = view(site, known)
        assert found in (before, after)
        assert view(site, known.with_name("new")) == found
        assert [path for path in (site.public / "metadata").iterdir() if path.name.startswith(".")] == []
        site.registry.log.verify()
        assert site.registry.keys.refresh(force=True).timestamp
        if found == before != after:
            CHANGES[change](site)
            assert view(site, known) == after
        site.registry.close()
