"""How weights lie in a file: their header, their numbers, and the two containers of both."""
