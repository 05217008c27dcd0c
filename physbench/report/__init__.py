"""A result to look at: one page with the scores, curves, and the sequences that a model is worst at."""

from physbench.report.gallery import Strip, gallery
from physbench.report.page import write_report

__all__ = ["Strip", "gallery", "write_report"]
