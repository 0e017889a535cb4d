"""An organisation's backup: what goes into the file, how it is sealed, and how it comes back (docs/decisions/0021)."""
