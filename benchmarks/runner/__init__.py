"""Runs the benchmarks of this folder, one turn of each after the other, and sets their medians beside the goals."""
