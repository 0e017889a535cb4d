"""Real Hyperledger Fabric as local processes: BFT orderers, a peer for each organisation, chaincode as a service."""
