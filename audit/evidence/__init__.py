"""Blocks and blobs as they are fetched and kept for the audit."""
