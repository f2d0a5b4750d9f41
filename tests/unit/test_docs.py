"""What the documentation says is true of the code: references, links, commands, configurations, messages and codes."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
from typer.testing import CliRunner

from agent.cli import reference
from agent.cli.main import app
from agent.config.layers import Layer, merge
from agent.config.settings import AgentSettings
from agent.models.spec import Decode, ModelSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part in ("build", "dist", "state") for part in path.relative_to(ROOT).parts)
)
COMMANDS = {command.words: command for command in reference.commands()}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ANOTHER_PROGRAM = {"|", ">", ">>", "2>", ";", "&&", "&", "#"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [text for language, text in found if language in languages]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say: as GitHub makes it of the heading."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def typed(page: Path) -> list[str]:
    """Every line of the page that somebody may type and that begins with `lineside`, as it stands behind that word."""
    lines = "\n".join(blocks(page, "sh", "console")).replace("\\\n", " ").splitlines()
    spans = re.findall(r"`([^`]+)`", prose(page))
    begins = re.compile(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*lineside +(.*)$")
    return [match.group(1) for line in (*lines, *spans) if (match := begins.match(line))]


def fault_of(line: str) -> str | None:
    """What `lineside` would not understand, or None."""
    words = shlex.split(line, comments=True)
    end = next((k for k, word in enumerate(words) if word in ANOTHER_PROGRAM), len(words))
    words = [word for word in words[:end] if word != "…"]
    if words in (["--version"], ["--help"]):
        return None
    command = next((found for n in (3, 2, 1) if (found := COMMANDS.get(tuple(words[:n])))), None)
    if command is None:
        return f"no command {words[:3]}"
    options = {name: option for option in command.parameters for name in option.names}
    arguments = [parameter for parameter in command.parameters if not parameter.names]
    room = 99 if any((argument.value or "").endswith("…") for argument in arguments) else len(arguments)
    rest = iter(words[len(command.words) :])
    for word in rest:
        if word.startswith("-"):
            if word not in options:
                return f"no option {word}"
            if options[word].value is not None and next(rest, None) is None:
                return f"{word} without a value"
        else:
            room -= 1
    return "too many arguments" if room < 0 else None


def test_the_reference_is_what_the_code_says():
    """`make reference` was run after the last change of a command or a device profile."""
    folder = ROOT / reference.FOLDER
    assert {name: (folder / name).read_text(encoding="utf-8") for name in reference.build()} == reference.build()


@pytest.mark.parametrize("words", list(COMMANDS), ids=" ".join)
def test_the_reference_names_the_options_that_the_command_has(words):
    """Neither one more nor one less than `--help`."""
    shown = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    of_help = set(re.findall(r"^ +(?:-\w, +)?(--[\w-]+)", shown.output, re.MULTILINE)) - {"--help"}
    assert of_help == {name for p in COMMANDS[words].parameters for name in p.names if name.startswith("--")}


@each_page
def test_every_link_within_the_project_leads_somewhere(page):
    """To a file or folder that is there, and to a heading that it has."""
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@each_page
def test_every_command_line_names_what_there_is(page):
    """Commands and options that can be typed."""
    faults = {line: fault for line in typed(page) if (fault := fault_of(line))}
    assert not faults


@pytest.mark.parametrize(
    "line", ["reload", "run --foo", "check a.toml b.toml", "tap -c", "model unpack parts", "check a.toml --once"]
)
def test_a_command_line_that_cannot_be_typed_would_be_found(line):
    """The test above can fail."""
    assert fault_of(line) is not None


@each_page
def test_every_piece_of_toml_is_a_configuration_or_a_bundle(page):
    """Keys and values are those of the settings. A piece of a bundle may leave out what the page has said before, and a file
    of conf.d lies over the piece before it.
    """
    below: dict = {}
    for text in blocks(page, "toml"):
        data = tomllib.loads(text)
        if text.startswith("# conf.d/"):
            data = merge([Layer("below", below), Layer("above", data)])
        below = data
        if "task" in data:
            before = {"name": "parts", "version": "1.0.0", "model": "model.tflite", "input": {"kind": "image"}}
            ModelSpec.model_validate(before | data)
        else:
            AgentSettings.model_validate(data)


def test_every_decoder_has_an_example():
    """A reader with any kind of model finds a piece to begin with."""
    pieces = [tomllib.loads(text) for text in blocks(ROOT / "docs/how-to/models.md", "toml")]
    assert {piece["output"]["decode"] for piece in pieces if "task" in piece} == set(get_args(Decode))


@each_page
def test_every_message_that_is_shown_is_one(page):
    """It has the fields that its schema asks for."""
    for text in blocks(page, "json"):
        rest = text.strip()
        while rest:
            message, end = json.JSONDecoder().raw_decode(rest)
            rest = rest[end:].strip()
            name = message["schema"].removeprefix("lineside.").partition("/")[0]
            schema = json.loads((ROOT / f"docs/reference/mqtt/{name}.schema.json").read_text(encoding="utf-8"))
            jsonschema.validate(message, schema)


def test_every_code_of_a_finding_is_explained_and_no_other():
    """A person who searches for the code in brackets finds it under `When something is wrong`."""
    in_code = {
        call.args[0].value
        for path in (ROOT / "agent").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id in ("Finding", "Problem")
        and call.args
        and isinstance(call.args[0], ast.Constant)
    }
    page = (ROOT / "docs/how-to/troubleshooting.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", page.partition("## Findings")[2], re.MULTILINE))
    assert explained == in_code


def test_every_decision_is_listed_and_has_its_parts():
    """Context, options, decision and consequences; a record of what was built may lack options."""
    folder = ROOT / "docs/decisions"
    listed = set(re.findall(r"\]\((\d{4}[\w-]+\.md)\)", (folder / "README.md").read_text(encoding="utf-8")))
    records = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("[0-9]*.md")}
    assert listed == set(records)
    for name, text in records.items():
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), name
