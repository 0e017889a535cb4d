"""Signature policies as Fabric's commands write them: OR('Org1MSP.member', OutOf(2, 'Org2MSP.peer', …)).

Source of the language: common/policydsl/policyparser.go.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

TOKEN = re.compile(r"\s*(?:'([^']*)'|\"([^\"]*)\"|([A-Za-z]+)|(\d+)|([(),]))")
PRINCIPAL = re.compile(r"([A-Za-z0-9.-]+)\.(admin|member|client|peer|orderer)")


def parse_policy(text: str) -> Any:
    """Return the SignaturePolicyEnvelope that a policy's text describes.

    Raises:
        ValueError: it is no policy; the message says where.
    """
    reader = _Reader(text)
    rule = reader.rule()
    reader.expect_end()
    return policies_pb2.SignaturePolicyEnvelope(rule=rule, identities=reader.principals())


@dataclass
class _Reader:
    """Reads a text from its beginning; `found` are the principals by their order."""

    text: str
    place: int = 0
    found: dict[str, int] = field(default_factory=dict)

    def rule(self) -> Any:
        quoted, word, number, sign = self._token()
        if quoted is not None:
            return policies_pb2.SignaturePolicy(signed_by=self._signer(quoted))
        kind = (word or "").lower()
        if kind not in {"and", "or", "outof"}:
            raise self._error(f"AND, OR, OutOf or a quoted principal, not {word or number or sign or 'the end'}")
        self._expect("(")
        needed = self._number() if kind == "outof" else None
        rules = self._rules()
        if needed is None:
            needed = len(rules) if kind == "and" else 1
        if not 0 <= needed <= len(rules) + 1:
            raise self._error(f"a number up to {len(rules)}, not {needed}")
        return policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=needed, rules=rules))

    def _number(self) -> int:
        quoted, _, number, _ = self._token()
        text = number or quoted or ""
        if not text.isdigit():
            raise self._error("a number")
        self._expect(",")
        return int(text)

    def _rules(self) -> list[Any]:
        rules = [self.rule()]
        while (sign := self._token()[3]) == ",":
            rules.append(self.rule())
        if sign != ")":
            raise self._error("a comma or )")
        return rules

    def _signer(self, principal: str) -> int:
        if not PRINCIPAL.fullmatch(principal):
            raise self._error(f"'MSPID.role' with a role of Fabric, not '{principal}'")
        return self.found.setdefault(principal, len(self.found))

    def principals(self) -> list[Any]:
        """Return what was named, each once, in the order of its first place."""
        return [_principal(*name.rsplit(".", 1)) for name in self.found]

    def expect_end(self) -> None:
        if self.text[self.place :].strip():
            raise self._error("the end")

    def _expect(self, sign: str) -> None:
        if self._token()[3] != sign:
            raise self._error(sign)

    def _token(self) -> tuple[str | None, str | None, str | None, str | None]:
        match = TOKEN.match(self.text, self.place)
        if match is None:
            return None, None, None, None
        self.place = match.end()
        single, double, word, number, sign = match.groups()
        return single if single is not None else double, word, number, sign

    def _error(self, expected: str) -> ValueError:
        return ValueError(f"a policy has {expected} before place {self.place} of {self.text!r}")


def _principal(msp_id: str, role: str) -> Any:
    kind = msp_principal_pb2.MSPRole.MSPRoleType.Value(role.upper())
    value = msp_principal_pb2.MSPRole(msp_identifier=msp_id, role=kind)
    return msp_principal_pb2.MSPPrincipal(
        principal_classification=msp_principal_pb2.MSPPrincipal.ROLE, principal=value.SerializeToString()
    )
