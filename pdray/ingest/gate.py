"""Where workers ask before each unit. Waiting there costs nothing and loses nothing.

A gate inside the stream, because Ray has all units of a wave from the start and hands each worker
some ahead; smaller waves would start the actors, and load the model, again and again. In a module
of its own, because its process imports what the module does: 60 MB less than Ray Data's.
"""

import asyncio

from pdray.ingest.control import PAUSED, RUNNING


class Gate:
    """Holds back who asks while the run is paused. For an event loop."""

    def __init__(self) -> None:
        self.state = RUNNING
        self.turned = asyncio.Condition()

    async def turn(self, state: str) -> None:
        """Takes over the state of the run."""
        async with self.turned:
            self.state = state
            self.turned.notify_all()

    async def admits(self) -> bool:
        """Waits while the run is paused; False where it is cancelled."""
        async with self.turned:
            await self.turned.wait_for(lambda: self.state != PAUSED)
            return self.state == RUNNING
