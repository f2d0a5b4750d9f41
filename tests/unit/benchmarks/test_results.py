"""What is kept of a run: a file a machine, free of names and folders, of which a run alone replaces only its part."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks.harness import agent, machine, processes
from benchmarks.harness.figures import Figure, at_least
from benchmarks.harness.results import Results, as_json, figure_of, section, without_places

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FACTS = {"processor": "Some CPU", "cores": 2, "commit": "abc", "versions": {"lineside": "0.1.0"}}
QUIET = {"others_cores": 0.01, "stolen_cores": 0.0}


def part(*values):
    """A benchmark's part with one figure."""
    figure = Figure("ratio", "", values, at_least(0.97), {"agent fps": values})
    return section([figure], facts=FACTS, load=[0.1, 0.2, 0.3], quiet=QUIET, took_s=1.0, quick=False)


def test_a_run_alone_replaces_only_its_part(tmp_path):
    """The other benchmarks stay, in the order of the table."""
    results = Results(tmp_path, "some-cpu", ["first", "second"])
    results.write(FACTS, {}, {"first": part(0.9), "second": part(0.8)})
    text = results.write(FACTS, {}, {"second": part(0.99)})
    kept = json.loads(results.json_file.read_text("utf-8"))["benchmarks"]
    assert {name: kept[name]["figures"][0]["values"] for name in kept} == {"first": [0.9], "second": [0.99]}
    assert results.table_file.read_text("utf-8") == text
    assert text.index("| first |") < text.index("| second |")


def test_a_figure_survives_being_written():
    """Values, bound and parts."""
    figure = Figure("ratio", "", (0.9, 0.95), at_least(0.97), {"agent fps": (1.0, 2.0)}, note="short")
    kept = section([figure], facts=FACTS, load=[0.0], quiet=QUIET, took_s=1.0, quick=True)["figures"][0]
    assert figure_of(json.loads(as_json(kept))) == figure


def test_results_name_no_folder_and_no_address():
    """Whoever publishes them tells nothing of his machine."""
    reason = "pip: cannot read https://mirror.example/simple/x from /home/jane/lineside/benchmarks/peers/x.txt"
    assert without_places(reason) == "pip: cannot read <address> from …/x.txt"


def test_lists_of_numbers_take_one_line():
    """So that a difference between two runs can be read."""
    assert as_json({"values": [1.23456789, 2.0], "names": ["a"]}).splitlines()[1] == ' "values": [ 1.23457, 2.0 ],'


@pytest.mark.parametrize(
    ("processor", "cores", "slug"),
    [
        ("AMD EPYC", 2, "amd-epyc-2-cores"),
        ("Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz", 8, "intel-core-i5-8250u-8-cores"),
        ("Raspberry Pi 5 Model B Rev 1.0", 1, "raspberry-pi-5-model-b-rev-1.0-1-core"),
    ],
)
def test_a_machine_is_named_by_processor_and_cores(processor, cores, slug):
    """A name that can be a file's."""
    assert machine.slug(processor, cores) == slug


def test_the_configuration_that_is_written_is_the_one_that_is_meant():
    """Nested tables, texts with quotes, numbers and booleans come back from TOML as they were."""
    tables = agent.settings(
        1883, {"type": "camera", "url": 'a "b".mp4', "realtime": True}, agent.Path("m"), qos=1, motion={"every_s": 60.0}
    )
    assert tomllib.loads(agent.toml(tables)) == tables


def test_the_reason_is_what_a_program_said_before_its_advice():
    """The last line of stderr that is no `next:`."""
    said = "error: cannot be used\n  a.toml: motion is not known\n    next: known keys: qos\n  next: lineside check\n"
    assert processes.complaint(said) == "a.toml: motion is not known"
