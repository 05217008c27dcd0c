"""Audits, which check whether a model can be scored fairly."""

from physbench.audit.audit import Verdict, audit, has_passed, summarize

__all__ = ["Verdict", "audit", "has_passed", "summarize"]
