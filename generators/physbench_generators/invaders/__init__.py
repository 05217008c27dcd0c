"""Space Invaders with its exact truth: who owns each pixel, what hits what, read from the memory and the palette screen
of the console."""
