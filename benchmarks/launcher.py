"""A small program that runs a command and prints its cost as JSON.

It is a separate, small process, because on Linux the peak memory of a child is at least that of its parent.
"""

import json
import os
import sys
import time

if __name__ == "__main__":
    began = time.perf_counter()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, nowhere, 1)])
    _, status, used = os.wait4(child, 0)
    peak = used.ru_maxrss if sys.platform == "darwin" else used.ru_maxrss * 1024
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "wall": time.perf_counter() - began, "peak": peak}))
    sys.exit(os.waitstatus_to_exitcode(status))
