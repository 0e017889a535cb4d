"""Differential privacy: noise that nobody can tell from chance, and what a number of rounds with it gives away."""
