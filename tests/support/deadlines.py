"""How long tests wait for what should happen at once."""

LONG_S = 120.0
"""Only reached by a test that fails, so it is long enough for a machine that is many times slower than it should be."""
