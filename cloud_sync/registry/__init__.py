"""The cloud side: keys, metadata, channels, devices, and the server. Never sees the key of a model's owner."""
