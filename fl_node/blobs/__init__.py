"""Masked updates and sealed shares between the members: the service, its store and its client."""
