"""Evaluation data: a folder per label, `labels.csv`, or COCO annotations. Reads names and truths; pictures are read one at a time, later."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent.core.errors import BadData, ModelRefused
from agent.models.samples import LABELS, by_folder, listed
from cloud_sync.manifest import file_sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COCO_NAMES = ("annotations.json", "_annotations.coco.json")
_MOST_COCO_BYTES = 512 << 20
_ID_DIGITS = 16
"""Of the sha256 of a file: enough to tell samples apart, and a quarter of the report."""
_FORMS = "a folder per label, labels.csv (file,label), or COCO annotations.json"


@dataclass(frozen=True, slots=True)
class Item:
    """One sample and what is true of it.

    Attributes:
        id: First digits of the file's sha256.
        path: A picture, or a .npy array.
        expected: Its label, its decision, or the number it should give; empty for objects.
        by: Which of these.
        objects: COCO annotations, boxes as [x, y, width, height] in pixels.
        size: Width and height in pixels, as COCO says.
    """

    id: str
    path: Path
    expected: str
    by: Literal["label", "decision", "objects"]
    objects: tuple[dict[str, Any], ...] = ()
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class DataSet:
    """Samples with what is true of them.

    Attributes:
        name: Of the folder.
        form: How the truth was given.
        items: Each picture once.
        repeated: How many were left out because the same picture came before: they would feign certainty.
        categories: Names of objects, by COCO's ids.
    """

    name: str
    form: Literal["folders", "table", "coco"]
    items: tuple[Item, ...]
    repeated: int = 0
    categories: dict[int, str] | None = None

    @property
    def sha256(self) -> str:
        """The same for the same samples with the same truth, wherever they lie and in whatever order."""
        lines = sorted(f"{item.id} {item.expected} {json.dumps(item.objects, sort_keys=True)}" for item in self.items)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_data(folder: Path) -> DataSet:
    """The data set in a folder.

    Raises:
        BadData: There is none, or a picture occurs twice with different truths.
        NotTrusted: A file differs from the digest that `labels.csv` gives.
    """
    if not folder.is_dir():
        raise BadData(f"{folder} is no folder", hint=f"--data names a folder: {_FORMS}")
    coco = _coco_file(folder)
    try:
        if (folder / LABELS).is_file():
            samples = listed(folder / LABELS, folder)
            found = DataSet(folder.name, "table", _items((each.path, each.expected, each.by) for each in samples))
        elif coco is not None:
            found = _read_coco(folder, coco)
        else:
            samples = by_folder(folder)
            found = DataSet(folder.name, "folders", _items((each.path, each.expected, each.by) for each in samples))
    except (ModelRefused, OSError) as error:
        raise BadData(f"{folder}: {error}", hint=getattr(error, "hint", "")) from error
    if not found.items and found.form == "table":
        told = "of captured samples it lists those that a person has judged: lineside model feedback ID right|wrong"
        raise BadData(f"{folder / LABELS} names no sample", hint=told)
    if not found.items:
        raise BadData(f"{folder} holds no sample", hint=f"--data names a folder: {_FORMS}")
    return _each_once(found)


def _items(samples: Iterable[tuple[Path, str, Literal["label", "decision"]]]) -> tuple[Item, ...]:
    return tuple(Item(file_sha256(path)[:_ID_DIGITS], path, expected, by) for path, expected, by in samples)


def _each_once(found: DataSet) -> DataSet:
    kept: dict[str, Item] = {}
    for item in found.items:
        first = kept.setdefault(item.id, item)
        if (first.expected, first.objects) != (item.expected, item.objects):
            raise BadData(
                f"{item.path} and {first.path} are the same picture, and said to be {item.expected or 'other objects'}"
                f" and {first.expected or 'not'}",
                hint="mend the labels",
            )
    return replace(found, items=tuple(kept.values()), repeated=len(found.items) - len(kept))


def _coco_file(folder: Path) -> Path | None:
    named = (folder / name for name in _COCO_NAMES)
    nested = sorted((folder / "annotations").glob("instances*.json"))
    return next((path for path in (*named, *nested) if path.is_file()), None)


def _read_coco(folder: Path, file: Path) -> DataSet:
    """COCO's object detection format (https://cocodataset.org/#format-data); pictures lie in the folder or in its `images`."""
    if file.stat().st_size > _MOST_COCO_BYTES:
        raise BadData(f"{file} is larger than {_MOST_COCO_BYTES} bytes")
    try:
        said = json.loads(file.read_bytes())
        categories = {int(each["id"]): str(each["name"]) for each in said["categories"]}
        objects: dict[int, list[dict[str, Any]]] = {int(each["id"]): [] for each in said["images"]}
        for each in said["annotations"]:
            objects[int(each["image_id"])].append(_object(each, categories))
        images = [
            (each["file_name"], objects[int(each["id"])], each.get("width"), each.get("height"))
            for each in said["images"]
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BadData(f"{file} is no COCO annotation file: {type(error).__name__} {error}") from error
    return DataSet(folder.name, "coco", tuple(_pictures(folder, images)), 0, categories)


def _pictures(folder: Path, images: list[tuple[str, list[dict[str, Any]], Any, Any]]) -> Iterator[Item]:
    for name, objects, width, height in images:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise BadData(f"COCO annotations name {name!r}, which leads out of {folder}")
        path = next((path for path in (folder / name, folder / "images" / name) if path.is_file()), None)
        if path is None:
            raise BadData(f"{name}, which the COCO annotations name, is not in {folder}")
        size = (int(width or 0), int(height or 0))
        yield Item(file_sha256(path)[:_ID_DIGITS], path, "", "objects", tuple(objects), size)


def _object(said: dict[str, Any], categories: dict[int, str]) -> dict[str, Any]:
    x, y, width, height = map(float, said["bbox"])
    return {
        "category": categories[int(said["category_id"])],
        "bbox": [x, y, width, height],
        "area": float(said.get("area", width * height)),
        "iscrowd": int(said.get("iscrowd", 0)),
    }
