"""The suite of both worlds."""

from physbench.suites import Rollout, Still, Suite, Task, Window

SQUARES = Suite(
    name="squares",
    version=1,
    about="a square that is walked about, and who owns the pixels of pictures",
    tasks=(
        Task("walk", (Window(12), Rollout(4, 6))),
        Task("squares", (Still(0, shown=3),)),
    ),
    ranked_by=("walk", "centre_error"),
    references=("copy", "push"),
)
