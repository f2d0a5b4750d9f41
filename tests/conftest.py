"""What holds for all tests: hypothesis measures no time, because a loaded machine is no fault, and draws the same examples each run.

What lands is judged by the same examples that were seen to pass; `pytest --hypothesis-profile explore` looks for new ones.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("seeded", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("seeded")

pytest_plugins = ["fault_options"]
