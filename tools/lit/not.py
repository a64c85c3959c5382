"""not.py COMMAND...: succeeds when the command fails cleanly, with exit status 1 or 2.

A signal, a sanitizer's abort or any other status is a failure: an error must be a message, never a
crash. `not.py --status=N COMMAND` asks for exactly N.
"""
import subprocess
import sys

args = sys.argv[1:]
wanted = {1, 2}
if args and args[0].startswith("--status="):
    wanted = {int(args.pop(0).split("=", 1)[1])}
status = subprocess.run(args).returncode
if status not in wanted:
    print(f"not.py: exit status {status}, wanted {sorted(wanted)}: {' '.join(args)}", file=sys.stderr)
    sys.exit(1)
