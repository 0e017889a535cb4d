"""What of an organisation's folder each of its processes must not see, where the host can hide it."""

from collections.abc import Sequence
from pathlib import Path

from network.units.model import Unit
from network.units.monitoring import MONITOR
from network.units.places import Places


def hidden_from(unit: Unit, units: Sequence[Unit], places: Places) -> list[Path]:
    """Return the authorities' keys, the identities of people and of other processes, and what only those write."""
    folder = places.organisation(unit.process.organisation)
    hidden = {folder.secrets / name / "key.pem" for name in ("ca", "tlsca")}
    hidden |= {folder.chaincode(), folder.blob_service}
    hidden |= {folder.user(name) for name in ("admin", "client", "node", MONITOR)}
    for other in units:
        hidden |= {other.identity, *other.writes, *([other.connection] if other.connection else [])}
    own = {unit.identity, unit.connection, *unit.writes, *unit.needs}
    return sorted(path for path in hidden if path not in own and not any(k.is_relative_to(path) for k in unit.keys))
