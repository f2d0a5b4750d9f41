"""Which profile a machine gets, and what a person is told about it: trees of known machines, and hostile ones."""

from __future__ import annotations

import os
import struct
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles import Facts, choose, detect, load, names

TREES = Path(__file__).parent / "trees"
FILES = (
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/device-tree/compatible",
    "proc/device-tree/model",
    "sys/class/dmi/id/sys_vendor",
    "sys/class/dmi/id/product_name",
)
PROFILES = [load(name) for name in names()]


@pytest.mark.parametrize(
    ("tree", "machine", "profile", "because"),
    [
        ("raspberry-pi-4", "aarch64", "raspberry-pi-4", "raspberrypi,4-model-b (Raspberry Pi 4 Model B Rev 1.4)"),
        ("raspberry-pi-5", "aarch64", "raspberry-pi-5", "raspberrypi,5-model-b (Raspberry Pi 5 Model B Rev 1.0)"),
        ("jetson-orin-nano", "aarch64", "jetson-orin-nano", "the device tree says nvidia,p3768-0000+p3767-0005-super"),
        ("simatic-ipc227e", "x86_64", "x86-ipc", "DMI says SIEMENS AG SIMATIC IPC227E"),
        ("raspberry-pi-4-32-bit-system", "armv7l", "generic-32", "raspberry-pi-4 is for a 64-bit Python"),
        ("beaglebone-black", "armv7l", "generic-32", "neither the device tree nor DMI"),
        ("raspberry-pi-3", "aarch64", "generic-64", "neither the device tree nor DMI"),
        ("jetson-orin-nx", "aarch64", "generic-64", "neither the device tree nor DMI"),
        ("virtual-machine", "x86_64", "generic-64", "neither the device tree nor DMI"),
    ],
)
def test_a_known_machine_gets_its_profile(tree, machine, profile, because):
    """And a machine that is only like a known one, such as an Orin NX, does not."""
    detection = detect(TREES / tree, machine=machine)
    assert detection.profile.name == profile
    assert because in detection.why


def test_a_32_bit_system_on_a_64_bit_kernel_gets_the_32_bit_profile():
    """Raspberry Pi OS (32-bit) starts a 64-bit kernel on a Pi 4; the wheels must fit the Python."""
    detection = detect(TREES / "raspberry-pi-4", machine="aarch64", pointer_bits=32)
    assert detection.profile.name == "generic-32"
    assert detection.profile.runtime.package == "tflite-runtime"
    assert "this one has 32 bits" in detection.why


@pytest.mark.parametrize(
    ("tree", "machine", "cores", "memory_gb", "flags"),
    [
        ("raspberry-pi-4", "aarch64", 4, 8.19, {"asimd"}),
        ("raspberry-pi-5", "aarch64", 4, 8.44, {"asimd", "asimddp"}),
        ("beaglebone-black", "armv7l", 1, 0.51, {"neon"}),
        ("simatic-ipc227e", "x86_64", 4, 4.01, {"sse4_1"}),
        ("virtual-machine", "x86_64", 2, 4.12, {"sse4_1", "avx2", "avx512f", "avx512_vnni"}),
    ],
)
def test_the_facts_are_told(tree, machine, cores, memory_gb, flags):
    """`doctor` shows what was read: architecture, cores, memory and the flags that matter to the kernels."""
    facts = detect(TREES / tree, machine=machine).facts
    assert (facts.machine, facts.cores, facts.cpu_flags) == (machine, cores, flags)
    assert round(facts.memory_bytes / 1e9, 2) == memory_gb


def test_the_texts_of_device_tree_and_dmi_are_told():
    """Every string of `compatible`, and the others without the NUL or newline that ends them."""
    facts = detect(TREES / "jetson-orin-nano", machine="aarch64").facts
    assert facts.compatible == ("nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234")
    assert facts.dmi_vendor == "NVIDIA"
    assert facts.model == facts.dmi_product == "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super"


def test_nothing_to_read_is_no_error(tmp_path):
    """A container without /proc still gets an answer, and the facts say that they are not known."""
    detection = detect(tmp_path, machine="aarch64")
    assert detection.profile.name == "generic-64"
    assert detection.facts == Facts(machine="aarch64", pointer_bits=64)


def test_a_file_that_cannot_be_read_is_as_good_as_none(tmp_path):
    """A folder in its place, a pipe that nobody writes to, a link to itself."""
    device_tree = tmp_path / "proc/device-tree"
    device_tree.mkdir(parents=True)
    (device_tree / "compatible").mkdir()
    os.mkfifo(device_tree / "model")
    (tmp_path / "proc/cpuinfo").symlink_to("cpuinfo")
    assert detect(tmp_path, machine="aarch64").facts == Facts(machine="aarch64", pointer_bits=64)


def test_this_machine_is_detected_as_it_is():
    """Without arguments the architecture and word size are those of this Python."""
    facts = detect().facts
    assert (facts.machine, facts.pointer_bits) == (os.uname().machine, struct.calcsize("P") * 8)


def test_the_most_specific_string_of_the_device_tree_decides():
    """A board that is derived from a Pi 5 and says so first is a Pi 5, whatever it is compatible with besides."""
    compatible = ("raspberrypi,5-model-b", "raspberrypi,4-model-b")
    facts = Facts("aarch64", 64, compatible=compatible, cpu_flags=frozenset({"asimd", "asimddp"}))
    assert choose(facts, PROFILES)[0] == "raspberry-pi-5"
    assert choose(facts, PROFILES[::-1])[0] == "raspberry-pi-5"


def test_a_profile_is_passed_over_when_the_cpu_lacks_a_flag():
    """A virtual machine may hide what the board's own CPU can do; the person learns which flag is missing."""
    facts = Facts("aarch64", 64, compatible=("raspberrypi,5-model-b",), cpu_flags=frozenset({"asimd"}))
    name, why = choose(facts, PROFILES)
    assert name == "generic-64"
    assert "raspberry-pi-5 needs a CPU with asimddp" in why


def test_a_flag_counts_only_if_every_core_has_it(tmp_path):
    """The kernel may move a thread to any core."""
    (tmp_path / "proc").mkdir()
    cores = "processor : 0\nFeatures : fp asimd asimddp\n\nprocessor : 1\nFeatures : fp asimd\n"
    (tmp_path / "proc/cpuinfo").write_text(cores)
    assert detect(tmp_path, machine="aarch64").facts.cpu_flags == {"asimd"}


@pytest.mark.parametrize("vendor", ["ADVANTECH", "Advantech Co., Ltd.", "advantech"])
def test_makers_are_recognized_however_they_write_themselves(vendor):
    """BIOS vendors agree neither on capitals nor on the legal form."""
    facts = Facts("x86_64", 64, dmi_vendor=vendor, dmi_product="UNO-2484G", cpu_flags=frozenset({"sse4_1"}))
    assert choose(facts, PROFILES) == ("x86-ipc", f"DMI says {vendor} UNO-2484G")


def test_an_office_pc_of_an_industrial_maker_is_not_an_industrial_pc():
    """Where a maker builds both, the product decides."""
    facts = Facts("x86_64", 64, dmi_vendor="SIEMENS AG", dmi_product="D3062-A1", cpu_flags=frozenset({"sse4_1"}))
    assert choose(facts, PROFILES)[0] == "generic-64"


def test_choosing_without_a_generic_profile_says_so():
    """Only a caller with profiles of its own can meet this."""
    with pytest.raises(LookupError, match="no generic profile for 32 bits"):
        choose(Facts("armv7l", 32), [load("generic-64")])


REAL_BYTES = [
    path.read_bytes() for tree in TREES.iterdir() if tree.is_dir() for path in tree.rglob("*") if path.is_file()
]


@settings(deadline=None)
@given(
    files=st.fixed_dictionaries(
        {name: st.none() | st.binary(max_size=300) | st.sampled_from(REAL_BYTES) for name in FILES}
    ),
    machine=st.text() | st.sampled_from(["aarch64", "armv7l", "x86_64"]),
    pointer_bits=st.sampled_from([32, 64]),
)
def test_detection_answers_whatever_the_files_hold(files, machine, pointer_bits):
    """Any bytes in any file give a profile of the right word size and a reason that a terminal can show."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            if content is not None:
                path = Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        detection = detect(Path(folder), machine=machine, pointer_bits=pointer_bits)
    assert detection.profile.match.bits == pointer_bits
    assert detection.why.isprintable()
    assert detection.why


@given(digits=st.integers(min_value=0, max_value=6000))
def test_a_memory_size_of_any_length_is_read_or_left(digits, tmp_path_factory):
    """A number too long to be true is not known, rather than an error."""
    root = tmp_path_factory.mktemp("tree")
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text(f"MemTotal: {'9' * (digits)} kB\n")
    memory_bytes = detect(root, machine="aarch64").facts.memory_bytes
    assert (memory_bytes is not None) == (1 <= digits <= 12)
