"""Evaluation of a model on a suite: the data, how they are shown to the model, and how its answers are scored."""
