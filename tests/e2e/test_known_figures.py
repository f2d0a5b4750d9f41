"""Real models on real data through `lineside run`, against the figures that are known of them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from broker import Mosquitto, Subscriber, needs_mosquitto
from line import Agent, configure

ASSETS = Path(os.environ.get("LINESIDE_TEST_ASSETS", "/nonexistent"))
DEADLINE_S = 600
"""The longest clip takes half a minute where nothing else runs."""
pytestmark = [
    needs_mosquitto,
    pytest.mark.timeout(2 * DEADLINE_S),
    pytest.mark.skipif(not ASSETS.is_dir(), reason="LINESIDE_TEST_ASSETS names no folder of real models and data"),
]

MOBILENET = "mobilenet_v2_1.0_224_quant.tflite"
SSD = "coco_ssd_mobilenet_v1_1.0_quant_detect.tflite"
EMBEDDING = "mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"


def bundle(
    folder: Path,
    file: str,
    *,
    task: str,
    decode: str,
    labels: list[str] | None = None,
    std: float = 128.0,
    rest: str = "",
):
    """A bundle as a person would write it for one of the models."""
    folder.mkdir()
    shutil.copy(ASSETS / "models" / file, folder / "model.tflite")
    named = 'labels = "labels.txt"\n' if labels else ""
    if labels:
        (folder / "labels.txt").write_text("\n".join(labels) + "\n")
    mean = 128.0 if std == 128.0 else 0.0
    (folder / "model.toml").write_text(
        f'name = "known"\nversion = "1.0.0"\ntask = "{task}"\nmodel = "model.tflite"\n{named}'
        f'[input]\nkind = "image"\nmean = [{mean}]\nstd = [{std}]\n[output]\ndecode = "{decode}"\n{rest}'
    )
    return folder


def predictions(tmp_path: Path, url: Path, count: int, kind: str = "images"):
    """Everything that `lineside run` publishes for a source, by way of a broker."""
    tables = (
        f'[sources.s]\ntype = "{kind}"\nurl = {json.dumps(str(url))}\n[models.known]\npath = "bundle"\n'
        '[pipelines.p]\nsource = "s"\nmodel = "known"\n'
    )
    with Mosquitto() as broker, Subscriber(broker.port, "lineside/#") as subscriber:
        with Agent(configure(tmp_path, broker.port, tables)) as agent:
            found = subscriber.wait_count("pipeline/p/prediction", count, DEADLINE_S)
            assert agent.wait() == 0, agent.log
        assert len(subscriber.bodies("pipeline/p/prediction")) == count
    assert [p["seq"] for p in found] == list(range(count))
    return found


def test_mobilenet_sees_the_cat_and_the_hot_dog(tmp_path):
    """Egyptian cat 0.84 and hotdog 0.96."""
    labels = (ASSETS / "data/coral_images/imagenet_labels.txt").read_text().splitlines()
    bundle(tmp_path / "bundle", MOBILENET, task="classification", decode="classifier", labels=labels)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for name in ("cat.bmp", "hot_dog.jpg"):
        shutil.copy(ASSETS / "data/coral_images" / name, pictures / name)
    cat, hot_dog = (p["result"] for p in predictions(tmp_path, pictures, 2))
    assert "Egyptian cat" in cat["label"]
    assert cat["score"] == pytest.approx(0.84, abs=0.03)
    assert "hotdog" in hot_dog["label"]
    assert hot_dog["score"] == pytest.approx(0.96, abs=0.03)


def test_a_bare_mobilenet_needs_no_word_of_configuration(tmp_path):
    """Labels and normalisation come from its own metadata."""
    shutil.copy(ASSETS / "models" / MOBILENET, tmp_path / "bundle")
    (result,) = (p["result"] for p in predictions(tmp_path, ASSETS / "data/coral_images/cat.bmp", 1))
    assert "cat" in result["label"].lower()
    assert result["score"] == pytest.approx(0.84, abs=0.05)


def test_visual_wake_words_answers_as_the_bare_interpreter_does(tmp_path):
    """The same scores for frames of a clip with a worker, worked out with floats and the interpreter alone."""
    model = "vww_96_int8.tflite"
    bundle(tmp_path / "bundle", model, task="classification", decode="classifier", labels=["none", "person"], std=255.0)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    clip = cv2.VideoCapture(str(ASSETS / "videos/worker-zone-detection.gif"))
    frames = []
    while (taken := clip.read())[0]:
        frames.append(taken[1])
    chosen = frames[:: max(1, len(frames) // 24)]
    for number, frame in enumerate(chosen):
        cv2.imwrite(str(pictures / f"{number:03}.png"), frame)
    expected = [_person_score(ASSETS / "models" / model, frame) for frame in chosen]
    found = predictions(tmp_path, pictures, len(chosen))
    scores = [{s["label"]: s["score"] for s in p["result"]["top"]}["person"] for p in found]
    assert scores == pytest.approx(expected, abs=1.5 / 256)
    assert max(scores) > 0.8
    assert min(scores) < 0.2


def _person_score(model: Path, frame: np.ndarray) -> float:
    interpreter = Interpreter(model_path=str(model), num_threads=1)
    interpreter.allocate_tensors()
    given, answer = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    rgb = cv2.cvtColor(cv2.resize(frame, (96, 96), interpolation=cv2.INTER_LINEAR), cv2.COLOR_BGR2RGB)
    scale, zero_point = given["quantization"]
    codes = np.clip(np.round(rgb / 255 / scale) + zero_point, -128, 127).astype(np.int8)
    interpreter.set_tensor(given["index"], codes[np.newaxis])
    interpreter.invoke()
    scale, zero_point = answer["quantization"]
    return float((int(interpreter.get_tensor(answer["index"])[0, 1]) - zero_point) * scale)


def test_the_distance_to_good_ball_screws_tells_the_pitted_ones(tmp_path):
    """AUC about 0.95, with half of the good parts as references."""
    rows = list(csv.DictReader((ASSETS / "data/bsdata_50/labels.csv").open()))
    pictures, references = tmp_path / "pictures", tmp_path / "references"
    pictures.mkdir()
    references.mkdir()
    pitted = {row["file"]: row["pitting"] == "1" for row in rows}
    good = sorted(name for name, flag in pitted.items() if not flag)
    for name in pitted:
        (references if name in good[::2] else pictures).joinpath(name).symlink_to(ASSETS / "data/bsdata_50" / name)
    folder = bundle(tmp_path / "bundle", EMBEDDING, task="embedding", decode="embedding")
    vectors = [p["result"]["vector"] for p in predictions(tmp_path, references, len(good[::2]))]
    np.save(folder / "good.npy", np.array(vectors, np.float32))
    (folder / "model.toml").write_text(
        (folder / "model.toml").read_text() + 'references = "good.npy"\nmetric = "cosine"\n'
    )
    found = predictions(tmp_path, pictures, len(rows) - len(good[::2]))
    score = {
        flag: [p["result"]["distance"] for p in found if pitted[p["frame"]["file"]] is flag] for flag in (True, False)
    }
    pairs = np.subtract.outer(score[True], score[False])
    auc = float(np.mean(pairs > 0) + np.mean(pairs == 0) / 2)
    print(f"AUC {auc:.3f}")
    assert auc >= 0.9


def test_every_frame_of_the_bottles_is_counted_and_holds_a_bottle(tmp_path):
    """1,189 frames, `seq` 0 to 1188 without a gap, a bottle at 0.5 or more in nearly all."""
    labels = (ASSETS / "models/coco_ssd_labelmap.txt").read_text().splitlines()[1:]
    bundle(tmp_path / "bundle", SSD, task="detection", decode="ssd", labels=labels, rest="threshold = 0.4\n")
    found = predictions(tmp_path, ASSETS / "videos/bottle-detection.mp4", 1189, kind="camera")
    with_bottle = sum(any(o["label"] == "bottle" and o["score"] >= 0.5 for o in p["result"]["objects"]) for p in found)
    assert with_bottle >= 1150
