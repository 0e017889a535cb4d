"""One attempt of a round, from what is due to what is revealed: the node's side of `chaincode/round`.

The order to read it in: `duty` (what is due, a pure function), `effects`, `loop` (asks again and again), `carry_out`
(one deed for each effect), `attempts` and `masking` (one attempt), `checks` and `known` (what the node refuses),
`witnesses` (what other peers say), `placing`, `unmasking`, `proposing`, `settling`.

T1 to T28 name the threats of docs/threat-model.md.
"""
