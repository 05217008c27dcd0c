"""Space Invaders with its ground truth: the owner of each pixel and what hits what.

The truth is read from the memory of the console and from its screen of palette indices.
"""
