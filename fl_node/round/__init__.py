"""One attempt of a round, from what is due to what is revealed: the node's side of `chaincode/round`."""
