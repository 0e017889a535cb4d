"""Checks of a node's surroundings, for the operator before and while it runs."""
