"""For who makes plans: a first file from one's own rows, and a trial of a plan on shares of them, without a network."""
