"""Device profiles: what a kind of device is like, as data, and which kind this machine is.

`data/` holds one TOML file per kind: how interpreters run on it, what to expect of its cameras, and where its limits are.
Every value names its specification or measurement, or calls itself an estimate. `detect()` reads the device tree, DMI and the
CPU flags, and always answers: what it does not know gets the generic profile of its word size.

The package changes nothing on the machine and knows nothing of the agent. The configuration (`profile = "auto"` or a
name), `lineside init` and `lineside doctor` call it.
"""

from device_profiles._choice import choose
from device_profiles._detection import Detection, detect
from device_profiles._facts import Facts, read_facts
from device_profiles._loader import UnknownProfile, load, names
from device_profiles._profile import Profile

__all__ = ["Detection", "Facts", "Profile", "UnknownProfile", "choose", "detect", "load", "names", "read_facts"]
