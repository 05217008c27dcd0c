"""What every Atari world shares: the console, the policies that play on it, the sittings that are recorded, and their
tapes."""
