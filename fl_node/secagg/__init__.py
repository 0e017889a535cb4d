"""Secure aggregation on the participant's side, without I/O (Bonawitz et al., CCS 2017, double masking).

The steps, in the order a round uses them: `session` (what everything is bound to), `keys`, `shamir`, `merkle`,
`shares` and `seal` (dealing), `layout` and `masks` (the update), `survivors` (what a node refuses to reveal),
`participant` (the state machine over them), `unmask` (the aggregator).
Its Go twin, which endorsers run, is chaincode/secagg and chaincode/aggregate; tests/vectors holds what both agree on.

T1 to T28 name the threats of docs/threat-model.md.

Secure aggregation hides single updates, not what their sum says: it is not differential privacy.
"""
