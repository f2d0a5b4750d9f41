"""Tokens of the API, and the log that nobody can change unseen."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from cloud_sync.errors import Refused
from cloud_sync.registry.errors import LogBroken, UnknownName


def test_a_token_is_its_owner_until_it_ends(site):
    """By expiry or by command; a publisher is one of its models only."""
    registry = site.registry
    who, secret = registry.tokens.create(
        "ci", "publisher", models=["solar-cell"], valid_for=timedelta(days=1), by="ada"
    )
    assert registry.tokens.authenticate(secret) == who
    assert (who.may_publish("solar-cell"), who.may_publish("bearing")) == (True, False)
    site.clock.forward(days=2)
    assert registry.tokens.authenticate(secret) is None
    admin, other = registry.tokens.create("ada", "admin", by="ada")
    assert admin.may_publish("bearing")
    registry.tokens.revoke(admin.id, by="ada")
    assert registry.tokens.authenticate(other) is None
    assert [token.principal.name for token in registry.tokens.all()] == ["ci", "ada"]


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "x", lambda s: s[:-1] + "\n", lambda s: "", lambda s: "\ud800"]
)
def test_what_is_not_the_secret_is_nobody(site, change):
    """Whatever is sent."""
    _, secret = site.registry.tokens.create("ada", "admin", by="ada")
    assert site.registry.tokens.authenticate(change(secret)) is None


def test_no_secret_is_on_the_disk(site):
    """Only its sha256: a stolen backup admits nobody."""
    registry = site.registry
    secrets = [
        registry.tokens.create("ada", "viewer", by="ada")[1],
        registry.devices.create_enrolment_token("press-07", by="ada"),
        registry.devices.nonce(),
    ]
    registry.close()
    content = b"".join(path.read_bytes() for path in site.folder.glob("state.db*"))
    assert [secret for secret in secrets if secret.encode() in content or secret[20:].encode() in content] == []


@pytest.mark.parametrize(
    ("name", "role", "models"),
    [
        ("", "admin", []),
        ("x", "root", []),
        ("x", "publisher", []),
        ("x", "viewer", ["m"]),
        ("x", "publisher", ["../m"]),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(site, name, role, models):
    """Before somebody relies on it."""
    with pytest.raises(Refused):
        site.registry.tokens.create(name, role, models=models, by="ada")
    with pytest.raises(UnknownName):
        site.registry.tokens.revoke("abc", by="ada")


def test_the_log_takes_no_change_and_shows_one_that_was_forced(solar):
    """The database refuses; who goes around it breaks the chain."""
    count = solar.registry.log.verify()
    assert count == len(solar.registry.log.read())
    with closing(sqlite3.connect(solar.folder / "state.db")) as database:
        for statement in ("UPDATE changes SET who = 'eve'", "DELETE FROM changes"):
            with pytest.raises(sqlite3.IntegrityError, match="only added to"):
                database.execute(statement)
        database.executescript("DROP TRIGGER changes_are_kept_update; UPDATE changes SET who = 'eve' WHERE number = 2")
    with pytest.raises(LogBroken, match="line 2"):
        solar.registry.log.verify()


def test_the_log_is_read_in_pieces(solar):
    """A page of it, and what belongs to one subject."""
    registry = solar.registry
    lines = registry.log.read()
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert registry.log.read(after=1, limit=2) == lines[1:3]
    assert {line.subject for line in registry.log.read(subject="channel:stable")} == {"channel:stable"}
