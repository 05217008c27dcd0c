"""Streams of batches that are made while they are used, without a file."""

from physbench.stream.stream import Stream, stream

__all__ = ["Stream", "stream"]
