"""The tables. Times are text, ISO 8601 with microseconds and `Z`, so that they sort; objects are JSON."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

VERSION = 2
"""1 had no `wanted.gates`."""


def _name(of: str) -> Column[str]:
    """A part of the key: a name, or the sha256 of a secret."""
    return Column(of, String(64), primary_key=True)


def _sha256(of: str) -> Column[str]:
    return Column(of, String(64), nullable=False)


def _text(of: str) -> Column[str]:
    return Column(of, Text, nullable=False)


def _time(of: str, *, nullable: bool = False) -> Column[str]:
    return Column(of, String(32), nullable=nullable)


def _content() -> Column[bytes]:
    return Column("content", LargeBinary, nullable=False)


tables = MetaData()

about = Table("about", tables, _name("name"), _text("value"))

role_metadata = Table(
    "role_metadata",
    tables,
    Column("role", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    _content(),
    _time("expires"),
)
"""Every metadata file that was ever signed; the highest version is the current one."""

target_files = Table(
    "target_files",
    tables,
    Column("path", String(300), primary_key=True),
    _name("sha256"),
    _content(),
)

pending_files = Table(
    "pending_files",
    tables,
    Column("number", Integer, primary_key=True),
    Column("path", String(400), nullable=False),
    _content(),
)
"""What a committed change still has to write, in this order."""

online_keys = Table(
    "online_keys",
    tables,
    _name("role"),
    Column("keyid", String(128), nullable=False),
    _text("uri"),
    _text("public"),
)

models = Table("models", tables, _name("name"), _time("added_at"))

versions = Table(
    "versions",
    tables,
    Column("model", String(64), ForeignKey("models.name"), primary_key=True),
    _name("version"),
    Column("release", Integer, nullable=False),
    _sha256("digest"),
    Column("size_bytes", Integer, nullable=False),
    _text("hardware"),
    _time("published_at"),
    _text("published_by"),
    Column("state", String(16), nullable=False),
    UniqueConstraint("model", "release"),
)

subjects = Table(
    "subjects",
    tables,
    Column("subject", String(80), primary_key=True),
    Column("counter", Integer, nullable=False),
    _time("issued_at"),
    _time("expires"),
)

wanted = Table(
    "wanted",
    tables,
    Column("subject", String(80), ForeignKey("subjects.subject"), primary_key=True),
    Column("model", String(64), ForeignKey("models.name"), primary_key=True),
    Column("version", String(64)),
    Column("previous", String(64)),
    Column("gates", Text, nullable=False, server_default="{}"),
)
"""What a subject should run; `previous` is what it should run before. A `version` of null keeps only the memory of the previous one."""

devices = Table(
    "devices",
    tables,
    _name("device"),
    Column("keyid", String(128), nullable=False),
    _text("public"),
    Column("state", String(16), nullable=False),
    _time("admitted_at"),
    _text("admitted_by"),
    _text("profile"),
    _text("agent_version"),
    Column("number", Integer, nullable=False),
    _time("reported_at", nullable=True),
    Column("error", Text),
)

runs = Table(
    "runs",
    tables,
    Column("device", String(64), ForeignKey("devices.device"), primary_key=True),
    _name("model"),
    Column("version", String(64)),
    _text("detail"),
    Index("runs_of_model", "model", "version"),
)

events = Table(
    "events",
    tables,
    Column("device", String(64), ForeignKey("devices.device"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    _text("detail"),
)

candidates = Table(
    "candidates",
    tables,
    _name("device"),
    Column("keyid", String(128), primary_key=True),
    _text("public"),
    _time("asked_at"),
    _text("profile"),
    _text("agent_version"),
)

enrolment_tokens = Table(
    "enrolment_tokens",
    tables,
    _name("hash"),
    Column("device", String(64), nullable=False),
    _time("expires"),
    _text("created_by"),
)
"""Only unused ones; only their sha256."""

nonces = Table("nonces", tables, _name("hash"), _time("expires"))

api_tokens = Table(
    "api_tokens",
    tables,
    Column("id", String(32), primary_key=True),
    _sha256("hash"),
    _text("name"),
    Column("role", String(16), nullable=False),
    _text("models"),
    _time("created_at"),
    _time("expires", nullable=True),
    _time("revoked_at", nullable=True),
)

changes = Table(
    "changes",
    tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
    _time("at"),
    _text("who"),
    Column("what", String(64), nullable=False),
    Column("subject", String(100), nullable=False, index=True),
    _text("detail"),
    _sha256("previous"),
    _sha256("hash"),
)

FROM_EARLIER = {"1": "ALTER TABLE wanted ADD COLUMN gates TEXT DEFAULT '{}' NOT NULL"}
"""What makes the next version of the one that is there."""

FOR_SQLITE = tuple(
    f"CREATE TRIGGER changes_are_kept_{verb.lower()} BEFORE {verb} ON changes "
    "BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END"
    for verb in ("UPDATE", "DELETE")
)
