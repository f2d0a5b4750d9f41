"""A store with versions of a tiny model in it, as a sync would have staged them."""

from __future__ import annotations

import shutil

import tiny_models
from line import CLASSIFIER_TOML, write_bundle

from agent.pipeline.settings import PipelineSettings
from cloud_sync import manifest
from cloud_sync.store import ModelStore, Version

GOLDEN = '[golden]\nfolder = "golden"\nmin_accuracy = 1.0\n'
PIPELINE = PipelineSettings(source="s", model="m")


def version_folder(folder, version, *, model=None, name="tiny", golden=None, toml="", labels=("dark", "bright")):
    """A packed bundle; `golden` maps a label to the brightness of the one sample that should have it, `toml` are further tables."""
    import cv2
    import numpy as np

    said = CLASSIFIER_TOML.replace('"1.0.0"', f'"{version}"').replace('name = "tiny"', f'name = "{name}"')
    seed = sum(map(ord, version))
    said = said.replace('"bright"', f'"{labels[1]}"') + toml + (GOLDEN if golden else "")
    write_bundle(folder, toml=said, model=model or tiny_models.classifier(seed=seed), labels=labels)
    for label, brightness in (golden or {}).items():
        place = folder / "golden" / label
        place.mkdir(parents=True)
        cv2.imwrite(str(place / "one.png"), np.full((8, 8, 3), brightness, np.uint8))
    manifest.write(folder, manifest.describe(folder, name, version))
    return folder


def stage(store: ModelStore, folder, *, want=True) -> Version:
    """Put a bundle into the store, as what is to be next."""
    listed, _ = manifest.read(folder)
    content = (folder / manifest.MANIFEST).read_bytes()

    def build(draft):
        for entry in listed.files:
            (draft / entry.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / entry.path, draft / entry.path)

    version = Version(listed.name, listed.version, store.stage(build, content))
    if want:
        store.want({version.name: version})
    return version


def activated(store: ModelStore, folder) -> Version:
    """Put a bundle into the store, as what is active."""
    version = stage(store, folder, want=False)
    store.activate({version.name: version})
    return version
