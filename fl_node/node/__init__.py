"""The daemon: what a node holds open, its settings, its start and its figures."""
