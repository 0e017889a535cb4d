# pragma version ~=0.4.3
# pragma evm-version cancun
# @title Passports of the models that one consortium released
# @license Apache-2.0
# Knows the organisations' P-256 keys. Whatever changes anything here carries signatures of more than half of them over a SHA-256
# digest that names this chain, this contract and this set of keys (epoch), so that none counts anywhere else. Anybody may send it.
# The precompile P256VERIFY (EIP-7951; RIP-7212) checks signatures.

P256VERIFY: constant(address) = 0x0000000000000000000000000000000000000100
# Half of the curve's order: of the two forms of a signature only that with the lower s counts.
HALF_ORDER: constant(uint256) = 57896044605178124381348723474703786764998477612067880171211129530534256022184
MOST: constant(uint256) = 32
ANCHOR: constant(bytes32) = sha256("fedledger/v1/evm-anchor")
WITHDRAW: constant(bytes32) = sha256("fedledger/v1/evm-withdraw")
ROTATE: constant(bytes32) = sha256("fedledger/v1/evm-rotate")

event Anchored:
    passport: indexed(bytes32)
    state: indexed(bytes32)
    lineage: bytes32
    round: uint256

event Withdrawn:
    passport: indexed(bytes32)

event KeysChanged:
    epoch: uint256

# Coordinates of each organisation's key, in ascending order of x.
keys: public(DynArray[bytes32[2], MOST])
# Counts the changes of keys.
epoch: public(uint256)
# Passport (SHA-256 of its statement) -> digest of state, lineage and round; empty where it is not anchored.
anchors: public(HashMap[bytes32, bytes32])
withdrawn: public(HashMap[bytes32, bool])

@deploy
def __init__(keys: DynArray[bytes32[2], MOST]):
    self._take(keys)

@external
@view
def count() -> uint256:
    return len(self.keys)

@external
@view
def majority() -> uint256:
    return len(self.keys) // 2 + 1

# Whether a passport is anchored with just this state, lineage root and round: 0 no, 1 yes, 2 yes and withdrawn since.
@external
@view
def status(passport: bytes32, state: bytes32, lineage: bytes32, round: uint256) -> uint256:
    if self.anchors[passport] != keccak256(concat(state, lineage, convert(round, bytes32))):
        return 0
    return 2 if self.withdrawn[passport] else 1

@external
def anchor(
    passport: bytes32, state: bytes32, lineage: bytes32, round: uint256,
    signers: DynArray[uint256, MOST], signatures: DynArray[bytes32[2], MOST],
):
    assert self.anchors[passport] == empty(bytes32), "anchored"
    digest: bytes32 = sha256(concat(
        ANCHOR, convert(chain.id, bytes32), convert(self, bytes32), convert(self.epoch, bytes32),
        passport, state, lineage, convert(round, bytes32),
    ))
    self._check(digest, signers, signatures)
    self.anchors[passport] = keccak256(concat(state, lineage, convert(round, bytes32)))
    log Anchored(passport=passport, state=state, lineage=lineage, round=round)

@external
def withdraw(passport: bytes32, signers: DynArray[uint256, MOST], signatures: DynArray[bytes32[2], MOST]):
    assert self.anchors[passport] != empty(bytes32), "not anchored"
    assert not self.withdrawn[passport], "withdrawn"
    digest: bytes32 = sha256(concat(
        WITHDRAW, convert(chain.id, bytes32), convert(self, bytes32), convert(self.epoch, bytes32), passport,
    ))
    self._check(digest, signers, signatures)
    self.withdrawn[passport] = True
    log Withdrawn(passport=passport)

@external
def rotate(
    keys: DynArray[bytes32[2], MOST], signers: DynArray[uint256, MOST], signatures: DynArray[bytes32[2], MOST],
):
    # The digest of all keys is chained, x and y of each after the digest so far.
    chained: bytes32 = convert(len(keys), bytes32)
    for key: bytes32[2] in keys:
        chained = sha256(concat(chained, key[0], key[1]))
    digest: bytes32 = sha256(concat(
        ROTATE, convert(chain.id, bytes32), convert(self, bytes32), convert(self.epoch, bytes32), chained,
    ))
    self._check(digest, signers, signatures)
    self._take(keys)
    self.epoch += 1
    log KeysChanged(epoch=self.epoch)

# Takes keys in ascending order of x, so that no organisation has two places with one key.
@internal
def _take(keys: DynArray[bytes32[2], MOST]):
    assert len(keys) > 0, "no keys"
    last: uint256 = 0
    for key: bytes32[2] in keys:
        assert convert(key[0], uint256) > last, "order"
        last = convert(key[0], uint256)
    self.keys = keys

# Refuses unless more than half of the keys signed the digest, each once, in ascending order of their places.
@internal
@view
def _check(digest: bytes32, signers: DynArray[uint256, MOST], signatures: DynArray[bytes32[2], MOST]):
    assert len(signers) == len(signatures) and len(signers) > len(self.keys) // 2, "majority"
    following: uint256 = 0
    for i: uint256 in range(len(signers), bound=MOST):
        place: uint256 = signers[i]
        assert place >= following and place < len(self.keys), "signer"
        following = place + 1
        assert convert(signatures[i][1], uint256) <= HALF_ORDER, "high s"
        key: bytes32[2] = self.keys[place]
        answer: Bytes[32] = raw_call(
            P256VERIFY, concat(digest, signatures[i][0], signatures[i][1], key[0], key[1]),
            max_outsize=32, is_static_call=True,
        )
        assert len(answer) == 32 and convert(answer, uint256) == 1, "signature"
