"""What a node writes down before it acts, so that a crash at any step loses nothing."""
