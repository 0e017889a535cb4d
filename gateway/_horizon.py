"""The newest block that a client has seen: no peer is asked before it holds that block too.

Peers commit a block one after the other. A client that went on at another peer could otherwise be shown a state without
its own transaction, which the peer before had told it was committed.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Horizon:
    """By channel, the newest block seen and the address of the peer that showed it last."""

    _seen: dict[str, tuple[int, str]] = field(default_factory=dict)

    def see(self, channel: str, block: int, address: str) -> None:
        """Note that a peer holds a block."""
        if block >= self._seen.get(channel, (0, ""))[0]:
            self._seen[channel] = block, address

    def lacking(self, channel: str, address: str) -> int | None:
        """Return the block that a peer has to show before it is asked; None where nothing speaks against it."""
        block, where = self._seen.get(channel, (0, address))
        return None if where == address else block
