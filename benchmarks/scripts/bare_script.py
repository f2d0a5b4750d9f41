"""bare_script.py MODEL [hold]: what a script with the agent's imports costs that loads the model and runs it once.

Prints `predicted` after the first invoke; with `hold` it stays until it is ended, so that its memory can be looked at.
"""

from __future__ import annotations

import sys
import time

import cv2  # noqa: F401 - the import is what is measured
import numpy as np  # noqa: F401
import paho.mqtt.client  # noqa: F401
import pydantic_settings  # noqa: F401
from ai_edge_litert.interpreter import Interpreter

GIVE_UP_S = 900.0

interpreter = Interpreter(model_path=sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
interpreter.invoke()
print("predicted", flush=True)
if sys.argv[2:] == ["hold"]:
    time.sleep(GIVE_UP_S)
