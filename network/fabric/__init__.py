"""Real Hyperledger Fabric as local processes: orderers, a peer for each organisation, chaincode as a service."""
