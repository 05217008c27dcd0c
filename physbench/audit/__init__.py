"""Is a model fit to be scored?"""

from physbench.audit.audit import Verdict, audit, passed, summarize

__all__ = ["Verdict", "audit", "passed", "summarize"]
