"""Writes the one C program of a page to a file: page_program.py PAGE OUT.c"""
import re
import sys

programs = re.findall(r"^```c\n(.*?)^```$", open(sys.argv[1]).read(), re.M | re.S)
assert len(programs) == 1, f"{sys.argv[1]} has {len(programs)} programs"
open(sys.argv[2], "w").write(programs[0])
