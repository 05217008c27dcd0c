"""Dataset generators. Each folder is one world."""
