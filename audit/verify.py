"""Blocks in, verdict out: every rule that a regulator can check without trusting anybody's word."""

from collections import Counter
from hashlib import sha256

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.channel import ChannelConfig, ConfigError, authorised_update, genesis_config, parse_config
from audit.commit import commit_hash
from audit.mvcc import read_conflict
from audit.orderers import OrdererError, check_signatures, last_config
from audit.replay import Replayer, expected_writes
from audit.state import State
from audit.transactions import Checked, check_transaction
from audit.verdict import Record, Rule, Verdict
from audit.wire import (
    COMMIT_HASH,
    CONFIG,
    TRANSACTIONS_FILTER,
    WireError,
    data_hash,
    decode,
    header_hash,
    metadata,
    parse_transaction,
)

VALID = codes.VALID
CHECKPOINT_EVERY = 200
"""Blocks between two points that a later run can start from."""


class Auditor:
    """Checks a chain block by block; the state file remembers where it stands."""

    def __init__(
        self, state: State, *, chaincode: str = "fedledger", pinned: str | None = None, replayer: Replayer | None = None
    ) -> None:
        self._state, self._chaincode, self._pinned, self._replayer = state, chaincode, pinned, replayer
        self.record = Record(state)
        self.height: int = state.recall("height", 0)
        self._previous = bytes.fromhex(state.recall("last_hash", ""))
        self._commit = bytes.fromhex(state.recall("commit_hash", ""))
        self._transactions: int = state.recall("transactions", 0)
        self._config_block: int = state.recall("config_block", 0)
        self._config = self._recall_config()
        self.broken = bool(state.recall("broken", default=False))

    def _recall_config(self) -> ChannelConfig | None:
        raw = self._state.recall("config")
        if raw is None:
            return None
        return ChannelConfig(raw[0], parse_config(bytes.fromhex(raw[1])).config)

    def feed(self, block: common_pb2.Block) -> None:
        """Check the next block; a block that breaks the chain stops the audit there (`broken`)."""
        number = block.header.number
        try:
            if not self._chained(block):
                self._stop()
                return
            if number == 0:
                self._genesis(block)
            else:
                self._signed(block)
                self._contents(block)
        except WireError as error:
            self.record.fail(Rule.FORMAT, number, str(error))
            self._stop()
            return
        self._previous = header_hash(block.header)
        self.height = number + 1
        if self.height % CHECKPOINT_EVERY == 0:
            self.save()

    def _stop(self) -> None:
        self.broken = True
        self._state.pending = {}

    def _chained(self, block: common_pb2.Block) -> bool:
        number = block.header.number
        if number != self.height:
            kind = "is repeated or out of order" if number < self.height else "comes too early"
            self.record.fail(Rule.ORDER, number, f"block {number} {kind}: block {self.height} is due")
            return False
        if number and block.header.previous_hash != self._previous:
            self.record.fail(Rule.PREVIOUS_HASH, number, f"block {number} does not name the hash of block {number - 1}")
            return False
        if block.header.data_hash != data_hash(block.data):
            self.record.fail(Rule.DATA_HASH, number, "the transactions are not those that the header was made for")
            return False
        for rule in (Rule.ORDER, Rule.PREVIOUS_HASH, Rule.DATA_HASH):
            self.record.hold(rule)
        return True

    def _genesis(self, block: common_pb2.Block) -> None:
        found = header_hash(block.header).hex()
        if self._pinned is None:
            self.record.skip(Rule.GENESIS, 0, f"no genesis hash was pinned; this chain's is {found}")
        elif found != self._pinned.lower():
            self.record.fail(Rule.GENESIS, 0, f"the genesis block's hash is {found}, not the pinned {self._pinned}")
        else:
            self.record.hold(Rule.GENESIS)
        self._config = genesis_config(block.data.data[0])
        self._state.remember("genesis_hash", found)
        self._state.remember("config", [self._config.channel, _config_bytes(block)])
        self._state.finish_block(0, [])

    def _signed(self, block: common_pb2.Block) -> None:
        assert self._config is not None
        number = block.header.number
        try:
            check_signatures(self._config, block)
            self.record.hold(Rule.ORDERER_SIGNATURES)
        except OrdererError as error:
            self.record.fail(Rule.ORDERER_SIGNATURES, number, str(error))
        expected = number if _is_config(block) else self._config_block
        if last_config(block) == expected:
            self.record.hold(Rule.LAST_CONFIG)
        else:
            self.record.fail(Rule.LAST_CONFIG, number, f"it names block {last_config(block)}, not {expected}")

    def _contents(self, block: common_pb2.Block) -> None:
        number = block.header.number
        recorded = _flags(block)
        if _is_config(block):
            computed, ids = bytes([self._configure(block)]), []
        else:
            checked = self._check_all(block)
            computed = bytes(c.code for c in checked)
            ids = [c.txid for c in checked if c.txid]
            self._compare(number, checked, recorded)
        if len(recorded) != len(computed):
            text = f"{len(recorded)} codes are recorded for {len(computed)} transactions"
            self.record.fail(Rule.VALIDATION_CODE, number, text)
        self._check_commit_hash(block, computed)
        self._state.finish_block(number, ids)
        self._transactions += len(block.data.data)

    def _configure(self, block: common_pb2.Block) -> int:
        """Check a config block against the configuration before it; from here on the new one is in force."""
        assert self._config is not None
        number = block.header.number
        envelope = parse_config(parse_transaction(0, block.data.data[0]).data)
        try:
            self._config = authorised_update(self._config, envelope)
            self.record.hold(Rule.CONFIG_UPDATE)
        except ConfigError as error:
            self.record.fail(Rule.CONFIG_UPDATE, number, str(error))
            self._config = ChannelConfig(self._config.channel, envelope.config)
        self._config_block = number
        self._state.remember("config", [self._config.channel, _config_bytes(block)])
        return int(VALID)

    def _check_all(self, block: common_pb2.Block) -> list[Checked]:
        assert self._config is not None
        checked = [check_transaction(self._state, self._config, i, raw) for i, raw in enumerate(block.data.data)]
        _mark_duplicates(checked)
        for one in checked:
            if one.code == VALID and one.action is not None:
                one.code = read_conflict(self._state, one.action)
            if one.code == VALID and one.action is not None:
                self._apply(one, block.header.number)
                self._replay(one, block.header.number)
            self._note_expiry(one, block.header.number)
        return checked

    def _apply(self, checked: Checked, number: int) -> None:
        action, transaction = checked.action, checked.transaction
        assert action is not None
        assert transaction is not None
        version = (number, transaction.index)
        for ns, rwset in action.rwsets:
            for write in rwset.writes:
                gone = write.is_delete or not write.value
                self._write((ns, "", write.key.encode()), None if gone else write.value, version)
        for ns, coll, hashed in action.hashed_rwsets:
            for entry in hashed.hashed_writes:
                gone = entry.is_delete or entry.is_purge
                self._write((ns, coll, entry.key_hash), None if gone else entry.value_hash, version)
        if checked.unchecked:
            self.record.skip(Rule.VALIDATION_CODE, number, checked.unchecked, transaction.txid)

    def _write(self, place: tuple[str, str, bytes], value: bytes | None, version: tuple[int, int]) -> None:
        self._state.write(place, None if value is None else (value, version))
        self._versions[place] = version

    _versions: dict[tuple[str, str, bytes], tuple[int, int]] = {}  # noqa: RUF012 - replaced for every block

    def _compare(self, number: int, checked: list[Checked], recorded: bytes) -> None:
        for one, code in zip(checked, recorded, strict=False):
            if one.code == code:
                self.record.hold(Rule.VALIDATION_CODE)
                continue
            text = f"recorded {_code_name(code)}, recomputed {_code_name(one.code)}"
            self.record.fail(Rule.VALIDATION_CODE, number, f"{text}: {one.reason}" if one.reason else text, one.txid)

    def _note_expiry(self, checked: Checked, number: int) -> None:
        if checked.transaction is None or checked.code != VALID:
            return
        for identity in (checked.creator, *checked.endorsers):
            if identity is not None and identity.expired_at(checked.transaction.timestamp_ms):
                text = f"{identity.msp_id} used a certificate outside its validity"
                self.record.fail(Rule.EXPIRED, number, text, checked.txid)
                return
        self.record.hold(Rule.EXPIRED)

    def _check_commit_hash(self, block: common_pb2.Block, flags: bytes) -> None:
        number = block.header.number
        recorded = metadata(block, COMMIT_HASH).value
        expected = commit_hash(flags, self._state.pending, self._versions, self._commit)
        self._versions = {}
        self._commit = expected
        if not recorded:
            self.record.skip(Rule.COMMIT_HASH, number, "the block carries no commit hash")
        elif recorded == expected:
            self.record.hold(Rule.COMMIT_HASH)
        else:
            self.record.fail(Rule.COMMIT_HASH, number, "the peer's commit hash is not the one its writes give")

    def _replay(self, checked: Checked, number: int) -> None:
        action, transaction, creator = checked.action, checked.transaction, checked.creator
        if self._replayer is None or action is None or action.chaincode != self._chaincode:
            return
        assert transaction is not None
        assert creator is not None
        answer = self._replayer.transaction(transaction, action, creator, number)
        if answer.get("error"):
            self.record.fail(Rule.REPLAY_REFUSED, number, f"the rules refuse it: {answer['error']}", transaction.txid)
            return
        self.record.hold(Rule.REPLAY_REFUSED)
        self._compare_replay(answer, checked, number)

    def _compare_replay(self, answer: dict, checked: Checked, number: int) -> None:  # type: ignore[type-arg]
        action, txid = checked.action, checked.txid
        assert action is not None
        committed, given = expected_writes(action, self._chaincode), answer["writes"]
        if committed == given:
            self.record.hold(Rule.REPLAY_WRITES)
        else:
            keys = sorted(
                {str(k) for k, v in committed if [k, v] not in given}
                | {str(k) for k, v in given if [k, v] not in committed}
            )
            self.record.fail(Rule.REPLAY_WRITES, number, f"the rules write something else at {keys[:3]}", txid)
        event = [action.event.event_name, action.event.payload] if action.event else None
        if _event(answer.get("event")) == event:
            self.record.hold(Rule.REPLAY_EVENT)
        else:
            self.record.fail(Rule.REPLAY_EVENT, number, "the rules give another event", txid)
        for what in answer.get("checked") or []:
            self.record.hold(Rule.AGGREGATE if "aggregate" in what else Rule.REPLAY_WRITES)
        for what in answer.get("unchecked") or []:
            self.record.skip(Rule.AGGREGATE, number, f"not recomputed: {what}", txid)

    def save(self) -> None:
        """Make the audit's progress durable, so that the next run starts here."""
        for name, value in (
            ("height", self.height),
            ("last_hash", self._previous.hex()),
            ("commit_hash", self._commit.hex()),
            ("transactions", self._transactions),
            ("config_block", self._config_block),
            ("broken", self.broken),
        ):
            self._state.remember(name, value)
        self.record.save()
        self._state.checkpoint()

    def verdict(self) -> Verdict:
        """Save, and return the verdict over everything read so far."""
        self.save()
        return self.record.verdict(
            channel=self._config.channel if self._config else "",
            height=self.height,
            transactions=self._transactions,
            last_hash=self._previous.hex(),
            genesis_hash=self._state.recall("genesis_hash", ""),
        )


def _is_config(block: common_pb2.Block) -> bool:
    if len(block.data.data) != 1:
        return False
    try:
        return parse_transaction(0, block.data.data[0]).kind == CONFIG
    except WireError:
        return False


def _config_bytes(block: common_pb2.Block) -> str:
    envelope = decode(common_pb2.Envelope, block.data.data[0], "envelope")
    return str(decode(common_pb2.Payload, envelope.payload, "payload").data.hex())


def _flags(block: common_pb2.Block) -> bytes:
    entries = block.metadata.metadata
    return bytes(entries[TRANSACTIONS_FILTER]) if len(entries) > TRANSACTIONS_FILTER else b""


def _mark_duplicates(checked: list[Checked]) -> None:
    """Within a block the first valid use of a transaction id counts, later ones are duplicates."""
    seen: Counter[str] = Counter()
    for one in checked:
        if one.code != VALID:
            continue
        if seen[one.txid]:
            one.code, one.reason = codes.DUPLICATE_TXID, "the block holds the transaction id twice"
        seen[one.txid] += 1


def _code_name(code: int) -> str:
    try:
        return f"{codes.TxValidationCode.Name(code)} ({code})"
    except ValueError:
        return f"unknown code {code}"


def _event(answer: list | None) -> list | None:  # type: ignore[type-arg]
    import base64  # noqa: PLC0415

    return [answer[0], base64.b64decode(answer[1])] if answer else None


def genesis_hash(block: common_pb2.Block) -> str:
    """Return the hash to pin for a chain, in hexadecimal."""
    return header_hash(block.header).hex()


def file_digest(raw: bytes) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    return sha256(raw).hexdigest()
