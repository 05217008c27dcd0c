"""Is a model fit to be scored?"""

from physbench.audit.audit import Verdict, audit, has_passed, summarize

__all__ = ["Verdict", "audit", "has_passed", "summarize"]
