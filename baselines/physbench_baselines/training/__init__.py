"""Training: one loop for any network with a `loss`, and a folder for each run.

A run that is killed can be resumed, and goes on as if it had not been killed.
"""
