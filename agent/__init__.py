"""Lineside's agent: runs quantized TFLite models on camera streams and publishes the verdicts over MQTT.

This package is the daemon and its command line. It stays empty on purpose: importing `agent` must not import OpenCV,
the interpreter or paho, so that `lineside --help` answers at once.
"""

__version__ = "0.1.0"
