"""Whatever stands in a configuration, there are findings and never an exception."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.layers import Layer, absolute, profile_layer
from agent.config.loading import load, validated
from agent.config.settings import AgentSettings
from device_profiles import load as load_profile

KEYS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            "device",
            "mqtt",
            "sources",
            "models",
            "pipelines",
            "runtime",
            "log",
            "id",
            "url",
            "type",
            "path",
            "input",
            "mean",
        ]
    ),
    st.sampled_from(["cam", "delegates", "kind", "options", "decision", "reject", "smoothing", "profile", "location"]),
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.dates(),
    st.datetimes(),
    st.times(),
    st.sampled_from(["camera", "images", "rtsp://u:p@h", "0", "auto", "external", "~x/y", dt.date(2026, 1, 1)]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=20
)
TABLES = st.dictionaries(KEYS, VALUES, max_size=5)
KNOWN_TABLES = st.fixed_dictionaries({}, optional=dict.fromkeys(AgentSettings.model_fields, TABLES))


@pytest.fixture(scope="module")
def folder():
    with TemporaryDirectory(prefix="lineside-test-junk-") as name:
        yield Path(name)


@settings(deadline=None)
@given(st.lists(TABLES | KNOWN_TABLES, min_size=1, max_size=3))
def test_any_tables_give_settings_or_findings(tables):
    """Merged, made absolute, with hints of a device profile, and validated."""
    found = [Layer(f"layer {number}", absolute(values, Path("/base"))) for number, values in enumerate(tables)]
    found.insert(0, profile_layer(load_profile("raspberry-pi-5"), found))
    kept, findings = validated(found)
    assert (kept is None) == bool(findings)
    for finding in findings:
        assert finding.severity == "error"
        assert finding.message


@settings(deadline=None)
@given(TABLES | KNOWN_TABLES)
def test_any_tables_on_the_command_line_give_settings_or_findings(folder, tables):
    """Through the whole way of a command, with a file that is well."""
    config = folder / "agent.toml"
    config.write_text(
        '[sources.s]\ntype="camera"\nurl="0"\n[models.m]\npath="m"\n[pipelines.p]\nsource="s"\nmodel="m"\n'
    )
    loaded = load(config, overrides=tables)
    assert loaded.settings is not None or loaded.errors


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet="[]{}=\"'.,\n#ab1-:T \\u\x00é", max_size=60).map(str.encode))
def test_any_bytes_of_a_file_give_settings_or_findings(folder, content):
    """Binary junk, and what nearly is TOML."""
    config = folder / "bytes.toml"
    config.write_bytes(content)
    loaded = load(config)
    assert loaded.errors, "without a pipeline there is always one"
