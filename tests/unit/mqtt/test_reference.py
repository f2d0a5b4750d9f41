"""The generated manual is what the types say, and what lies in the repository is what is generated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jsonschema
import pytest
from publishing import prediction, status

from agent.core import results
from agent.core.messages import Gap
from agent.mqtt import reference
from agent.mqtt.encoding import encode
from agent.mqtt.schemas import field_texts, schema_of

FOLDER = Path(__file__).parents[3] / reference.FOLDER

RESULTS = [
    results.Classification(label="a", score=0.5, top=[results.Scored(label="a", score=0.5)]),
    results.Detection(objects=[results.DetectedObject(label="a", score=0.5, box=[0.0, 0.0, 1.0, 1.0])]),
    results.Segmentation(areas=[results.Scored(label="a", score=0.5)], mask=None),
    results.Anomaly(score=0.5, threshold=None),
    results.Regression(value=1.5, unit="mm"),
    results.Embedding(vector=[0.5], distance=0.1),
    results.Tensors(tensors={"out": [0.5]}),
]


@dataclass
class Part:
    """A part."""

    size: float
    """How large,
    in mm."""


@dataclass
class Whole:
    """A whole."""

    kind: Literal["whole"]
    at: Annotated[str, "date-time"]
    parts: list[Part]
    by_name: dict[str, Part | None]
    level: Literal["low", "high"] | None
    """How high."""


def schemas():
    return {name: json.loads(text) for name, text in reference.build().items() if name.endswith(".schema.json")}


def test_what_lies_in_docs_is_what_is_generated():
    """`make reference` was run after the last change of a message."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == reference.build()


def test_check_says_what_differs_and_writing_mends_it(tmp_path, capsys):
    """A file of a message that is gone goes too."""
    (tmp_path / "old.schema.json").write_text("{}")
    assert reference.main(["--check", "--folder", str(tmp_path)]) == 1
    assert "old.schema.json differs" in capsys.readouterr().err
    assert reference.main(["--folder", str(tmp_path)]) == 0
    assert reference.main(["--check", "--folder", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == set(reference.build())


@pytest.mark.parametrize("name", sorted(schemas()))
def test_each_schema_is_a_valid_one_and_says_what_each_message_is_for(name):
    """Draft 2020-12, with a title and a description."""
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"]
    assert schema["description"]
    assert schema["required"] == list(schema["properties"])


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: result.kind)
def test_every_kind_of_result_fits_the_schema_of_a_prediction(result):
    """And only one kind does: `kind` tells them apart."""
    schema = schemas()["prediction.schema.json"]
    body = json.loads(encode(prediction(0, result=result)))
    jsonschema.validate(body, schema)
    body["result"]["kind"] = "guess"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, schema)


def test_what_a_message_must_not_be_does_not_fit():
    """A schema that takes everything would prove nothing."""
    body = json.loads(encode(status("online")))
    jsonschema.validate(body, schemas()["status.schema.json"])
    for wrong in ({"state": "fine"}, {"schema": "lineside.status/2"}, {"reasons": None}, {"since": 5}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body | wrong, schemas()["status.schema.json"])
    del body["session"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, schemas()["status.schema.json"])


def test_a_gap_fits_its_schema_and_not_that_of_a_prediction():
    """On `event` a subscriber tells the two apart by `schema`."""
    body = json.loads(encode(Gap(session="s", pipeline="p", first=1, last=2, reason="queue_full")))
    jsonschema.validate(body, schemas()["gap.schema.json"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(body, schemas()["prediction.schema.json"])


def test_the_asyncapi_document_refers_to_files_and_channels_that_exist():
    """Every reference leads somewhere, and birth and will are retained."""
    files = reference.build()
    document = json.loads(files["asyncapi.json"])
    assert document["asyncapi"].startswith("3.")
    for operation in document["operations"].values():
        channel = document["channels"][operation["channel"]["$ref"].rpartition("/")[2]]
        for message in channel["messages"].values():
            named = document["components"]["messages"][message["$ref"].rpartition("/")[2]]
            assert named["payload"]["schema"]["$ref"].removeprefix("./") in files
    assert document["operations"]["publish-status"]["bindings"]["mqtt"]["retain"] is True
    assert document["operations"]["publish-event"]["bindings"]["mqtt"]["retain"] is False


def test_a_schema_is_made_of_the_types_of_the_fields():
    """The whole of what the generator knows, on one small message."""
    schema = schema_of(Whole)
    assert schema["properties"] == {
        "kind": {"type": "string", "const": "whole"},
        "at": {"type": "string", "format": "date-time"},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/Part"}},
        "by_name": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"$ref": "#/$defs/Part"}, {"type": "null"}]},
        },
        "level": {"anyOf": [{"type": "string", "enum": ["low", "high"]}, {"type": "null"}], "description": "How high."},
    }
    assert schema["$defs"]["Part"]["properties"]["size"]["description"] == "How large, in mm."


def test_a_type_that_it_does_not_know_is_an_error():
    """Better than a schema that says nothing."""

    @dataclass
    class Odd:
        """Odd."""

        value: complex

    with pytest.raises(TypeError, match="complex"):
        schema_of(Odd)
    assert field_texts(Odd) == {}
