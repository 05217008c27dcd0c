"""Dataset files: their layout, writing, reading and verification."""
