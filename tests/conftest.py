"""What holds for all tests: hypothesis measures no time, because a loaded machine is no fault."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("lineside", deadline=None)
settings.load_profile("lineside")
