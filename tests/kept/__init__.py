"""Ledgers of earlier versions of the rules, which must replay for ever: README.md."""
