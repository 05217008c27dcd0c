"""A campaign of training: a table of what is to be trained, and the work that goes through it in pieces."""
