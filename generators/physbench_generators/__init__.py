"""Dataset generators. One folder is one world."""
