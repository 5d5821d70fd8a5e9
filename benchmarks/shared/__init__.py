"""What several benchmarks share: the line that is one figure, and the simulated series."""
