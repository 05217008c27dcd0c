"""The format of a file of weights: its header, its numbers, and the two containers."""
