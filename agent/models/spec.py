"""What a person writes about a model: `model.toml`, or the same keys under `[models.<name>]` (design, section 4.4).

Only shapes and ranges are checked here; whether the model's tensors fit is checked where the model is loaded.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from agent.core.decisions import DecisionRule
from agent.models.gate_settings import GateSettings
from agent.schema import Name, Strict

Task = Literal["classification", "detection", "segmentation", "anomaly", "regression", "embedding", "tensor"]
Decode = Literal["classifier", "ssd", "yolo", "segmenter", "autoencoder", "regressor", "embedding", "raw"]

TASKS_OF_DECODE: dict[Decode, tuple[Task, ...]] = {
    "classifier": ("classification",),
    "ssd": ("detection",),
    "yolo": ("detection",),
    "segmenter": ("segmentation",),
    "autoencoder": ("anomaly",),
    "regressor": ("regression",),
    "embedding": ("embedding", "anomaly"),
    "raw": ("tensor",),
}


class InputSpec(Strict):
    """`[input]`: how a frame becomes the input tensor."""

    kind: Literal["image", "window", "tensor"] = "image"
    """`image`: a camera frame. `window`: a stretch of sensor samples. `tensor`: an array in the model's own shape."""
    color: Literal["rgb", "bgr", "gray"] = "rgb"
    """Channel order the model was trained on."""
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    """`stretch` ignores the aspect ratio, `letterbox` keeps it and pads, `crop` keeps it and cuts the centre."""
    interpolation: Literal["linear", "area", "nearest"] = "linear"
    """Resampling; `area` is best for large reductions and costs 60 times `linear` at 1080p."""
    mean: list[float] = Field(default=[0.0], min_length=1)
    """value = (pixel - mean) / std, before the tensor's own scale and zero point; one value serves all channels."""
    std: list[float] = Field(default=[255.0], min_length=1)
    """See `mean`; no value may be 0."""

    @model_validator(mode="after")
    def _std_is_not_zero(self) -> InputSpec:
        if any(value == 0 for value in self.std):
            raise ValueError("std must not contain 0: value = (pixel - mean) / std")
        return self


class OutputSpec(Strict):
    """`[output]`: how the output tensors become a result."""

    decode: Decode
    """Which decoder reads the tensors."""
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    """What the model itself does not do."""
    threshold: float = 0.5
    """Detections below it are not reported, 0..1."""
    iou: float = Field(default=0.45, ge=0, le=1)
    """yolo: of two boxes of one class that overlap more than this, the weaker is dropped."""
    layout: Literal["v5", "v8"] = "v8"
    """yolo: `v5` is [1, boxes, 5 + classes] with objectness, `v8` is [1, 4 + classes, boxes] without."""
    boxes: Literal["unit", "pixel"] = "unit"
    """yolo: whether boxes are in 0..1 of the input or in its pixels."""
    tensors: list[int] | None = None
    """ssd: places of boxes, classes, scores and count among the model's outputs, default [0, 1, 2, 3]."""
    unit: str | None = None
    """regressor: unit of the value."""
    scale: float = 1.0
    """regressor: value = output * scale + offset."""
    offset: float = 0.0
    """regressor: see `scale`."""
    references: str | None = None
    """embedding: a .npy file [n, features] in the bundle; the distance to the nearest row is the score."""
    metric: Literal["euclidean", "cosine"] = "euclidean"
    """embedding: distance to the references."""


class RejectSpec(Strict):
    """`reject` of `[decision]`: what makes a part bad."""

    label: str | None = None
    """Label to reject: classification, detection, segmentation."""
    min_score: float = Field(default=0.5, ge=0, le=1)
    """Score from which on `label` rejects; for segmentation, its share of the area."""
    threshold: float | None = None
    """Anomaly score or embedding distance from which on the frame is rejected."""
    above: float | None = None
    """Regression value above which the frame is rejected."""
    below: float | None = None
    """Regression value below which the frame is rejected."""

    @model_validator(mode="after")
    def _says_what(self) -> RejectSpec:
        if all(value is None for value in (self.label, self.threshold, self.above, self.below)):
            raise ValueError("reject needs a label, a threshold, above or below")
        return self


class DecisionSpec(Strict):
    """`[decision]`: from a result to accept, reject or unsure."""

    reject: RejectSpec
    """What makes a part bad."""
    unsure_below: float | None = Field(default=None, ge=0, le=1)
    """Top score under which the decision is `unsure`; for results with labels."""

    @model_validator(mode="after")
    def _unsure_needs_labels(self) -> DecisionSpec:
        if self.unsure_below is not None and self.reject.label is None:
            raise ValueError("unsure_below works on the scores of labels; remove it, or reject by label")
        return self

    def rule(self) -> DecisionRule:
        """The same, as the pure rule the pipeline applies."""
        return DecisionRule(
            label=self.reject.label,
            min_score=self.reject.min_score,
            threshold=self.reject.threshold,
            above=self.reject.above,
            below=self.reject.below,
            unsure_below=self.unsure_below,
        )


class GoldenSpec(Strict):
    """`[golden]`: samples with the expected answer, in `folder/labels.csv` or one folder per label."""

    folder: str
    """Folder in the bundle. With a `labels.csv` inside (columns `file`, `label` or `decision`, and optionally `sha256`), that says
    what is expected; else each sample lies in a folder named by its label."""
    package: str | None = None
    """Installed Python package that holds the files which `labels.csv` names, for data that may not be shipped."""
    package_path: str = ""
    """Folder inside `package`."""
    min_accuracy: float = Field(default=1.0, ge=0, le=1)
    """Share of the samples that must get the expected answer."""


class BudgetSpec(Strict):
    """`[budget]`: what the model may cost."""

    p99_ms: float | None = Field(default=None, gt=0)
    """99th percentile of one prediction, in milliseconds."""


class BoundsSpec(Strict):
    """`[bounds]`: what an evaluation has to show before a version is published; at the worse end of the 95 % confidence interval."""

    accuracy: float | None = Field(default=None, ge=0, le=1)
    """Least share of samples that get the right label."""
    precision: float | None = Field(default=None, ge=0, le=1)
    """Least precision: of the label that `decision` rejects, else the mean over labels; for boxes at an overlap of one half."""
    recall: float | None = Field(default=None, ge=0, le=1)
    """Least recall; see `precision`."""
    f1: float | None = Field(default=None, ge=0, le=1)
    """Least F1; see `precision`."""
    auc: float | None = Field(default=None, ge=0, le=1)
    """Least area under the ROC curve of the score of the label to reject, or of how strange a part is."""
    map: float | None = Field(default=None, ge=0, le=1)
    """Least mean average precision of boxes, over overlaps from 0.50 to 0.95."""
    map_50: float | None = Field(default=None, ge=0, le=1)
    """Least mean average precision of boxes at an overlap of 0.50."""
    decision_accuracy: float | None = Field(default=None, ge=0, le=1)
    """Least share of parts that are rejected and bad, or accepted and good."""
    caught: float | None = Field(default=None, ge=0, le=1)
    """Least share of bad parts that are not accepted."""
    false_rejects: float | None = Field(default=None, ge=0, le=1)
    """Largest share of good parts that are rejected."""
    unsure: float | None = Field(default=None, ge=0, le=1)
    """Largest share of parts that are left to a person."""
    calibration_error: float | None = Field(default=None, ge=0, le=1)
    """Largest expected calibration error."""
    mae: float | None = Field(default=None, ge=0)
    """Largest mean absolute error of a regression, in its unit."""
    rmse: float | None = Field(default=None, ge=0)
    """Largest root mean square error of a regression, in its unit."""


class ModelSpec(Strict):
    """A whole `model.toml`."""

    name: Name
    """What the model is called everywhere."""
    version: Name
    """Version of these weights, such as 1.2.0."""
    task: Task
    """What the model is for; it must go with `output.decode`."""
    model: str
    """The .tflite file in the bundle."""
    labels: str | None = None
    """Text file in the bundle; line k, counted from 0, is class k."""
    hardware: list[Name] = Field(default=[])
    """Devices that it is for, by the name of their profile or by `uname -m`; none stands for all. A registry offers it to no other."""
    input: InputSpec
    """How a frame becomes the input tensor; at least `kind`."""
    output: OutputSpec
    """How the output tensors become a result; at least `decode`."""
    decision: DecisionSpec | None = None
    """From a result to accept, reject or unsure; without it there is no decision."""
    golden: GoldenSpec | None = None
    """Samples with the expected answer; without them the model is only shown to run."""
    budget: BudgetSpec = BudgetSpec()
    """What the model may cost."""
    bounds: BoundsSpec | None = None
    """What an evaluation has to show before a version is published; without it nothing is asked for."""
    gates: GateSettings = GateSettings()
    """What it must show on a device before it counts there."""

    @model_validator(mode="after")
    def _says_what_it_takes(self) -> ModelSpec:
        if "kind" not in self.input.model_fields_set:
            raise ValueError("input.kind is missing: image, window or tensor")
        return self

    @model_validator(mode="after")
    def _task_fits_decode(self) -> ModelSpec:
        tasks = TASKS_OF_DECODE[self.output.decode]
        if self.task not in tasks:
            raise ValueError(
                f"output.decode = {self.output.decode!r} gives {' or '.join(tasks)}, task says {self.task}"
            )
        return self
