"""Metrics: pure functions from truth and prediction to one number per sequence and step; sums that batches may be added
to in any order."""
