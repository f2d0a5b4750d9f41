"""Signs again in time what would expire: the timestamp, the snapshot, assignments."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from cloud_sync.errors import CloudSyncError

if TYPE_CHECKING:
    from cloud_sync.registry.registry import Registry

log = logging.getLogger("lineside.registry")
_LOOK_S: Final = 600.0
"""At least so often: another process may have changed something, or the clock was set."""
_AGAIN_S: Final = 30.0
"""After a failure. Half of a lifetime is left when it is first tried, which is hours."""


async def keep_signed(registry: Registry) -> None:
    """Until it is cancelled. A failure is logged, once for the same fault, and tried again."""
    fault = ""
    while True:
        try:
            done = await anyio.to_thread.run_sync(registry.keys.refresh)
        except (CloudSyncError, OSError, ValueError) as error:
            if str(error) != fault:
                fault = str(error)
                log.error("nothing could be signed again: %s", error)  # noqa: TRY400 - the message says it
            wait_s = _AGAIN_S
        else:
            if fault:
                log.warning("signing works again")
            fault = ""
            if done.timestamp:
                log.info("signed the timestamp again")
            wait_s = min(_LOOK_S, max(1.0, (done.next_at - datetime.now(timezone.utc)).total_seconds()))
        await asyncio.sleep(wait_s)
