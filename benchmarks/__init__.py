"""Side-by-side measurements; each module is one command, and its receipts lie in benchmarks/results/."""
