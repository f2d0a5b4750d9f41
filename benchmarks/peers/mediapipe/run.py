"""MediaPipe's ImageClassifier in video mode on a clip, stand-alone.

run.py versions
run.py throughput MODEL VIDEO SKIP    frames a second once SKIP frames are done, decoding included
run.py watch MODEL VIDEO              paced by the clip, round and round until it is ended; one line after the first prediction

Frames are read by the OpenCV that MediaPipe brings and given at full resolution, as MediaPipe's own examples do.
"""

import importlib.metadata
import json
import sys
import time

GIVE_UP_S = 900.0


def versions():
    """Packages that matter."""
    names = ("mediapipe", "numpy", "opencv-contrib-python", "opencv-python", "opencv-python-headless")
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def classifier(model):
    """The task, with MediaPipe's defaults, in video mode."""
    from mediapipe.tasks import python
    from mediapipe.tasks.python import vision

    options = vision.ImageClassifierOptions(
        base_options=python.BaseOptions(model_asset_path=model), running_mode=vision.RunningMode.VIDEO, max_results=1
    )
    return vision.ImageClassifier.create_from_options(options)


def classify(task, capture, number):
    """One frame; False at the end of the clip."""
    import cv2
    import mediapipe

    good, pixels = capture.read()
    if not good:
        return False
    image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))
    task.classify_for_video(image, number * 33)
    return True


def throughput(model, video, skip):
    """Frames a second over the whole clip but its start."""
    import cv2

    capture, done, began = cv2.VideoCapture(video), 0, 0.0
    with classifier(model) as task:
        while classify(task, capture, done):
            done += 1
            if done == skip:
                began = time.perf_counter()
        taken = time.perf_counter() - began
    return {"frames": done, "fps": (done - skip) / taken}


def watch(model, video):
    """Play the clip in real time until ended."""
    import cv2

    capture, done = cv2.VideoCapture(video), 0
    period = 1 / capture.get(cv2.CAP_PROP_FPS)
    with classifier(model) as task:
        due = time.perf_counter()
        until = due + GIVE_UP_S
        while due < until:
            if not classify(task, capture, done):
                capture = cv2.VideoCapture(video)
                continue
            done += 1
            if done == 1:
                print(json.dumps({"first": True}), flush=True)
            due += period
            time.sleep(max(0.0, due - time.perf_counter()))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["versions"]:
            print(json.dumps(versions()))
        case ["throughput", model, video, skip]:
            print(json.dumps(throughput(model, video, int(skip))))
        case ["watch", model, video]:
            watch(model, video)
        case _:
            sys.exit(__doc__)
