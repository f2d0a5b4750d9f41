"""The tables. Times are text, ISO 8601 with microseconds and `Z`, so that they sort; objects are JSON."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text, UniqueConstraint

VERSION = 1

tables = MetaData()

about = Table("about", tables, Column("name", String(64), primary_key=True), Column("value", Text, nullable=False))

role_metadata = Table(
    "role_metadata",
    tables,
    Column("role", String(128), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    Column("expires", String(32), nullable=False),
)
"""Every metadata file that was ever signed; the highest version is the current one."""

target_files = Table(
    "target_files",
    tables,
    Column("path", String(300), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

pending_files = Table(
    "pending_files",
    tables,
    Column("number", Integer, primary_key=True),
    Column("path", String(400), nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""What a committed change still has to write, in this order."""

online_keys = Table(
    "online_keys",
    tables,
    Column("role", String(64), primary_key=True),
    Column("keyid", String(128), nullable=False),
    Column("uri", Text, nullable=False),
    Column("public", Text, nullable=False),
)

models = Table(
    "models", tables, Column("name", String(64), primary_key=True), Column("added_at", String(32), nullable=False)
)

versions = Table(
    "versions",
    tables,
    Column("model", String(64), ForeignKey("models.name"), primary_key=True),
    Column("version", String(64), primary_key=True),
    Column("release", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("hardware", Text, nullable=False),
    Column("published_at", String(32), nullable=False),
    Column("published_by", Text, nullable=False),
    Column("state", String(16), nullable=False),
    UniqueConstraint("model", "release"),
)

subjects = Table(
    "subjects",
    tables,
    Column("subject", String(80), primary_key=True),
    Column("counter", Integer, nullable=False),
    Column("issued_at", String(32), nullable=False),
    Column("expires", String(32), nullable=False),
)

wanted = Table(
    "wanted",
    tables,
    Column("subject", String(80), ForeignKey("subjects.subject"), primary_key=True),
    Column("model", String(64), ForeignKey("models.name"), primary_key=True),
    Column("version", String(64)),
    Column("previous", String(64)),
)
"""What a subject should run; `previous` is what it should run before. A `version` of null keeps only the memory of the previous one."""

devices = Table(
    "devices",
    tables,
    Column("device", String(64), primary_key=True),
    Column("keyid", String(128), nullable=False),
    Column("public", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("admitted_at", String(32), nullable=False),
    Column("admitted_by", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("agent_version", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("reported_at", String(32)),
    Column("error", Text),
)

runs = Table(
    "runs",
    tables,
    Column("device", String(64), ForeignKey("devices.device"), primary_key=True),
    Column("model", String(64), primary_key=True),
    Column("version", String(64)),
    Column("detail", Text, nullable=False),
    Index("runs_of_model", "model", "version"),
)

events = Table(
    "events",
    tables,
    Column("device", String(64), ForeignKey("devices.device"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("detail", Text, nullable=False),
)

candidates = Table(
    "candidates",
    tables,
    Column("device", String(64), primary_key=True),
    Column("keyid", String(128), primary_key=True),
    Column("public", Text, nullable=False),
    Column("asked_at", String(32), nullable=False),
    Column("profile", Text, nullable=False),
    Column("agent_version", Text, nullable=False),
)

enrolment_tokens = Table(
    "enrolment_tokens",
    tables,
    Column("hash", String(64), primary_key=True),
    Column("device", String(64), nullable=False),
    Column("expires", String(32), nullable=False),
    Column("created_by", Text, nullable=False),
)
"""Only unused ones; only their sha256."""

nonces = Table(
    "nonces", tables, Column("hash", String(64), primary_key=True), Column("expires", String(32), nullable=False)
)

api_tokens = Table(
    "api_tokens",
    tables,
    Column("id", String(32), primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("models", Text, nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("expires", String(32)),
    Column("revoked_at", String(32)),
)

changes = Table(
    "changes",
    tables,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("who", Text, nullable=False),
    Column("what", String(64), nullable=False),
    Column("subject", String(100), nullable=False, index=True),
    Column("detail", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

FOR_SQLITE = tuple(
    f"CREATE TRIGGER changes_are_kept_{verb.lower()} BEFORE {verb} ON changes "
    "BEGIN SELECT RAISE(ABORT, 'the log is only added to'); END"
    for verb in ("UPDATE", "DELETE")
)
