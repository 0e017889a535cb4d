"""What the cases of the contract suite share: a network to run on, blocks taken apart, transactions tampered with."""
