"""Participants that send what they should not, as programs, and a small federation in one process for them."""
