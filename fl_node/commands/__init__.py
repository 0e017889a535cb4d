"""Commands of the node and of researchers; each module is one group of `fedledger`."""
