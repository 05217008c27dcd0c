"""A model on a suite: the data shown, the window it is shown through, and what its answers are worth."""
