"""The ways to make one vector of a cohort's updates, each in a module of its own; `choice` alone knows them by name."""
