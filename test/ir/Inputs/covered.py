"""covered.py OPS.DEF TEST...: every tensor op of the table stands in some test; prints those that do not."""
import re
import sys

rows = re.findall(r"^(?:OP|BODY)\((\w+),", open(sys.argv[1]).read(), re.M)
tests = "".join(open(path).read() for path in sys.argv[2:])
missing = [row for row in rows if not re.search(rf"= {row}\(", tests)]
print(f"{len(rows)} rows, without a test: {' '.join(missing) or 'none'}")
sys.exit(len(rows) < 100 or bool(missing))
