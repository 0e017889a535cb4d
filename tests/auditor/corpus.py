"""Ways to tamper with a ledger; each returns the rule that must fail first and the block where it must."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.envelope import is_config_block
from audit.fabric.wire import COMMIT_HASH, LAST_CONFIG, SIGNATURES, TRANSACTIONS_FILTER
from audit.verify.verdict import Rule
from network.folders import folder_of
from tests.auditor.forge import Chain, Key, Opened, flag, flip, reseal, resign

Expected = tuple[Rule, int]
Kind = Callable[["Ledger", Chain], Expected]
KINDS: dict[str, Kind] = {}


@dataclass(frozen=True)
class Ledger:
    """An honest chain and every key that made it."""

    run: Path
    chain: Chain
    chaincode: str
    orderers: dict[bytes, Key]
    members: dict[str, str]
    """Organisation names by MSP id, members and regulators."""

    def key(self, organisation: str, place: str) -> Key:
        msp_id = next(m for m, o in self.members.items() if o == organisation)
        return Key.read(msp_id, folder_of(self.run, organisation).secrets / place / "msp")

    def peer(self, organisation: str) -> Key:
        return self.key(organisation, "peers/peer0")

    def client(self, organisation: str) -> Key:
        return self.key(organisation, "users/client")

    def creator(self, opened: Opened) -> Key:
        """The key behind a transaction's creator."""
        header = common_pb2.SignatureHeader.FromString(opened.payload.header.signature_header)
        for organisation in self.members.values():
            for user in (folder_of(self.run, organisation).secrets / "users").iterdir():
                key = self.key(organisation, f"users/{user.name}")
                if key.identity == header.creator:
                    return key
        raise AssertionError("no key made this transaction")


def kind(name: str) -> Callable[[Kind], Kind]:
    def register(function: Kind) -> Kind:
        KINDS[name] = function
        return function

    return register


def written(ledger: Ledger, chain: Chain) -> Iterator[tuple[int, int]]:
    """Places of valid transactions of the chaincode, in order."""
    for block in chain[1:]:
        if is_config_block(block):
            continue
        for index, raw in enumerate(block.data.data):
            valid = block.metadata.metadata[TRANSACTIONS_FILTER][index] == codes.VALID
            if valid and Opened.of(raw).result.chaincode_id.name == ledger.chaincode:
                yield block.header.number, index


def middle(ledger: Ledger, chain: Chain) -> tuple[int, int]:
    places = list(written(ledger, chain))
    return places[len(places) // 2]


def replace(ledger: Ledger, chain: Chain, place: tuple[int, int], raw: bytes) -> None:
    chain[place[0]].data.data[place[1]] = raw
    reseal(chain, place[0], ledger.orderers)


@kind("a bit of the previous hash")
def _previous(_l: Ledger, chain: Chain) -> Expected:
    chain[3].header.previous_hash = flip(chain[3].header.previous_hash)
    return Rule.PREVIOUS_HASH, 3


@kind("a bit of the data hash")
def _data(_l: Ledger, chain: Chain) -> Expected:
    chain[3].header.data_hash = flip(chain[3].header.data_hash)
    return Rule.DATA_HASH, 3


@kind("a bit of a transaction")
def _transaction(ledger: Ledger, chain: Chain) -> Expected:
    block, index = middle(ledger, chain)
    chain[block].data.data[index] = flip(chain[block].data.data[index], at=len(chain[block].data.data[index]) // 2)
    return Rule.DATA_HASH, block


@kind("a bit of a transaction's signature")
def _signature(ledger: Ledger, chain: Chain) -> Expected:
    block, index = middle(ledger, chain)
    chain[block].data.data[index] = flip(chain[block].data.data[index])
    return Rule.DATA_HASH, block


@kind("a bit of the genesis block")
def _genesis_bit(_l: Ledger, chain: Chain) -> Expected:
    chain[0].data.data[0] = flip(chain[0].data.data[0], at=len(chain[0].data.data[0]) // 2)
    return Rule.DATA_HASH, 0


@kind("another genesis block, with repaired hashes")
def _genesis(ledger: Ledger, chain: Chain) -> Expected:
    envelope = common_pb2.Envelope.FromString(chain[0].data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    config = configtx_pb2.ConfigEnvelope.FromString(payload.data)
    config.config.channel_group.groups["Application"].mod_policy = "Readers"
    payload.data = config.SerializeToString()
    envelope.payload = payload.SerializeToString()
    chain[0].data.data[0] = envelope.SerializeToString()
    reseal(chain, 0, ledger.orderers)
    return Rule.GENESIS, 0


@kind("a bit of an orderer's signature")
def _orderer_bit(_l: Ledger, chain: Chain) -> Expected:
    entry = common_pb2.Metadata.FromString(chain[4].metadata.metadata[SIGNATURES])
    for signature in entry.signatures:
        signature.signature = flip(signature.signature)
    chain[4].metadata.metadata[SIGNATURES] = entry.SerializeToString()
    return Rule.ORDERER_SIGNATURES, 4


@kind("no orderer's signature")
def _unsigned(_l: Ledger, chain: Chain) -> Expected:
    entry = common_pb2.Metadata.FromString(chain[4].metadata.metadata[SIGNATURES])
    del entry.signatures[:]
    chain[4].metadata.metadata[SIGNATURES] = entry.SerializeToString()
    return Rule.ORDERER_SIGNATURES, 4


@kind("a block signed again by somebody who is no orderer")
def _wrong_orderer(ledger: Ledger, chain: Chain) -> Expected:
    stranger = ledger.peer(next(iter(ledger.members.values())))
    resign(chain[4], dict.fromkeys(ledger.orderers, stranger))
    return Rule.ORDERER_SIGNATURES, 4


@kind("a block with repaired hashes and the old signatures")
def _repaired(ledger: Ledger, chain: Chain) -> Expected:
    block, index = middle(ledger, chain)
    del chain[block].data.data[index]
    if not chain[block].data.data:
        chain[block].data.data.append(chain[block - 1].data.data[0])
    reseal(chain, block, ledger.orderers, sign=False)
    return Rule.ORDERER_SIGNATURES, block


@kind("a bit of what the orderers signed beside the header")
def _signed_value(_l: Ledger, chain: Chain) -> Expected:
    entry = common_pb2.Metadata.FromString(chain[4].metadata.metadata[SIGNATURES])
    value = common_pb2.OrdererBlockMetadata.FromString(entry.value)
    value.last_config.index += 1
    entry.value = value.SerializeToString()
    chain[4].metadata.metadata[SIGNATURES] = entry.SerializeToString()
    return Rule.ORDERER_SIGNATURES, 4


@kind("another configuration named, signed by the orderers")
def _last_config(ledger: Ledger, chain: Chain) -> Expected:
    entry = common_pb2.Metadata.FromString(chain[4].metadata.metadata[SIGNATURES])
    value = common_pb2.OrdererBlockMetadata.FromString(entry.value)
    value.last_config.index += 1
    entry.value = value.SerializeToString()
    chain[4].metadata.metadata[SIGNATURES] = entry.SerializeToString()
    chain[4].metadata.metadata[LAST_CONFIG] = b""
    resign(chain[4], ledger.orderers)
    return Rule.LAST_CONFIG, 4


@kind("a missing block")
def _missing(_l: Ledger, chain: Chain) -> Expected:
    del chain[5]
    return Rule.ORDER, 6


@kind("two blocks swapped")
def _swapped(_l: Ledger, chain: Chain) -> Expected:
    chain[5], chain[6] = chain[6], chain[5]
    return Rule.ORDER, 6


@kind("a block repeated")
def _repeated(_l: Ledger, chain: Chain) -> Expected:
    chain.insert(5, chain[4])
    return Rule.ORDER, 4


@kind("the first block cut off")
def _beheaded(_l: Ledger, chain: Chain) -> Expected:
    del chain[0]
    return Rule.ORDER, 1


@kind("a block missing, the rest numbered and signed again")
def _missing_repaired(ledger: Ledger, chain: Chain) -> Expected:
    # The chaincode's definition is gone, so that nothing after it can have been valid.
    defined = next(written(ledger, chain))[0]
    number = next(n for n in range(defined - 1, 0, -1) if not is_config_block(chain[n]))
    del chain[number]
    reseal(chain, number, ledger.orderers)
    return Rule.COMMIT_HASH if number < defined - 1 else Rule.VALIDATION_CODE, number


@kind("a valid transaction recorded as invalid")
def _invalidated(ledger: Ledger, chain: Chain) -> Expected:
    block, index = middle(ledger, chain)
    flag(chain[block], index, codes.MVCC_READ_CONFLICT)
    return Rule.VALIDATION_CODE, block


@kind("an invalid transaction recorded as valid")
def _validated(_l: Ledger, chain: Chain) -> Expected:
    for block in chain[1:]:
        for index, code in enumerate(block.metadata.metadata[TRANSACTIONS_FILTER]):
            if code != codes.VALID:
                flag(block, index, codes.VALID)
                return Rule.VALIDATION_CODE, block.header.number
    raise AssertionError("the honest ledger holds no invalid transaction")


@kind("validation codes cut short")
def _flags(ledger: Ledger, chain: Chain) -> Expected:
    block, _ = middle(ledger, chain)
    flags = chain[block].metadata.metadata[TRANSACTIONS_FILTER]
    chain[block].metadata.metadata[TRANSACTIONS_FILTER] = flags[:-1]
    return Rule.VALIDATION_CODE, block


@kind("a bit of the commit hash")
def _commit(_l: Ledger, chain: Chain) -> Expected:
    chain[6].metadata.metadata[COMMIT_HASH] = flip(chain[6].metadata.metadata[COMMIT_HASH])
    return Rule.COMMIT_HASH, 6


def _changed_write(opened: Opened, namespace: str) -> None:
    def change(rwset) -> None:  # type: ignore[no-untyped-def]
        rwset.writes[0].value = rwset.writes[0].value + b"0"

    opened.rwset(change, namespace)
    opened.response.extension = opened.result.SerializeToString()
    opened.action.action.proposal_response_payload = opened.response.SerializeToString()


@kind("a write changed, all hashes and orderers' signatures repaired")
def _write(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    _changed_write(opened, ledger.chaincode)
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("a write changed and endorsed by a colluding minority")
def _minority(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    _changed_write(opened, ledger.chaincode)
    opened.endorse([ledger.peer("hospital-a"), ledger.peer("hospital-b")])
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("endorsements by one organisation twice and the regulator")
def _regulator(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    opened.endorse(
        [ledger.peer("hospital-a"), ledger.peer("hospital-a"), ledger.peer("regulator"), ledger.peer("hospital-b")]
    )
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("endorsements by clients instead of peers")
def _clients(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    opened.endorse([ledger.client(o) for o in ("hospital-a", "hospital-c", "hospital-d")])
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("a transaction's creator exchanged")
def _creator(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    replace(ledger, chain, place, opened.close(ledger.client("hospital-d")))
    return Rule.VALIDATION_CODE, place[0]


@kind("a transaction made again by a revoked certificate")
def _revoked(ledger: Ledger, chain: Chain) -> Expected:
    place = list(written(ledger, chain))[-1]
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    header = common_pb2.SignatureHeader.FromString(opened.payload.header.signature_header)
    revoked = ledger.client("hospital-b")
    header.creator = revoked.identity
    opened.payload.header.signature_header = header.SerializeToString()
    replace(ledger, chain, place, opened.close(revoked))
    return Rule.VALIDATION_CODE, place[0]


def endorsed_by_old_peer(ledger: Ledger, chain: Chain, place: tuple[int, int]) -> None:
    """Let a peer that was later revoked be one of the three endorsers that a transaction needs."""
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    opened.endorse([ledger.peer("hospital-a"), ledger.peer("hospital-b"), ledger.key("hospital-c", "users/old-peer")])
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))


@kind("an endorsement by a revoked certificate")
def _revoked_endorser(ledger: Ledger, chain: Chain) -> Expected:
    place = list(written(ledger, chain))[-1]
    endorsed_by_old_peer(ledger, chain, place)
    return Rule.VALIDATION_CODE, place[0]


@kind("a read version changed by colluding endorsers")
def _read(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])

    def change(rwset) -> None:  # type: ignore[no-untyped-def]
        rwset.reads.add(key="never written").version.block_num = 1

    opened.rwset(change, ledger.chaincode)
    opened.endorse([ledger.peer(o) for o in ("hospital-a", "hospital-b", "hospital-c")])
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("a transaction committed again in a later block")
def _replayed(ledger: Ledger, chain: Chain) -> Expected:
    places = list(written(ledger, chain))
    (first, index), last = places[len(places) // 2], places[-1]
    replace(ledger, chain, last, chain[first].data.data[index])
    return Rule.VALIDATION_CODE, last[0]


@kind("a transaction that reads nothing twice in one block, both times recorded as valid")
def _twice(ledger: Ledger, chain: Chain) -> Expected:
    def blind(place: tuple[int, int]) -> bool:
        sets = rwset_pb2.TxReadWriteSet.FromString(Opened.of(chain[place[0]].data.data[place[1]]).result.results)
        own = next(entry.rwset for entry in sets.ns_rwset if entry.namespace == ledger.chaincode)
        return not kv_rwset_pb2.KVRWSet.FromString(own).reads

    block, index = next(filter(blind, written(ledger, chain)))
    flags = chain[block].metadata.metadata[TRANSACTIONS_FILTER]
    chain[block].data.data.append(chain[block].data.data[index])
    chain[block].metadata.metadata[TRANSACTIONS_FILTER] = flags + bytes([codes.VALID])
    reseal(chain, block, ledger.orderers)
    return Rule.VALIDATION_CODE, block


@kind("a transaction of another channel")
def _channel(ledger: Ledger, chain: Chain) -> Expected:
    place = middle(ledger, chain)
    opened = Opened.of(chain[place[0]].data.data[place[1]])
    header = common_pb2.ChannelHeader.FromString(opened.payload.header.channel_header)
    header.channel_id = "elsewhere"
    opened.payload.header.channel_header = header.SerializeToString()
    replace(ledger, chain, place, opened.close(ledger.creator(opened)))
    return Rule.VALIDATION_CODE, place[0]


@kind("a transaction taken out, everything sealed again")
def _removed(ledger: Ledger, chain: Chain) -> Expected:
    place = next(p for p in written(ledger, chain) if len(chain[p[0]].data.data) > 1)
    flags = bytearray(chain[place[0]].metadata.metadata[TRANSACTIONS_FILTER])
    del chain[place[0]].data.data[place[1]], flags[place[1]]
    chain[place[0]].metadata.metadata[TRANSACTIONS_FILTER] = bytes(flags)
    reseal(chain, place[0], ledger.orderers)
    return Rule.COMMIT_HASH, place[0]
