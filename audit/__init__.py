"""Audit: from raw blocks to a verdict, a report and evidence, trusting nothing but a pinned genesis block."""
