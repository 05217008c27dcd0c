"""The command line, as `python -m physbench`."""

from physbench.cli import main

main(prog_name="physbench")
