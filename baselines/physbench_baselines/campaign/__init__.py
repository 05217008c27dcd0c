"""Campaigns of training: a table of planned runs, and the work that trains them piece by piece."""
