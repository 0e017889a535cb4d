"""Changes of a channel's configuration: who may make which, and which nobody may."""

from collections.abc import Callable, Iterator
from typing import Any

import base
import content_cases
from identity_cases import ROOT as STRANGER
from people import Authority, Msp, other_s, pem, serialized
from policy_cases import CERTIFICATES, policy_of
from updating import BOSSES, ENDED, GONE, OWN_LIST, Case, D, Group, Update, anchor, application_policy, made, signer


def update_cases() -> list[dict[str, Any]]:
    """Return all cases as they stand in the file."""
    return [each.as_json for each in cases()]


def cases() -> list[Case]:
    """Return all cases."""
    return [*_who(), *_signatures(), *_versions(), *_shapes(), *content_cases.cases()]


def _who() -> Iterator[Case]:
    yield made("who: a majority of admins adds an organisation", D, *BOSSES)
    yield made("who: all admins add an organisation", D, *BOSSES, "C.boss")
    yield made("who: one admin adds an organisation", D, "A.boss")
    yield made("who: nobody adds an organisation", D)
    yield made("who: the keeper of the orderer adds an organisation", D, "K.boss")
    yield made("who: clients and peers add an organisation", D, "A.user", "B.user", "C.peer0")
    yield made("who: an organisation's admin brings its revocation list", OWN_LIST, "C.boss")
    yield made("who: another's admin brings it", OWN_LIST, "A.boss")
    yield made("who: all others' admins bring it", OWN_LIST, *BOSSES)
    yield made("who: an organisation's client brings it", OWN_LIST, "C.user")
    yield made("who: an organisation's admin says where its peer answers", anchor("peer.new"), "C.boss")
    yield made("who: an organisation's admin and too few others", lambda root: (OWN_LIST(root), D(root)), "C.boss")
    yield made(
        "who: an admin changes two organisations", lambda root: (OWN_LIST(root), anchor("x", "A")(root)), "C.boss"
    )
    yield made(
        "who: the admins of both change two", lambda root: (OWN_LIST(root), anchor("x", "A")(root)), "A.boss", "C.boss"
    )
    yield made(
        "who: a majority removes an organisation", lambda root: root.groups["Application"].groups.pop("C"), *BOSSES
    )
    yield made("who: an organisation removes itself", lambda root: root.groups["Application"].groups.pop("C"), "C.boss")
    yield made("who: a majority changes a policy", application_policy("Writers", policy_of("A.member")), *BOSSES)
    yield made(
        "who: the members' admins change the root",
        lambda root: base.guard(root, "Readers", policy_of("A.member")),
        *BOSSES,
    )


def _signatures() -> Iterator[Case]:
    def with_(*signed: str | base.Signer) -> tuple[str | base.Signer, ...]:
        return ("A.boss", *signed)

    identity, make = signer("B.boss")
    text = pem(CERTIFICATES["A.boss"])
    for name, signed in {
        "the same admin twice": "A.boss",
        "the same admin, with text before its certificate": (serialized("A", b"boss\n" + text), base.makes("A.boss")),
        "one over something else": (identity, lambda message: make(message + b"\0")),
        "one with bytes behind it": (identity, lambda message: make(message) + b"\0"),
        "one with a high s": (identity, lambda message: other_s(make(message))),
        "one that is empty": (identity, lambda _: b""),
        "one whose certificate has ended": signer("C.ended", ENDED),
        "one whose certificate is revoked": signer("C.gone boss", GONE),
        "one under another's MSP id": (serialized("B", text), base.makes("A.boss")),
        "one of a stranger": (serialized("B", pem(STRANGER.issue("s", ["admin"]))), base.makes("s")),
        "one of an organisation that nobody knows": (serialized("X", text), base.makes("A.boss")),
        "one whose identity does not parse": (b"\xff", make),
        "one without identity": (b"", make),
    }.items():
        yield made(f"signatures: one admin and {name}", D, *with_(signed))
    bad = (identity, lambda message: make(message + b"\0"))
    yield made("signatures: a wrong one before two good ones", D, bad, "A.boss", "C.boss")
    broken = made("signatures: a header that does not parse", D, *BOSSES)
    broken.envelope.signatures.add(signature_header=b"\xff", signature=b"x")
    yield broken


def _versions() -> Iterator[Case]:
    def application(update: Update, part: str) -> Any:
        return getattr(update, part).groups["Application"]

    def version(part: str, number: int) -> Callable[[Update], object]:
        def change(update: Update) -> None:
            application(update, part).version = number

        return change

    def read(edit: Callable[[Any], object]) -> Callable[[Update], object]:
        return lambda update: edit(application(update, "read_set"))

    def new_version(update: Update) -> None:
        application(update, "write_set").groups["D"].version = 1

    def list_version(number: int) -> Callable[[Update], object]:
        def change(update: Update) -> None:
            application(update, "write_set").groups["C"].values["MSP"].version = number

        return change

    yield made("versions: the group was read at a later version", D, *BOSSES, raw=version("read_set", 1))
    yield made("versions: the group is written two ahead", D, *BOSSES, raw=version("write_set", 2))
    yield made("versions: the group is written at its own", D, *BOSSES, raw=version("write_set", 0))
    yield made("versions: what is new has version 1", D, *BOSSES, raw=new_version)
    for number in (0, 2, 1 << 63):
        yield made(f"versions: a value that was at 0 goes to {number}", OWN_LIST, "C.boss", raw=list_version(number))
    reads: dict[str, Callable[[Any], object]] = {
        "a value was read that is not there": lambda g: g.values["X"].SetInParent(),
        "a group was read that is not there": lambda g: g.groups["X"].SetInParent(),
        "a policy was read that is there": lambda g: g.policies["Admins"].SetInParent(),
        "a policy was read at a later version": lambda g: setattr(g.policies["Admins"], "version", 1),
    }
    for name, edit in reads.items():
        yield made(f"versions: {name}", D, *BOSSES, raw=read(edit))
    yield made("versions: nothing was read", D, *BOSSES, raw=lambda update: update.ClearField("read_set"))


def _shapes() -> Iterator[Case]:
    def nothing(_: Group) -> None:
        return None

    def hidden(update: Update) -> None:
        """Add an organisation without a new version of the group that lists it."""
        msp = Msp("D", [Authority("root of D").pem])
        group = update.write_set.groups["Application"].groups["D"]
        group.CopyFrom(base.organisation("D", msp.config, base.MEMBER))

    def unlisted(update: Update) -> None:
        """Write an organisation's list, but leave the organisation out of a group that changes."""
        del update.write_set.groups["Application"].groups["B"]

    yield made("shape: nothing changes", nothing, *BOSSES)
    yield made("shape: no write set", D, *BOSSES, raw=lambda update: update.ClearField("write_set"))
    yield made("shape: another channel", D, *BOSSES, raw=lambda update: setattr(update, "channel_id", "other"))
    yield made("shape: no channel", D, *BOSSES, raw=lambda update: setattr(update, "channel_id", ""))
    yield made(
        "shape: isolated data beside it", D, *BOSSES, raw=lambda update: update.isolated_data.update({"x": b"y"})
    )
    yield made("shape: a new group below one that keeps its version", OWN_LIST, *BOSSES, "C.boss", raw=hidden)
    yield made("shape: a changed group that leaves out one of its groups", D, *BOSSES, raw=unlisted)
    torn = made("shape: bytes that are no update", D, *BOSSES)
    torn.envelope.config_update = b"\xff"
    yield torn
    for name in ("with/slash", "with space", "", ".", "..", "ä", "x" * 250, "Upper-lower.1", "under_score"):
        yield made(f"shape: a policy called {name[:20]!r}", application_policy(name, policy_of("A.admin")), *BOSSES)
