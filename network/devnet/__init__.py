"""devnet: peers and an ordering service that speak Hyperledger Fabric's own protocols, one process each.

Nothing to install but this project. See docs/decisions/0002-devnet.md for what it does and does not do.
"""
