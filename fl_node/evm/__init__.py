"""Passports on an EVM chain: the contract PassportRegistry, and how one speaks with it (docs/passport.md)."""
