"""The dashboard: pages from state replayed out of one's own peer's blocks."""
