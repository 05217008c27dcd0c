"""Baseline models, the reference rows, and the trained weights."""
