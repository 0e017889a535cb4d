"""Whole lives of a federation, over a running network."""
