"""What a change made of a configuration, as a short list of the elements that differ."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from fabric_protos.common import configtx_pb2

Change = list[Any]
"""kind (groups, values, policies), path, and the element in hex, a group's without what is in it; null: it is gone."""
Group: TypeAlias = configtx_pb2.ConfigGroup
Found = dict[tuple[str, tuple[str, ...]], bytes]


def difference(before: Group, after: Group) -> list[Change]:
    """Return what differs in `after`; ValueError if `applied` would not give it back."""
    one, other = dict(_elements(before)), dict(_elements(after))
    changed = [[kind, list(path), raw.hex()] for (kind, path), raw in other.items() if one.get((kind, path)) != raw]
    gone = [[kind, list(path), None] for kind, path in one if (kind, path) not in other]
    if applied(before, [*changed, *gone]) != after:
        raise ValueError("a configuration that is more than its elements")
    return [*changed, *gone]


def applied(before: Group, changes: Sequence[Change]) -> Group:
    """Return the configuration that changes make of another."""
    after = Group()
    after.CopyFrom(before)
    for kind, path, raw in sorted(changes, key=lambda change: (change[2] is None, len(change[1]))):
        if raw is None:
            _remove(after, kind, path)
            continue
        group = after
        for step in path if kind == "groups" else path[:-1]:
            group = group.groups[step]
        if kind == "groups":
            bare = Group.FromString(bytes.fromhex(raw))
            group.version, group.mod_policy = bare.version, bare.mod_policy
        else:
            getattr(group, kind)[path[-1]].ParseFromString(bytes.fromhex(raw))
    return after


def _remove(root: Group, kind: str, path: Sequence[str]) -> None:
    group = root
    for step in path[:-1]:
        if step not in group.groups:
            return  # it went with its group
        group = group.groups[step]
    getattr(group, kind).pop(path[-1], None)


def _elements(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, tuple[str, ...]], bytes]]:
    yield ("groups", path), Group(version=group.version, mod_policy=group.mod_policy).SerializeToString()
    for kind in ("values", "policies"):
        for name, element in sorted(getattr(group, kind).items()):
            yield (kind, (*path, name)), element.SerializeToString(deterministic=True)
    for name in sorted(group.groups):
        yield from _elements(group.groups[name], (*path, name))
