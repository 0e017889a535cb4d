"""The same rounds without a ledger: one trusted process runs the rules and keeps their state in PostgreSQL."""
