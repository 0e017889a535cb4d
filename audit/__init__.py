"""The regulator's side: from blocks to a verdict, believing nobody.

To read it in one go, follow a block through the rooms:

- `fabric`: Fabric's own rules. `wire` (bytes and hashes), `orderers` (who signed a block), `channel` (configurations
  and who may change them), `msp`, `signature` and `policy` (whose signature counts), `envelope` and `transactions` (the
  code that a transaction must have), `lifecycle` (the endorsement policy in force), `mvcc` and `state` (reads and
  versions), `commit` (the peer's commit hash).
- `evidence`: what is fetched and kept. `fetch` (blocks from one's own peer), `blobs` (masked updates that still exist).
- `verify`: `verify` (the loop over blocks), `execute` (one block's transactions), `replay` (the federation's rules run
  again), `compare` (what was committed against what they give), `models` (lineage), `story` (what happened, for pages),
  `witness` (what others' peers hold), `verdict`, and `run` (a folder of blocks, going on where the last run ended).
- `report`: `terminal`, `report` (one page), `bundle` (evidence that stands alone), `dashboard`, and what the pages
  share: `view`, `render`, `charts`, `ai_act`.

`cli` holds the commands. A room knows only those above it in this list. docs/audit.md says what a verdict means.
"""
