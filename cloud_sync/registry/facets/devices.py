"""Devices: who is admitted, and what they report."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cloud_sync.registry import devices
from cloud_sync.registry.errors import UnknownName
from cloud_sync.registry.state import devices as state_devices

if TYPE_CHECKING:
    from cloud_sync.registry.changing import Changing
    from cloud_sync.registry.state.database import Connection
    from cloud_sync.registry.types import Candidate, DeviceInfo, Enrolled


class Devices:
    """`registry.devices`: enrolment and reports."""

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def create_enrolment_token(self, device: str, *, valid_for: timedelta = timedelta(days=7), by: str) -> str:
        """A secret that admits one device once. It is shown only here.

        Raises:
            Refused: It is no name of a device.
        """
        with self._changing.database.writing() as tx:
            return devices.create_token(tx, device, self._changing.now(), valid_for, by)

    def nonce(self) -> str:
        """A number that goes into one request for enrolment, within five minutes.

        Raises:
            RegistryBusy: Too many are open.
        """
        with self._changing.database.writing() as tx:
            return devices.nonce(tx, self._changing.now())

    def enrol(self, request: bytes) -> Enrolled:
        """Take a device's request (schema `lineside.enrol/1`, in an envelope sealed with its own key).

        It is admitted with a token for this id that is valid, was not used, and if the id is new; the same key once more stays what it is.
        Everybody else waits for an operator.

        Raises:
            EnrolmentRefused: The nonce or the token is not valid, or the key is not the one that signed.
            MetadataInvalid, SignatureInvalid: It is no signed request.
            RegistryBusy: Too many wait already.
        """
        with self._changing.database.writing() as tx:
            return devices.enrol(tx, request, self._changing.settings, self._changing.now())

    def approve(self, device: str, *, keyid: str | None = None, by: str) -> DeviceInfo:
        """Admit who waits. A key that the device had before is replaced.

        Args:
            device: Its id.
            keyid: Which candidate, needed when several wait; compare it with what `lineside sync enroll` shows on the device.
            by: For the log.

        Raises:
            UnknownName: Nobody waits.
            Refused: Several wait.
        """
        with self._changing.database.writing() as tx:
            devices.approve(tx, device, keyid, self._changing.now(), by)
            return _device(tx, device)

    def reject(self, device: str, *, keyid: str | None = None, by: str) -> int:
        """Send who waits away; how many that were.

        Raises:
            UnknownName: Nobody waits.
        """
        with self._changing.database.writing() as tx:
            return devices.reject(tx, device, keyid, self._changing.now(), by)

    def revoke(self, device: str, *, by: str) -> None:
        """Take no reports of a device any more. To come back it needs an operator.

        Raises:
            UnknownName: There is no such device.
        """
        with self._changing.database.writing() as tx:
            devices.revoke(tx, device, self._changing.now(), by)

    def report(self, content: bytes) -> str:
        """Take a device's report (schema `lineside.report/1`), and return the device's id.

        Raises:
            ReportRefused: The device is not admitted, the number does not rise, or it says something impossible.
            MetadataInvalid, SignatureInvalid: It is not signed by the device.
            ContentTooLarge: It is larger than `max_report_bytes`.
        """
        with self._changing.database.writing() as tx:
            return devices.report(tx, content, self._changing.settings, self._changing.now())

    def all(self) -> list[DeviceInfo]:
        """All devices by id, without their events."""
        with self._changing.database.reading() as tx:
            return state_devices.all_devices(tx)

    def waiting(self) -> list[Candidate]:
        """Who asks to be a device and waits for an operator, the first one first."""
        with self._changing.database.reading() as tx:
            return state_devices.waiting(tx)

    def one(self, device: str) -> DeviceInfo:
        """One device, with its events.

        Raises:
            UnknownName: There is no such device.
        """
        with self._changing.database.reading() as tx:
            return _device(tx, device)


def _device(tx: Connection, name: str) -> DeviceInfo:
    found = state_devices.device(tx, name)
    if found is None:
        raise UnknownName(f"there is no device {name}", hint="`lineside registry devices list`")
    return found
