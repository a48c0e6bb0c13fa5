"""How fast it is, as ratios of paired runs: `python -m tests.benchmarks` prints the tables."""

# What tells the libraries of NumPy and PyTorch how many threads to use; they read it when they are loaded.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
