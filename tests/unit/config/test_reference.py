"""The pages, the sample and the code say the same, and every default can be written down."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config import reference, sample
from agent.config.fields import fields_of, toml_value
from agent.config.loading import load
from agent.config.settings import DeviceSettings
from agent.models.settings import ModelSettings, RuntimeSettings
from agent.models.spec import ModelSpec
from agent.sources.camera.settings import CameraSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[3]
PLAIN = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", sorted(reference.build()))
def test_the_reference_is_what_the_code_says(name):
    """`make reference` writes it again after a change."""
    assert (ROOT / reference.FOLDER / name).read_text(encoding="utf-8") == reference.build()[name]


def test_the_reference_can_be_checked_without_being_written(tmp_path, monkeypatch, capsys):
    """The command of CI: exit code 1 and the file's name where one differs."""
    monkeypatch.chdir(tmp_path)
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0
    (reference.FOLDER / "bundle.md").write_text("changed by hand")
    assert reference.main(["--check"]) == 1
    assert "bundle.md differs" in capsys.readouterr().err
    assert (reference.FOLDER / "bundle.md").read_text() == "changed by hand"


@pytest.mark.parametrize("name", ["configuration.md", "bundle.md"])
def test_every_row_of_the_reference_is_complete(name):
    """Four cells, none but the default may be empty; descriptions begin with a capital or a symbol."""
    page = reference.build()[name]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in page.splitlines() if line.startswith("| `")]
    assert rows
    for row in rows:
        assert len(row) == 4, row
        key, kind, _, text = (cell.strip() for cell in row)
        assert all((key, kind, text)), row
    for section in page.split("\n## ")[1:]:
        description = section.split("\n")[2]
        assert description[0] == description[0].upper() or description[1] == " ", description


def test_the_sample_loads_without_a_finding(tmp_path):
    """Nothing is missing, misspelt or unused."""
    config = tmp_path / "agent.toml"
    config.write_text(reference.build()["agent.sample.toml"], encoding="utf-8")
    loaded = load(config)
    assert loaded.findings == []
    assert set(loaded.usable().sources) == {"cam", "folder"}


def test_the_sample_still_loads_with_every_default_written_out(tmp_path):
    """What is commented out is what holds anyway."""
    text = reference.build()["agent.sample.toml"]
    written, count = re.subn(r"(?m)^#(\w+ = .+)$", r"\1", text)
    assert count > 10
    short, long = tmp_path / "short.toml", tmp_path / "long.toml"
    short.write_text(text, encoding="utf-8")
    long.write_text(written, encoding="utf-8")
    assert load(long).findings == []
    assert load(long).usable() == load(short).usable()


@settings(deadline=None)
@given(PLAIN)
def test_any_plain_value_survives_being_written_as_toml(value):
    """Quotes, control characters and numbers of any size."""
    assert tomllib.loads(f"x = {toml_value(value)}")["x"] == value


def test_what_has_no_form_in_toml_is_an_error():
    """Rather than a file that cannot be read."""
    with pytest.raises(TypeError, match="no form in TOML"):
        toml_value(object())


@pytest.mark.parametrize(
    ("model", "key", "kind", "default"),
    [
        (DeviceSettings, "id", "name", ""),
        (DeviceSettings, "health_interval_s", "number ≥ 1, ≤ 3_600", "30.0"),
        (DeviceSettings, "state_dir", "path", '"/var/lib/lineside"'),
        (CameraSettings, "transport", '"tcp" | "udp"', '"tcp"'),
        (CameraSettings, "fourcc", "text", ""),
        (CameraSettings, "loop", "true | false", "false"),
        (CameraSettings, "open_timeout_s", "number > 0, ≤ 300", "5.0"),
        (RuntimeSettings, "delegates", "list of tables", '[{ kind = "xnnpack" }]'),
        (ModelSettings, "input", "table", ""),
    ],
)
def test_a_field_is_told_in_the_words_of_its_reader(model, key, kind, default):
    """What may stand there, with its range, and what holds without it."""
    [field] = [field for field in fields_of(model) if field.key == key]
    assert (field.kind, field.default) == (kind, default)


def test_nested_tables_are_known():
    """The sample leaves them out, the reference gives them a section."""
    nested = {field.key: field.table.__name__ for field in fields_of(ModelSpec) if field.table}
    assert nested == {
        "input": "InputSpec",
        "output": "OutputSpec",
        "decision": "DecisionSpec",
        "golden": "GoldenSpec",
        "budget": "BudgetSpec",
        "bounds": "BoundsSpec",
        "gates": "GateSettings",
    }


def test_a_table_of_the_sample_sets_what_is_given_and_comments_the_rest():
    """`only` limits what is shown."""
    lines = sample.table("runtime", RuntimeSettings, {"threads": 3}, only={"trial_timeout_s"}).splitlines()
    assert [line for line in lines if not line.startswith("# ")] == [
        "[runtime]",
        "threads = 3",
        "#trial_timeout_s = 30.0",
    ]
