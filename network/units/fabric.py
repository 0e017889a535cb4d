"""What Fabric's processes of one organisation read, written for the place where its folder will lie."""

from collections.abc import Sequence

import yaml

from network.fabric.binaries import Version
from network.fabric.configuration import orderer_configuration, peer_configuration
from network.fabric.package import BUILD, DETECT, RELEASE
from network.folders import OrganisationFolder
from network.topology import Consortium
from network.units.model import Unit


def fabric_files(
    consortium: Consortium, folder: OrganisationFolder, units: Sequence[Unit], release: Version
) -> dict[str, str]:
    """Return name of file, relative to the organisation's folder → content.

    Args:
        consortium: The definition.
        folder: The organisation's, where it lies on its hosts.
        units: Its processes.
        release: Of Fabric.
    """
    files = {}
    for unit in units:
        if unit.process.service == "orderer":
            (own,) = (each for _, each in consortium.orderers if each.name == unit.name)
            files[f"rendered/{unit.name}/orderer.yaml"] = _yaml(orderer_configuration(consortium, folder, own))
        elif unit.process.service == "peer":
            organisation = consortium.organisation(unit.process.organisation)
            configuration = peer_configuration(consortium, folder, organisation, release, unit.process.number)
            files[f"rendered/{unit.name}/core.yaml"] = _yaml(configuration)
            files |= {f"rendered/builder/bin/{name}": text for name, text in _BUILDER.items()}
    return files


_BUILDER = {"detect": DETECT, "build": BUILD, "release": RELEASE}


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False)
