"""Code that all Atari worlds share: the console, the policies that play, the recorded sittings, and their tapes."""
