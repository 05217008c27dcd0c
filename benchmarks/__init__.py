"""Benchmarks for the statements about speed in the README.

`python -m benchmarks` answers all questions in one run and writes docs/benchmarks.md.
"""
