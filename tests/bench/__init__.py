"""Speed and cost of the daily history, measured on this machine in one run: ``python -m tests.bench``."""
