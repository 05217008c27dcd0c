"""The agent that plays Space Invaders: a deep Q-network, how it is trained, and how it plays. Nothing here loads
PyTorch before it is used."""
