"""Engines nobody here wrote, to hold ours against."""
