"""One line under mixed faults at random moments, for as long as somebody likes: what the soak does, in one thread per line."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.growth import Sample, take

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from mjpeg import MjpegServer

    from harness.plant import Plant

BROKER = ("broker killed", "broker stopped", "broker silent", "network cut", "network silent", "cut inside a packet")
CAMERA = ("camera dies", "camera freezes", "camera sends garbage", "camera changes its size")
AGENT = ("agent killed", "agent restarted")
COMMANDS = ("commands",)
_EVERY_S = 1.0
"""Between two samples."""
_HEAL_S = 120.0


@dataclass
class Ordeal:
    """Faults one after the other, each followed by good health, until the time is over.

    Attributes:
        name: Of the line.
        plant: Started.
        camera: What the plant's pipeline `camera` looks at.
        random: Where moments and faults come from.
        kinds: Faults to choose from.
        say: Sends the agent some commands, for the kind `commands`.
        healthy_s: By kind, how long each took to be over.
        samples: Of the agent, over time.
    """

    name: str
    plant: Plant
    camera: MjpegServer
    random: random.Random
    kinds: tuple[str, ...]
    say: Callable[[], None] = lambda: None
    healthy_s: dict[str, list[float]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    _begun_s: float = field(default_factory=time.monotonic)
    _sampled_s: float = 0.0

    def run(self, until_s: float) -> None:
        """Until the monotonic time `until_s`, and then until the last fault is over."""
        while time.monotonic() < until_s:
            self.pause(0.5, 5.0)
            kind = self.random.choice(self.kinds)
            over_s = self._hurt(kind)
            took_s = self.plant.wait_confirmed_after(over_s, _HEAL_S, "camera" if kind in CAMERA else "")
            self.healthy_s.setdefault(kind, []).append(took_s)
            assert self.plant.agent.process.poll() is None, f"the agent ended:\n{self.plant.agent.log[-3000:]}"

    def pause(self, least_s: float, most_s: float) -> None:
        """A random stretch of time, in which samples are taken."""
        until_s = time.monotonic() + self.random.uniform(least_s, most_s)
        while (now_s := time.monotonic()) < until_s:
            if now_s - self._sampled_s >= _EVERY_S:
                self._sampled_s = now_s
                sample = take(self.plant.pid, self.plant.state_dir, now_s - self._begun_s)
                self.samples += [] if sample is None else [sample]
            time.sleep(min(0.1, until_s - now_s))

    def _hurt(self, kind: str) -> float:
        """Inject one fault and take it away; the monotonic time of that."""
        plant = self.plant
        over_s = 0.0
        match kind:
            case "broker killed":
                plant.broker.kill()
                self.pause(0.0, 3.0)
                plant.broker.start()
            case "broker stopped":
                plant.broker.stop()
                self.pause(0.0, 5.0)
                plant.broker.start()
            case "broker silent":
                with plant.broker.paused():
                    self.pause(0.5, 5.0)
            case "network cut":
                plant.way.cut()
            case "network silent":
                plant.way.freeze()
            case "cut inside a packet":
                plant.way.tear(to_broker=self.random.random() < 0.5, share=self.random.random())
                assert plant.way.torn.wait(_HEAL_S), "nothing was sent or confirmed"
            case "agent killed":
                plant.kill()
                over_s = plant.start(wait=False)
            case "agent restarted":
                assert plant.stop() == 0, plant.agent.log
                over_s = plant.start(wait=False)
            case "commands":
                self.say()
            case _:
                self._hurt_camera(kind)
        return over_s or time.monotonic()

    def _hurt_camera(self, kind: str) -> None:
        match kind:
            case "camera dies":
                self.camera.stop()
                self.pause(0.0, 5.0)
                self.camera.start()
            case "camera freezes":
                self.camera.stall()
                self.pause(0.0, 10.0)
                self.camera.go_on()
            case "camera sends garbage":
                self.camera.garbage = self.random.randbytes(self.random.randrange(1, 5000))
                self.pause(0.2, 3.0)
                self.camera.garbage = b""
            case "camera changes its size":
                self.camera.resize(self.random.randrange(16, 640), self.random.randrange(16, 480))
            case _:
                raise ValueError(f"no such fault: {kind}")
