"""GStreamer decodes, scales and converts into an appsink; LiteRT runs on what comes out. Stand-alone.

run.py versions
run.py throughput MODEL VIDEO SKIP    frames a second once SKIP frames are done, decoding included

The pipeline's threads decode and scale; this thread pulls, fills the tensor, invokes and looks at the output.
"""

import importlib.metadata
import json
import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401 - after the version; GstApp gives the sink its methods

Gst.init(None)

ELEMENTS = ("qtdemux", "avdec_h264", "videoscale", "videoconvert", "appsink")
PULL_NS = 10 * Gst.SECOND


def versions():
    """Packages that matter; fails where an element is missing."""
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"GStreamer lacks {', '.join(missing)}")
    packages = {name: importlib.metadata.version(name) for name in ("ai-edge-litert", "numpy")}
    return {"gstreamer": Gst.version_string().split()[-1]} | packages


def throughput(model, video, skip):
    """Frames a second over the whole clip but its start."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=model, num_threads=1)
    interpreter.allocate_tensors()
    index, output = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    _, height, width, _ = interpreter.get_input_details()[0]["shape"]
    line = Gst.parse_launch(
        f'filesrc location="{video}" ! qtdemux ! avdec_h264 max-threads=1 ! videoscale '
        f"! video/x-raw,width={width},height={height} ! videoconvert ! video/x-raw,format=RGB "
        "! appsink name=sink sync=false max-buffers=4"
    )
    sink = line.get_by_name("sink")
    line.set_state(Gst.State.PLAYING)
    done, began = 0, 0.0
    while (sample := sink.try_pull_sample(PULL_NS)) is not None:
        buffer = sample.get_buffer()
        good, memory = buffer.map(Gst.MapFlags.READ)
        if not good:
            sys.exit("a frame could not be read")
        interpreter.set_tensor(index, np.frombuffer(memory.data, np.uint8).reshape(1, height, width, 3))
        buffer.unmap(memory)
        interpreter.invoke()
        int(interpreter.get_tensor(output)[0].argmax())
        done += 1
        if done == skip:
            began = time.perf_counter()
    taken = time.perf_counter() - began
    line.set_state(Gst.State.NULL)
    return {"frames": done, "fps": (done - skip) / taken}


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["versions"]:
            print(json.dumps(versions()))
        case ["throughput", model, video, skip]:
            print(json.dumps(throughput(model, video, int(skip))))
        case _:
            sys.exit(__doc__)
