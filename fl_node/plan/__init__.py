"""What is trained: a plan is a compiled learning process, as one file with a digest."""
