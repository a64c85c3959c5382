"""Every kind of plug-in that is refused: one clear line, status 1, and none of its code runs.

Called by plugin-refused.test with the compiler, the source folder, the adze binary and a scratch folder.
"""
import os
import struct
import subprocess
import sys

cc, src, adze, folder = sys.argv[1:5]
os.makedirs(folder, exist_ok=True)
source = os.path.join(src, "test/passes/Inputs/plugin.c")
includes = [f"-I{src}/{d}/include" for d in ("ir", "passes", "runtime/abi")]
mark = os.path.join(folder, "mark")
failed = passed = 0


def build(name, *flags):
    path = os.path.join(folder, name + ".so")
    subprocess.run([cc, "-std=c17", "-shared", "-fPIC", *includes, *flags, source, "-o", path], check=True)
    return path


def refuse(case, plugins, wanted, runs=False, n_lines=1):
    """Loads the plug-ins; the last must be refused with `wanted` in the one line of the message, before any of its
    code runs unless `runs`. A message that quotes a text has three lines."""
    global failed, passed
    if os.path.exists(mark):
        os.remove(mark)
    env = dict(os.environ, MARK=mark)
    if len(plugins) > 1 or runs:
        env.pop("MARK")
    done = subprocess.run([adze, "opt", *[f"--plugin={p}" for p in plugins], "--list-passes"], env=env,
                          capture_output=True, text=True, timeout=60)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    ok = done.returncode == 1 and len(lines) == n_lines and wanted in lines[0]
    ok = ok and not os.path.exists(mark)
    passed += ok
    failed += not ok
    if not ok:
        print(f"FAILED {case}: status {done.returncode}, code ran: {os.path.exists(mark)}\n{done.stderr}")


good = build("good")
data = open(good, "rb").read()


def broken(name, new):
    path = os.path.join(folder, name + ".so")
    with open(path, "wb") as file:
        file.write(new)
    return path


def patched(name, offset, new):
    return broken(name, data[:offset] + new + data[offset + len(new):])


subprocess.run([adze, "opt", f"--plugin={good}", "--list-passes"], env=dict(os.environ, MARK=mark), check=True,
               stdout=subprocess.DEVNULL)
if not os.path.exists(mark):
    print("FAILED: the constructor of the good plug-in leaves no mark, so this test shows nothing")
    failed += 1

refuse("no file", [os.path.join(folder, "nowhere.so")], "cannot read")
refuse("folder", [folder], "cannot read")
refuse("empty", [broken("empty", b"")], "not an ELF file")
refuse("text", [broken("text", b"#!/bin/sh\n" * 100)], "not an ELF file")
refuse("32 bits", [patched("class", 4, b"\1")], "not a 64-bit little-endian ELF file")
refuse("big endian", [patched("endian", 5, b"\2")], "not a 64-bit little-endian ELF file")
refuse("machine", [patched("machine", 18, struct.pack("<H", 0xF3))], "built for another machine")
refuse("executable", [patched("type", 16, struct.pack("<H", 2))], "not a shared object")
refuse("no symbol", [build("symbol", "-DSYMBOL=adze_another")], "exports no adze_plugin_descriptor")
refuse("hidden symbol", [build("hidden", "-DSYMBOL=adze_plugin_descriptor", "-Wl,--exclude-libs,ALL",
                               "-Wl,--version-script=" + broken("script", b"{ local: *; };"))],
       "exports no adze_plugin_descriptor")
refuse("magic", [build("magic", "-DMAGIC=1")], "bad magic number")
refuse("older ABI", [build("abi0", "-DABI=0")], "speaks ABI 0, this Adze speaks 1")
refuse("newer ABI", [build("abi99", "-DABI=99")], "speaks ABI 99, this Adze speaks 1")
refuse("short struct", [build("short", "-DSIZE=16")], "its descriptor has 16 bytes, expected at least")
refuse("same file twice", [good, good], "the plug-in name 'demo' is taken")
refuse("plug-in name", [good, build("name", "-DPASS=\"other\"", "-DOP=\"other\"")],
       "the plug-in name 'demo' is taken")
refuse("built-in name", [build("builtin", "-DNAME=\"builtin\"")], "the plug-in name 'builtin' is taken")
refuse("pass name", [build("pass", "-DPASS=\"dce\"")], "the pass name 'dce' is taken")
refuse("op name", [build("op", "-DOP=\"relu\"")], "the op name 'relu' is taken")
refuse("rule set name", [good, build("set", "-DNAME=\"demo\"", "-DPASS=\"other\"", "-DOP=\"other\"")], "is taken")

# A pipe without a writer would wait for one.
for name in ("pipe.so", "pipe.rules"):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        os.mkfifo(path)
    refuse(name, [path], "it is no regular file")

# What only the loaded plug-in can tell.
refuse("op row", [build("row", "-DIN_MAX=0")], "op 'demo_twice': the row wants more operands than it allows", runs=True)
refuse("start", [build("start", '-DSTART="no licence file"')],
       "plug-in 'demo': pass 'demo-exp' cannot start: no licence file", runs=True)
refuse("rule", [build("rule", '-DRULES="rule nothing"')], "demo-rules.rules:1:13: error: expected EXACT or FAST",
       runs=True, n_lines=3)
subprocess.run([adze, "opt", f"--plugin={build('starts', '-DSTART=' + chr(34) * 2)}", "--list-passes"], check=True,
               stdout=subprocess.DEVNULL)

# Cut at every 64th byte: refused, or loaded where only what nobody needs is gone, never a crash.
for cut in range(0, len(data), 64):
    path = broken("cut", data[:cut])
    done = subprocess.run([adze, "opt", f"--plugin={path}", "--list-passes"], capture_output=True, text=True,
                          timeout=60)
    ok = done.returncode in (0, 1)
    passed += ok
    failed += not ok
    if not ok:
        print(f"FAILED cut at {cut}: status {done.returncode}\n{done.stderr}")

print(f"{passed} passed, {failed} failed, 0 skipped")
sys.exit(failed > 0)
