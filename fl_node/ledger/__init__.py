"""The channel as a node sees it: typed records, and a client that submits and queries."""
