"""A participant's own rows: schema, reading, the train/hold-out split, the profile for vetting."""
