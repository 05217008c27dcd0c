"""Images with objects, as sequences of one frame: sprites, tetrominoes, shapes."""
