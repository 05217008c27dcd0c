"""Physics without learning: discs are found in frames and followed by the laws of the box."""
