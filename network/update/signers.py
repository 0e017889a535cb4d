"""Who has signed an update, and whose signatures the channel's policies still ask for; no input or output."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import configtx_pb2

from network.devnet.channel import Channel
from network.devnet.configtx import changed_elements, elements, policy_of
from network.devnet.msp import Identity, MspManager
from network.devnet.policy import Policy, SignedData, valid_identities
from network.update.file import UpdateFile


@dataclass(frozen=True)
class Missing:
    """A policy that is not satisfied yet: so many more of these organisations (MSP ids) have to sign."""

    policy: str
    count: int
    of: tuple[str, ...]


@dataclass(frozen=True)
class Signers:
    """Whose signatures on a file count, as MSP ids, and what is missing."""

    signed: tuple[str, ...]
    missing: tuple[Missing, ...]

    @property
    def asked(self) -> frozenset[str]:
        """Return the organisations whose signature is still asked for."""
        return frozenset(msp_id for each in self.missing for msp_id in each.of)


def signers(config: Any, file: UpdateFile) -> Signers:
    """Return who signed an honest file, and who has to."""
    channel = Channel.of(file.channel, config)
    signed = [SignedData(each.creator, each.header + file.update, each.signature) for each in file.signatures]
    identities = valid_identities(signed, channel.members)
    missing = []
    for path, policy in sorted(_policies(channel, file).items()):
        count, of = _lacking(policy, identities, channel.members)
        if count:
            missing.append(Missing(path, count, of))
    counting = sorted({each.msp_id for each in identities if not each.invalid and "admin" in each.roles})
    return Signers(tuple(counting), tuple(missing))


def _policies(channel: Channel, file: UpdateFile) -> dict[str, Policy]:
    """Return the policies that guard what an update changes, by their paths."""
    present = elements(channel.config.channel_group)
    changed = changed_elements(configtx_pb2.ConfigUpdate.FromString(file.update), present)
    return dict(policy_of(present[key], channel) for key in changed if key in present)


def _lacking(policy: Policy, present: Sequence[Identity], members: MspManager) -> tuple[int, tuple[str, ...]]:
    """Return how many more administrators have to sign, and of which organisations they may be."""
    have = {each.msp_id for each in present if policy.counts(each)}
    candidates = [each for each in _administrators(members) if each.msp_id not in have and policy.counts(each)]
    together = list(present)
    for count, each in enumerate(candidates):
        if policy.satisfied(together):
            return count, tuple(c.msp_id for c in candidates) if count else ()
        together.append(each)
    return (0, ()) if policy.satisfied(present) else (len(candidates), tuple(c.msp_id for c in candidates))


def _administrators(members: MspManager) -> Iterator[Identity]:
    for msp_id in sorted(members.msps):
        yield members.msps[msp_id].administrator()
