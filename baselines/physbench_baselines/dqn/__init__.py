"""The agent that plays Space Invaders: a deep Q-network, its training, and its play.

Nothing here loads PyTorch before it is used.
"""
