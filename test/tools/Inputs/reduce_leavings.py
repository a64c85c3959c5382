"""adze reduce with tests that leave files and processes behind, and ended by a signal.

Arguments: adze, model, folder.
"""
import os
import shutil
import signal
import subprocess
import sys
import time

adze, model, folder = sys.argv[1:]
shutil.rmtree(folder, ignore_errors=True)
os.makedirs(folder)
env = dict(os.environ, TMPDIR=folder)


def reduce(test, env=env):
    return subprocess.Popen([adze, "reduce", model, "--test=" + test, "--max-tests=3"], env=env,
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def is_gone(path):
    """The process whose number the file holds ends within some seconds."""
    pid = int(open(path).read())
    for _ in range(100):
        try:
            state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


pid_file = folder + ".pid"
search = reduce(f"sleep 600 & echo $! > {pid_file}; touch %s.more; rm %s; mkdir %s; true #")
search.communicate()
assert search.returncode == 0, search.returncode
assert is_gone(pid_file) and not os.listdir(folder), os.listdir(folder)

os.unlink(pid_file)
search = reduce(f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; sleep 600 #")
while not os.path.exists(pid_file):
    time.sleep(0.05)
search.send_signal(signal.SIGTERM)
search.communicate()
assert search.returncode == -signal.SIGTERM, search.returncode
assert is_gone(pid_file) and not os.listdir(folder), os.listdir(folder)
os.unlink(pid_file)

search = reduce("true", dict(env, TMPDIR=folder + " '"))
_, said = search.communicate()
assert search.returncode == 1 and "as one word" in said and said.count("\n") == 1, said
print("nothing is left")
