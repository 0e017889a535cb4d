"""The consortium: its definition, its identities, and two ways to run it."""
