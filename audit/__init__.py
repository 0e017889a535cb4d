"""The regulator's side: from blocks to a verdict, believing nobody.

To read it in one go, follow a block: `wire` (bytes and hashes), `verify` (the loop over blocks), `orderers` (who signed
them), `channel` (configurations and who may change them), `msp`, `signature` and `policy` (whose signature counts),
`envelope` and `transactions` (the code that a transaction must have), `lifecycle` (the endorsement policy in force),
`mvcc` and `state` (reads and versions), `execute` and `replay` (the rules run again), `commit` (the peer's commit
hash), `models` (sums and lineage), `verdict`. Around that: `run` (a folder of blocks, going on where the last run
ended), `fetch` and `witness` (one's own peer, and others'), `blobs`, `bundle`, and the pages (`story`, `view`,
`render`, `charts`, `report`, `dashboard`). docs/audit.md says what a verdict means.
"""
