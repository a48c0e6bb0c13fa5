"""How fast it is, as ratios of paired runs: `python -m tests.benchmarks` prints the tables."""
