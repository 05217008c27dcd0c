from physbench.cli import main

main(prog_name="physbench")
