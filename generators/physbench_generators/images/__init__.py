"""Images with objects, stored as sequences of one frame: sprites, tetrominoes, shapes."""
