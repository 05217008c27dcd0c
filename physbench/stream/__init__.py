"""Batches without a file."""

from physbench.stream.stream import Stream, stream

__all__ = ["Stream", "stream"]
