"""Changes of a channel's configuration as Fabric's config update messages; no input or output.

Source of the rules: Fabric's documentation of configuration transactions (configtx) and its ConfigUpdate message: an
update names what it has read and what it writes, every changed element with its version raised by one.
"""

from collections.abc import Iterable
from typing import Any

from fabric_protos.common import configtx_pb2
from fabric_protos.msp import msp_config_pb2

MSP = "MSP"
PARTS = ("Application", "Orderer")


def compute_update(channel: str, original: Any, updated: Any) -> Any:
    """Return the ConfigUpdate that turns one ConfigGroup into another; ValueError if they are the same."""
    update = configtx_pb2.ConfigUpdate(channel_id=channel)
    if not _compare(original, updated, update.read_set, update.write_set):
        raise ValueError("nothing changes")
    return update


def with_revocation_list(config: Any, msp_id: str, *revocation_lists: bytes) -> Any:
    """Return a copy of a Config with other revocation lists (PEM) for an organisation; KeyError if it has none."""
    inner = msp_of(config, msp_id)
    inner.revocation_list[:] = revocation_lists
    return with_msp(config, msp_id, inner)


def revocation_lists(config: Any, msp_id: str) -> list[bytes]:
    """Return an organisation's revocation lists in a Config; KeyError if it has no such organisation."""
    return list(msp_of(config, msp_id).revocation_list)


def msp_of(config: Any, msp_id: str) -> Any:
    """Return a copy of an organisation's FabricMSPConfig; KeyError if the Config has no such organisation."""
    value = config.channel_group.groups[_parts_of(config, msp_id)[0]].groups[msp_id].values[MSP]
    return msp_config_pb2.FabricMSPConfig.FromString(msp_config_pb2.MSPConfig.FromString(value.value).config)


def with_msp(config: Any, msp_id: str, msp: Any) -> Any:
    """Return a copy of a Config with another FabricMSPConfig for an organisation, in each part that has it."""
    changed = configtx_pb2.Config()
    changed.CopyFrom(config)
    for part in _parts_of(config, msp_id):
        value = changed.channel_group.groups[part].groups[msp_id].values[MSP]
        outer = msp_config_pb2.MSPConfig.FromString(value.value)
        outer.config = msp.SerializeToString(deterministic=True)
        value.value = outer.SerializeToString(deterministic=True)
    return changed


def _parts_of(config: Any, msp_id: str) -> list[str]:
    """Return the parts that know an organisation: one with peers and orderers is in both, with one and the same MSP."""
    found = [part for part in PARTS if msp_id in config.channel_group.groups[part].groups]
    if not found:
        raise KeyError(msp_id)
    return found


def _compare(original: Any, updated: Any, read: Any, write: Any) -> bool:
    """Fill the read and write set of one group; return whether anything in it changed."""
    read.version = write.version = original.version
    values = _compare_elements(original, updated, write, "values")
    changed = _compare_elements(original, updated, write, "policies") or values
    added = [name for name in updated.groups if name not in original.groups]
    for name in sorted(set(original.groups) & set(updated.groups)):
        inner_read, inner_write = configtx_pb2.ConfigGroup(), configtx_pb2.ConfigGroup()
        if _compare(original.groups[name], updated.groups[name], inner_read, inner_write):
            read.groups[name].CopyFrom(inner_read)
            write.groups[name].CopyFrom(inner_write)
            changed = True
    if _membership(original) != _membership(updated) or original.mod_policy != updated.mod_policy:
        _raise_group(original, updated, read, write, added)
        return True
    return changed


def _compare_elements(original: Any, updated: Any, write: Any, kind: str) -> bool:
    before, after, written = getattr(original, kind), getattr(updated, kind), getattr(write, kind)
    changed = False
    for name in sorted(set(before) & set(after)):
        if before[name] != after[name]:
            written[name].CopyFrom(after[name])
            written[name].version = before[name].version + 1
            changed = True
    return changed


def _raise_group(original: Any, updated: Any, read: Any, write: Any, added: Iterable[str]) -> None:
    """A group whose membership changes is written as a whole: every element that stays, by its version."""
    write.version = original.version + 1
    write.mod_policy = updated.mod_policy
    for kind in ("values", "policies", "groups"):
        before, after = getattr(original, kind), getattr(updated, kind)
        for name in after:
            if name not in before:
                getattr(write, kind)[name].CopyFrom(after[name])
                getattr(write, kind)[name].version = 0
            else:
                getattr(read, kind)[name].version = before[name].version
                if name not in getattr(write, kind):
                    getattr(write, kind)[name].version = before[name].version
    for name in added:
        write.groups[name].CopyFrom(updated.groups[name])


def _membership(group: Any) -> tuple[frozenset[str], ...]:
    return frozenset(group.values), frozenset(group.policies), frozenset(group.groups)
