"""The loop that everybody writes first: OpenCV reads, resizes and converts, LiteRT runs, one after the other. Stand-alone.

run.py versions
run.py throughput MODEL VIDEO SKIP    frames a second once SKIP frames are done, decoding included
"""

import importlib.metadata
import json
import sys
import time


def versions():
    """Packages that matter."""
    return {name: importlib.metadata.version(name) for name in ("opencv-python-headless", "ai-edge-litert", "numpy")}


def throughput(model, video, skip):
    """Frames a second over the whole clip but its start."""
    import cv2
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    index, output = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    capture, done, began = cv2.VideoCapture(video), 0, 0.0
    while True:
        good, pixels = capture.read()
        if not good:
            break
        small = cv2.cvtColor(cv2.resize(pixels, (int(width), int(height))), cv2.COLOR_BGR2RGB)
        interpreter.set_tensor(index, small[None])
        interpreter.invoke()
        int(interpreter.get_tensor(output)[0].argmax())
        done += 1
        if done == skip:
            began = time.perf_counter()
    return {"frames": done, "fps": (done - skip) / (time.perf_counter() - began)}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["versions"]:
            print(json.dumps(versions()))
        case ["throughput", model, video, skip]:
            print(json.dumps(throughput(model, video, int(skip))))
        case _:
            sys.exit(__doc__)
