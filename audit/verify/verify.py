"""Blocks in, verdict out: every rule that a regulator can check without trusting anybody's word."""

from hashlib import sha256
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.channel import (
    ChannelConfig,
    ConfigError,
    authorised_update,
    check_wrapping,
    genesis_config,
    parse_config,
)
from audit.fabric.commit import commit_hash
from audit.fabric.envelope import config_payload, is_config_block, parse_transaction
from audit.fabric.expiry import expire
from audit.fabric.orderers import OrdererError, check_signatures, last_config
from audit.fabric.state import State
from audit.fabric.transactions import Checked
from audit.fabric.wire import COMMIT_HASH, WireError, check_envelopes, data_hash, header_hash, metadata, recorded_flags
from audit.verify.execute import Execution
from audit.verify.replay import Replayer
from audit.verify.verdict import Finding, Record, Rule, Unchecked, Verdict

VALID = codes.VALID
CHECKPOINT_LEAST = 200
"""Blocks between two points that a later run can start from, at least: a quarter of a chain that is longer."""


class ChainError(ValueError):
    """A block does not follow the one before; `rule` says how."""

    def __init__(self, rule: Rule, text: str) -> None:
        super().__init__(text)
        self.rule = rule


def recall_config(state: State) -> ChannelConfig | None:
    """Return the channel's configuration as an audit's state holds it, None before the first block."""
    raw = state.recall("config")
    if raw is None:
        return None
    return ChannelConfig(raw[0], parse_config(bytes.fromhex(raw[1])).config)


def chained(before: bytes, raw: bytes) -> bytes:
    """Return the digest over raw blocks, b"" for none, with one block more."""
    return sha256(before + sha256(raw).digest()).digest()


def checkpoint_after(height: int) -> int:
    """Return the height at which to save next: in steps that grow with the chain, since saving reads the whole state.

    So all of them together take time in proportion to the chain, not to its square.
    """
    return height + max(CHECKPOINT_LEAST, height // 4)


class Auditor:
    """Checks a chain block by block; the state file remembers where it stands."""

    def __init__(
        self, state: State, *, chaincode: str = "fedledger", pinned: str | None = None, replayer: Replayer | None = None
    ) -> None:
        self._state, self._pinned = state, pinned.lower() if pinned is not None else None
        self.record = Record(state)
        self.chaincode = chaincode
        self._execution = Execution(state, self.record, chaincode, replayer)
        self.height: int = state.recall("height", 0)
        """How many blocks hold, from genesis on. Invariant: everything below speaks of exactly these blocks."""
        self._checkpoint_at = checkpoint_after(self.height)
        self._previous = bytes.fromhex(state.recall("last_hash", ""))
        self._blocks = bytes.fromhex(state.recall("blocks_digest", ""))
        """The digest over the raw bytes of these blocks, as `chained` makes it."""
        self._commit = bytes.fromhex(state.recall("commit_hash", ""))
        """The commit hash that a peer must have, made from recomputed codes and writes, never from recorded ones."""
        self._transactions: int = state.recall("transactions", 0)
        self._config_block: int = state.recall("config_block", 0)
        """The number of the block whose configuration is in force."""
        self._config = recall_config(state)
        self._earlier: list[Any] | None = state.recall("earlier")
        """Number and hash of a block that an earlier audit verified, where this one starts anew."""
        self.broken = False
        """Whether a block did not follow; then no later block counts."""
        state.forget("stop")

    @property
    def config(self) -> ChannelConfig:
        """The configuration in force after the last block; raises ValueError before the first."""
        if self._config is None:
            raise ValueError("no block was read yet")
        return self._config

    def feed(self, block: common_pb2.Block, raw: bytes | None = None) -> None:
        """Check the next block; a block that breaks the chain stops the audit before it (`broken`).

        `raw` holds the bytes that it was read from, None where they are those of its message.
        """
        before = (dict(self.record.held), self._config, self._config_block, self._commit, self._transactions)
        self._state.begin_block()
        try:
            self._check(block)
        except Exception as error:
            # Whatever it was, no half of the block may stay: the rules' process can fail in the middle of one.
            self.record.held, self._config, self._config_block, self._commit, self._transactions = before
            self._state.abandon_block()
            if not isinstance(error, ChainError | WireError):
                raise
            self.broken = True
            rule = error.rule if isinstance(error, ChainError) else Rule.FORMAT
            self.record.stop(rule, block.header.number, str(error))
            return
        self._previous = header_hash(block.header)
        self._blocks = chained(self._blocks, block.SerializeToString() if raw is None else raw)
        self.height = block.header.number + 1
        self._compare_earlier()
        if self.height >= self._checkpoint_at:
            self.save()

    def _check(self, block: common_pb2.Block) -> None:
        self._chained(block)
        if block.header.number == 0:
            self._genesis(block)
        else:
            self._signed(block)
            self._contents(block)

    def _compare_earlier(self) -> None:
        """Two blocks of one number, both with the orderers' signatures, are a fork that somebody made."""
        if self._earlier is None or self._earlier[0] != self.height - 1:
            return
        if self._previous.hex() != self._earlier[1]:
            text = f"an earlier audit verified another block here, with hash {self._earlier[1]}: the chain was forked"
            self.record.fail(Rule.REWRITTEN, self.height - 1, text)

    def _chained(self, block: common_pb2.Block) -> None:
        number = block.header.number
        if number != self.height:
            kind = "is repeated or out of order" if number < self.height else "comes too early"
            raise ChainError(Rule.ORDER, f"block {number} {kind}: block {self.height} is due")
        if number and block.header.previous_hash != self._previous:
            raise ChainError(Rule.PREVIOUS_HASH, f"block {number} does not name the hash of block {number - 1}")
        if block.header.data_hash != data_hash(block.data):
            raise ChainError(Rule.DATA_HASH, "the transactions are not those that the header was made for")
        try:
            check_envelopes(block)
        except WireError as error:
            raise ChainError(Rule.DATA_HASH, f"the transactions were joined or cut: {error}") from error
        for rule in (Rule.ORDER, Rule.PREVIOUS_HASH, Rule.DATA_HASH):
            self.record.hold(rule)

    def _genesis(self, block: common_pb2.Block) -> None:
        found = header_hash(block.header).hex()
        if self._pinned not in {None, found}:
            raise ChainError(Rule.GENESIS, f"the genesis block's hash is {found}, not the pinned {self._pinned}")
        self._config = genesis_config(block.data.data[0])
        self._state.remember("genesis_hash", found)
        self._state.remember("config", [self._config.channel, config_payload(block).hex()])
        self._state.finish_block(0, [])

    def _signed(self, block: common_pb2.Block) -> None:
        assert self._config is not None
        number = block.header.number
        try:
            check_signatures(self._config, block)
        except OrdererError as error:
            # Whoever made it, it is no block of this channel: nothing in it is looked at.
            raise ChainError(Rule.ORDERER_SIGNATURES, str(error)) from error
        self.record.hold(Rule.ORDERER_SIGNATURES)
        expected = number if is_config_block(block) else self._config_block
        if last_config(block) == expected:
            self.record.hold(Rule.LAST_CONFIG)
        else:
            self.record.fail(Rule.LAST_CONFIG, number, f"it names block {last_config(block)}, not {expected}")

    def _contents(self, block: common_pb2.Block) -> None:
        number = block.header.number
        recorded = recorded_flags(block)
        if is_config_block(block):
            self._configure(block)
            checked: list[Checked] = []
            computed, ids = bytes([VALID]), list[str]()
            if recorded[:1] == computed:
                self.record.hold(Rule.VALIDATION_CODE)
            else:
                self.record.fail(Rule.VALIDATION_CODE, number, "a configuration is not recorded as valid")
        else:
            assert self._config is not None
            checked = self._execution.block(self._config, block)
            computed = bytes(c.code for c in checked)
            ids = [c.txid for c in checked if c.txid]
            self._execution.compare(number, checked, recorded)
        if len(recorded) != len(computed):
            text = f"{len(recorded)} codes are recorded for {len(computed)} transactions"
            self.record.fail(Rule.VALIDATION_CODE, number, text)
        self._check_commit_hash(block, computed)
        expire(self._state, number)
        self._state.finish_block(number, ids)
        self._execution.definitions(self.config, number, checked)
        self._transactions += len(block.data.data)

    def _configure(self, block: common_pb2.Block) -> None:
        """Check a config block against the configuration before it; from here on the new one is in force."""
        assert self._config is not None
        number = block.header.number
        transaction = parse_transaction(0, block.data.data[0])
        envelope = parse_config(transaction.data)
        try:
            check_wrapping(self._config, transaction)
            self._config = authorised_update(self._config, envelope)
            self.record.hold(Rule.CONFIG_UPDATE)
        except ConfigError as error:
            self.record.fail(Rule.CONFIG_UPDATE, number, str(error))
            self._config = ChannelConfig(self._config.channel, envelope.config)
        self._config_block = number
        self._state.remember("config", [self._config.channel, config_payload(block).hex()])

    def _check_commit_hash(self, block: common_pb2.Block, flags: bytes) -> None:
        number = block.header.number
        recorded = metadata(block, COMMIT_HASH).value
        expected = commit_hash(flags, self._state.pending, self._commit)
        self._commit = expected
        if not recorded:
            self._state.remember("no_commit_hash", self._state.recall("no_commit_hash", 0) + 1)
        elif recorded == expected:
            self.record.hold(Rule.COMMIT_HASH)
        else:
            self.record.fail(Rule.COMMIT_HASH, number, "the peer's commit hash is not the one its writes give")

    def save(self) -> None:
        """Make the audit's progress durable, so that the next run starts here."""
        for name, value in (
            ("height", self.height),
            ("last_hash", self._previous.hex()),
            ("blocks_digest", self._blocks.hex()),
            ("commit_hash", self._commit.hex()),
            ("transactions", self._transactions),
            ("config_block", self._config_block),
        ):
            self._state.remember(name, value)
        self.record.save()
        self._state.checkpoint()
        self._checkpoint_at = checkpoint_after(self.height)

    def verdict(self) -> Verdict:
        """Return the verdict over everything read so far."""
        verdict = self.record.verdict(
            channel=self._config.channel if self._config else "",
            height=self.height,
            transactions=self._transactions,
            quorum=self._config.quorum if self._config else 0,
            last_hash=self._previous.hex(),
            genesis_hash=self._state.recall("genesis_hash", ""),
        )
        self._pin(verdict)
        bare = self._state.recall("no_commit_hash", 0)
        if bare:
            verdict.leave(Unchecked.NO_COMMIT_HASH, blocks=bare)
        return verdict

    def _pin(self, verdict: Verdict) -> None:
        """Compare the chain's first hash with the pinned one, on every run: an earlier run may have had no pin."""
        if not self.height:
            return
        if self._pinned is None:
            verdict.leave(Unchecked.NO_PIN, 0, hash=verdict.genesis_hash)
        elif verdict.genesis_hash != self._pinned:
            text = f"the genesis block's hash is {verdict.genesis_hash}, not the pinned {self._pinned}"
            verdict.failures.insert(0, Finding(Rule.GENESIS.value, 0, "", text))
        else:
            verdict.held_rule(Rule.GENESIS)
