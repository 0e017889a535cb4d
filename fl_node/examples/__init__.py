"""Two plans to read and run, and the data for them."""
