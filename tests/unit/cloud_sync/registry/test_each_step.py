"""Whoever asks in the middle of a change sees the state before or the one after, and is never refused."""

from __future__ import annotations

import shutil

import pytest
from registry_changes import CHANGES, at_each_step, prepare, view


@pytest.fixture(scope="module")
def prepared(empty_original, tmp_path_factory):
    made = empty_original.copy(tmp_path_factory.mktemp("prepared"))
    prepare(made)
    made.registry.close()
    return made


@pytest.mark.parametrize("change", CHANGES)
def test_a_client_sees_old_or_new_at_each_step(prepared, tmp_path, monkeypatch, change):
    """A client that knew the state before, one that comes for the first time, and one that looks again at each step."""
    site = prepared.copy(tmp_path)
    before = view(site, tmp_path / "known")
    looks = []

    def look():
        folder = tmp_path / f"step-{len(looks)}"
        shutil.copytree(tmp_path / "known", folder)
        found = [
            view(site, folder),
            view(site, tmp_path / "steady"),
            view(site, folder.with_name(f"{folder.name}-new")),
        ]
        looks.append(found)

    with monkeypatch.context() as patched:
        at_each_step(patched, look)
        CHANGES[change](site)
    after = view(site, tmp_path / "known")
    assert len(looks) > 1
    for found in looks:
        assert found[0] == found[1] == found[2]
        # Metadata first and assignments after, or the other way round for what is taken back: each part is old or new.
        assert all(part in (old, new) for part, old, new in zip(found[0], before, after, strict=True))
    site.registry.close()
