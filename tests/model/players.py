"""The participants of one attempt, honest and not, with the real secure aggregation of `fl_node.secagg`."""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fl_node.secagg.dealing import own_masks
from fl_node.secagg.keys import PublicKeys, Secrets, seed_commitment
from fl_node.secagg.layout import Layout
from fl_node.secagg.masks import apply_masks
from fl_node.secagg.merkle import Tree
from fl_node.secagg.seal import bundle_bytes
from fl_node.secagg.session import Session
from fl_node.secagg.shamir import SHARE_BYTES, Entropy
from fl_node.secagg.shares import KINDS, Dealt, deal, proof, share_leaf

SLOTS = 3
FIELDS: dict[str, Any] = {
    "version": 1,
    "segments": [
        {"name": "v", "kind": "value", "word": 32, "ring": 32, "max": 65535, "slots": SLOTS},
        {"name": "n", "kind": "count", "word": 64, "ring": 64, "max": 1_000_000, "slots": 1},
        {"name": "one", "kind": "one", "word": 64, "ring": 64, "max": 1, "slots": 1},
    ],
    "count": {"segment": "n", "numerator": 1, "denominator": 1},
}
for _segment in FIELDS["segments"]:
    _segment |= {"path": [], "shape": [_segment["slots"]], "dtype": f"int{_segment['word']}"}
LAYOUT = Layout.from_fields(FIELDS)
EXAMPLES = 100
BARREN = 65_535
"""A first value, within its range, of which the plan of this model makes no next state."""


def entropy(*names: object) -> Entropy:
    """Return a source of bytes that a test can run again."""
    counter = 0

    def draw(size: int) -> bytes:
        nonlocal counter
        counter += 1
        return hashlib.shake_256(repr((names, counter)).encode()).digest(size)

    return draw


def digest(text: str) -> str:
    """Return a made-up digest."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Player:
    """A member of a cohort: its secrets, what it dealt, and the plain vector that its update adds to the sum."""

    name: str
    secrets: Secrets
    dealt: dict[str, Dealt] = field(default_factory=dict)
    root: bytes = b""
    sealed: str = ""
    spoiled: set[tuple[str, str]] = field(default_factory=set)  # (receiver, kind): under the root, but no true share
    unsealed: set[str] = field(default_factory=set)  # receivers that cannot open what it sealed for them
    plain: bytearray = field(default_factory=bytearray)


@dataclass
class Laid:
    """Keys that a member laid ready for the next attempt; without secrets they are not its own to use."""

    secrets: Secrets | None
    keys: dict[str, str]

    @classmethod
    def drawn(cls, *names: object) -> "Laid":
        """Draw some."""
        secrets = Secrets.fresh(entropy("laid", *names))
        return cls(secrets, {"seal_key": secrets.public.seal.hex(), "mask_key": secrets.public.mask.hex()})


class Cohort:
    """The players of one attempt. Ledger facts (U1, U2, survivors) are given to each step by the caller."""

    def __init__(self, session: Session, laid: Mapping[str, Secrets | None] | None = None) -> None:
        self.session = session
        self.players = {name: self._player(name, (laid or {}).get(name)) for name in session.cohort}

    def _player(self, name: str, laid: Secrets | None) -> Player:
        return Player(name, laid or Secrets.fresh(entropy(self.session.digest, name)))

    def keys(self, name: str) -> dict[str, str]:
        """Return the keys of PublishKeys."""
        public = self.players[name].secrets.public
        return {"seal_key": public.seal.hex(), "mask_key": public.mask.hex()}

    def deal(self, name: str, members: tuple[str, ...], spoil: Iterable[tuple[str, str]] = ()) -> dict[str, str]:
        """Deal to U1 and return the commitments of CommitShares; a spoiled share is under the root and wrong."""
        player, secrets = self.players[name], self.players[name].secrets
        source = entropy(self.session.digest, name, "deal")
        player.root, player.dealt = deal(self.session, name, members, secrets.mask.secret, secrets.seed, source)
        player.spoiled = {(to, kind) for to, kind in spoil if to in members}
        if player.spoiled:
            self._spoil(player, members)
        return {
            "seed_commitment": seed_commitment(self.session.digest, name, secrets.seed).hex(),
            "shares_root": player.root.hex(),
        }

    def _spoil(self, player: Player, members: tuple[str, ...]) -> None:
        for to, kind in sorted(player.spoiled):
            old = player.dealt[to]
            wrong = bytes(2) + hashlib.shake_256(old.mask + kind.encode()).digest(SHARE_BYTES - 2)
            mask, seed = (wrong, old.seed) if kind == "mask" else (old.mask, wrong)
            player.dealt[to] = Dealt(mask, seed, ())
        leaves = [
            share_leaf(self.session.digest, player.name, to, kind, player.dealt[to].value(kind))
            for to in members
            for kind in KINDS
        ]
        tree = Tree(leaves)
        player.root = tree.root
        for place, to in enumerate(members):
            player.dealt[to] = Dealt(player.dealt[to].mask, player.dealt[to].seed, tree.path(2 * place)[1:])

    def bundle(self, name: str, members: tuple[str, ...]) -> bytes:
        """Return a bundle of the right length; the players hand shares over without opening it."""
        return hashlib.shake_256(self.session.digest + name.encode()).digest(bundle_bytes(len(members)))

    def mask(self, name: str, members: tuple[str, ...], shared: tuple[str, ...], plain: bytearray) -> bytes:
        """Mask a plain vector for U2; remember what it adds to the sum."""
        player = self.players[name]
        player.plain = bytearray(plain)
        keys = {other: self._public(other) for other in members}
        vector = bytearray(plain)
        apply_masks(vector, LAYOUT, own_masks(self.session, name, player.secrets, keys, shared))
        return bytes(vector)

    def _public(self, name: str) -> PublicKeys:
        return self.players[name].secrets.public

    def reveal(self, receiver: str, dealer: str, kind: str) -> dict[str, Any]:
        """Return one offered share of RevealShares."""
        dealt, which = self.players[dealer].dealt[receiver], "mask" if kind == "mask" else "seed"
        path = proof(self.session, dealer, receiver, "mask" if which == "mask" else "seed", dealt)
        value = dealt.mask if which == "mask" else dealt.seed
        return {"dealer": dealer, "kind": which, "value": value.hex(), "proof": [one.hex() for one in path]}

    def answer(self, dealer: str, to: str) -> dict[str, Any]:
        """Return what answers a complaint."""
        dealt = self.players[dealer].dealt[to]
        return {"to": to, "mask": dealt.mask.hex(), "seed": dealt.seed.hex(), "path": [one.hex() for one in dealt.path]}

    def total(self, survivors: Collection[str]) -> bytes:
        """Return the exact sum of the survivors' plain vectors, word by word: integers, no masks."""
        total = bytearray(LAYOUT.length)
        for segment in LAYOUT.segments:
            size = segment.word // 8
            for at in range(segment.start, segment.end, size):
                words = (int.from_bytes(self.players[name].plain[at : at + size], "little") for name in survivors)
                total[at : at + size] = (sum(words) % (1 << segment.word)).to_bytes(size, "little")
        return bytes(total)


def plain_vector(values: list[int], examples: int = EXAMPLES, one: int = 1) -> bytearray:
    """Pack a vector; what is out of range is an adversary's."""
    vector = bytearray(LAYOUT.length)
    for segment in LAYOUT.segments:
        words = {"v": values, "n": [examples], "one": [one]}[segment.name]
        for slot, word in enumerate(words):
            at, size = segment.start + slot * segment.word // 8, segment.word // 8
            vector[at : at + size] = word.to_bytes(size, "little")
    return vector


def in_range(total: bytes, survivors: int) -> bool:
    """Say whether a sum is one that honest vectors can have."""
    for segment in LAYOUT.segments:
        most, size = segment.maximum * survivors, segment.word // 8
        least = most if segment.kind == "one" else 0
        for at in range(segment.start, segment.end, size):
            if not least <= int.from_bytes(total[at : at + size], "little") <= most:
                return False
    return True
