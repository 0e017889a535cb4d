"""What a channel's configuration is made of: groups, values, and an organisation's MSP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from network.devnet import protos as p
from network.devnet.msp import ROLES

ADMINS = "Admins"


def group_of(policies: Mapping[str, Any]) -> Any:
    """Return a group that its own Admins may change, with its policies."""
    group = p.configtx.ConfigGroup(mod_policy=ADMINS)
    for name, policy in policies.items():
        group.policies[name].CopyFrom(p.configtx.ConfigPolicy(policy=policy, mod_policy=ADMINS))
    return group


def put(group: Any, name: str, message: Any) -> None:
    """Put a value into a group."""
    value = message.SerializeToString(deterministic=True)
    group.values[name].CopyFrom(p.configtx.ConfigValue(value=value, mod_policy=ADMINS))


def capability(name: str) -> Any:
    """Return the value Capabilities with one of Fabric's capabilities."""
    return p.configuration.Capabilities(capabilities={name: p.configuration.Capability()})


def msp_value(msp_id: str, folder: Path) -> Any:
    """Return an organisation's MSP as its channel configuration holds it, from its MSP folder (msp/configbuilder.go).

    Folders cacerts, intermediatecerts, admincerts, crls, tlscacerts, tlsintermediatecerts and config.yaml (NodeOUs).
    """
    units = yaml.safe_load((folder / "config.yaml").read_text())["NodeOUs"]
    node_units = p.msp_config.FabricNodeOUs(enable=bool(units["Enable"]))
    for role in ROLES:
        entry = units.get(f"{role.capitalize()}OUIdentifier")
        if entry:
            target = getattr(node_units, f"{role}_ou_identifier")
            target.organizational_unit_identifier = entry["OrganizationalUnitIdentifier"]
            if entry.get("Certificate"):
                target.certificate = (folder / entry["Certificate"]).read_bytes()
    config = p.msp_config.FabricMSPConfig(
        name=msp_id,
        root_certs=_files(folder / "cacerts"),
        intermediate_certs=_files(folder / "intermediatecerts"),
        admins=_files(folder / "admincerts"),
        revocation_list=_files(folder / "crls"),
        crypto_config=p.msp_config.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        tls_root_certs=_files(folder / "tlscacerts"),
        tls_intermediate_certs=_files(folder / "tlsintermediatecerts"),
        fabric_node_ous=node_units,
    )
    return p.msp_config.MSPConfig(config=config.SerializeToString())


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []
