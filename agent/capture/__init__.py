"""Keeps frames that are worth a look, with what was predicted of them, on this device and nowhere else."""
