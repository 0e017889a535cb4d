"""A participant of the federation: plans, data, secure aggregation, the node daemon and its commands."""
