"""What the README says about speed, measured: `python -m benchmarks` asks every question in one run and writes
docs/benchmarks.md."""
