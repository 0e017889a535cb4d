"""Renders one organisation's processes in a format into a folder: the same bytes from the same definition."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from network import codes
from network.codes import CATALOGUE
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import folder_of, require_channel_block
from network.identities import organisation_in
from network.package import read_lock
from network.plan import Kind, Plan
from network.topology import Consortium
from network.units.compose import compose_files
from network.units.helm import helm_chart
from network.units.keys import require_own_keys
from network.units.model import Unit, Wishes, units_of
from network.units.monitoring import monitoring_files
from network.units.places import Places
from network.units.systemd import systemd_units

Format = Literal["systemd", "compose", "helm"]
LISTED: Final = ".rendered"
"""The file that lists what was rendered, so that the next rendering removes what is no longer there."""


@dataclass(frozen=True)
class Rendering:
    """What is asked for.

    Attributes:
        run: The organisation's folder as it lies on this machine.
        organisation: Its name.
        format: Of the units.
        kind: devnet or fabric.
        places: Where folder and programs lie on the organisation's hosts.
        wishes: What it decides about its processes.
        release: Of Fabric, where kind is fabric; None means the newest that is supported.
    """

    run: Path
    organisation: str
    format: Format
    kind: Kind
    places: Places
    wishes: Wishes
    release: tuple[int, int, int] | None = None


def render(consortium: Consortium, asked: Rendering, program: str, out: Path) -> list[str]:
    """Write an organisation's units and return their names.

    Args:
        consortium: The definition.
        asked: What is asked for.
        program: The name of the chaincode's program.
        out: The folder to write into; what an earlier rendering wrote there and this one does not is removed.

    Raises:
        NetworkError: FL1010 or FL1022, no such organisation or host; FL1080, another's private key is in the folder;
            FL1081, an own one is missing; FL1044, no package.lock; FL1083, the folder to write into holds other things;
            FL1108, a chart for devnet lacks the channel's first block.
    """
    package_id = read_lock(folder_of(asked.run, asked.organisation).root).package_id
    plan = plan_at(consortium, asked.kind, asked.organisation, asked.places, program, package_id)
    units = units_of(consortium, plan, asked.organisation, asked.places, asked.wishes)
    require_own_keys(asked.run, asked.organisation, units, asked.places.folder)
    settings = configuration(consortium, asked, units)
    files = {
        **rendered(asked, units, settings),
        **monitoring_files(asked.organisation, units, asked.places),
    }
    _write(out, files)
    return sorted(files)


def plan_at(
    consortium: Consortium, kind: Kind, organisation: str, places: Places, program: str, package_id: str
) -> Plan:
    """Return every process of an organisation with the paths that it has at its places."""
    folders = [places.organisation(organisation_in(consortium, organisation).name)]
    if kind == "devnet":
        from network.devnet_plan import devnet_plan  # noqa: PLC0415  only where it is asked for

        return devnet_plan(consortium, folders, places.bin / program, package_id)
    from network.fabric.binaries import Binaries  # noqa: PLC0415
    from network.fabric.plan import fabric_plan  # noqa: PLC0415

    binaries = Binaries(places.bin, (0, 0, 0))
    return fabric_plan(consortium, folders, places.bin / program, package_id, binaries)


def configuration(consortium: Consortium, asked: Rendering, units: tuple[Unit, ...]) -> dict[str, str]:
    """Return what Fabric's processes read; name of file, relative to the organisation's folder → content.

    The one file that holds a key is written into the folder itself, never among the units.
    """
    if asked.kind == "devnet":
        return {}
    from network.fabric.configuration import NEWEST  # noqa: PLC0415
    from network.fabric.package import write_connections  # noqa: PLC0415  only where it is asked for
    from network.units.fabric import fabric_files  # noqa: PLC0415

    if any(unit.connection for unit in units):
        write_connections(folder_of(asked.run, asked.organisation), consortium)
    own = asked.places.organisation(asked.organisation)
    return fabric_files(consortium, own, units, asked.release or NEWEST)


def rendered(asked: Rendering, units: tuple[Unit, ...], settings: dict[str, str]) -> dict[str, str]:
    """Return name of file → content; what lies in `folder/` is to be copied over the organisation's folder."""
    if asked.format == "helm":
        own = folder_of(asked.run, asked.organisation).root
        block = require_channel_block(own).read_bytes() if asked.kind == "devnet" else b""
        return helm_chart(asked.organisation, units, asked.places, asked.run, settings, block)
    over = {f"folder/{name}": text for name, text in settings.items()}
    if asked.format == "compose":
        return {**compose_files(asked.organisation, units, asked.places, asked.run), **over}
    return {**systemd_units(asked.organisation, units, asked.places), **over}


def _write(out: Path, files: dict[str, str]) -> None:
    listed = out / LISTED
    earlier = set(listed.read_text().splitlines()) if listed.exists() else set()
    present = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} if out.exists() else set()
    if strange := sorted(present - earlier - {LISTED}):
        hint = CATALOGUE[codes.NOT_RENDERED_HERE].hint
        raise NetworkError(codes.NOT_RENDERED_HERE, f"{strange[0]} was not rendered", where=str(out), hint=hint)
    for name, content in sorted(files.items()):
        write_atomically(out / name, content, 0o755 if "/bin/" in name or name.endswith(".sh") else 0o644)
    for name in sorted(earlier - set(files)):
        (out / name).unlink(missing_ok=True)
    write_atomically(listed, "".join(f"{name}\n" for name in sorted(files)))
