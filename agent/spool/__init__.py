"""The durable queue between the pipelines and the broker: what was accepted is on the disk until the broker has confirmed it."""
