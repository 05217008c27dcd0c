"""Metrics: pure functions from ground truth and prediction to one number per sequence and step.

Figures are ratios of sums, so batches can be added in any order.
"""
