"""The whole story on one machine: a federation is founded, trains, survives a dropout and a fraud, is audited."""
