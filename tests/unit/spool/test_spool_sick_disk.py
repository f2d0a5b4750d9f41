"""A disk that hesitates, forgets and fails, whatever the spool does at that moment: each event comes out once, in order, or is counted."""

from __future__ import annotations

import random

import pytest
from spool_driver import event, open_spool
from spool_judge import disorder, drain

from agent.spool.faults import SpoolUnwritable
from agent.spool.store import Store


class SickDisk:
    """Has reads, commits and opens fail, each with its own probability."""

    def __init__(self, monkeypatch, dice: random.Random) -> None:
        self.chances = dict.fromkeys(("read", "commit", "__init__"), 0.0)
        self._dice = dice
        for name in self.chances:
            monkeypatch.setattr(Store, name, self._sick(name, getattr(Store, name)))

    def _sick(self, name, sound):
        def call(*arguments, **options):
            if self._dice.random() < self.chances[name]:
                raise SpoolUnwritable(f"{name} fails")
            return sound(*arguments, **options)

        return call


@pytest.mark.parametrize("read_fails", [0.05, 0.6])
def test_what_comes_out_is_what_went_in_but_for_what_is_counted(tmp_path, monkeypatch, read_fails):
    """Reads that fail five times in a row move the file aside; even that costs, repeats and reorders nothing that is not told."""
    monkeypatch.setattr("agent.spool.spool._READ_AGAIN_S", 0.0)
    for seed in range(12):
        dice = random.Random(seed)
        disk = SickDisk(monkeypatch, dice)
        disk.chances |= {"read": read_fails, "commit": 0.2, "__init__": 0.2}
        folder = tmp_path / str(seed)
        folder.mkdir()
        spool = open_spool(folder)
        spool.open()
        made, sent = 0, []
        for _ in range(40):
            with spool.changed:
                (spool.events.disconnect if dice.random() < 0.3 else spool.events.connect)()
                for _ in range(dice.randint(1, 12)):
                    spool.accept(spool.events, event(made))
                    made += 1
            spool.flush()
            for _ in range(dice.choice((0, dice.randint(1, 15)))):
                spool.load()
                with spool.changed:
                    record = spool.events.take(20)
                    if record is None:
                        break
                    spool.events.confirm(record)
                sent.append(record)
            spool.record_confirmations()
        disk.chances |= dict.fromkeys(disk.chances, 0.0)
        spool.flush()
        sent += drain(spool)
        out = [number for record in sent for number in range(record.first, record.last + 1)]
        assert disorder(sent) == []
        assert len(out) == len(set(out))
        assert made - len(out) <= spool.dropped["spool_corrupt"]
        assert len(spool.events) == 0
        spool.close()
        monkeypatch.undo()
        monkeypatch.setattr("agent.spool.spool._READ_AGAIN_S", 0.0)
