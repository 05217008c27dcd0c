"""Elastic discs in a box, simulated exactly."""
