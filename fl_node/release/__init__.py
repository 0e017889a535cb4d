"""Passports of models: what a release says is checked, signed, and put together (docs/passport.md)."""
