"""Runs a group of edge cases (edges.py): compiled for levels and sizes, and each result held to the reference's."""
import os
import subprocess

import numpy as np

ADZE = os.path.join(os.environ["ADZE_BUILD_DIR"], "bin/adze")
SIZES = [(0, 3), (1, 1), (15, 17), (16, 1), (17, 16), (33, 0), (33, 5)]  # of (N, M)
FIXED = [(0, 5), (1, 33), (17, 15), (33, 1), (16, 17)]  # groups take turns


def run(*words):
    r = subprocess.run(words, capture_output=True, text=True)
    return r.returncode, r.stderr.strip()


def host_is_v3():
    """Is x86-64-v3 the best level that runs here? Then x86:host compiles to the same bytes, which are tested once."""
    said = subprocess.run([ADZE, "info", "--targets"], capture_output=True, text=True).stdout
    return "x86:x86-64-v3 (runs here)" in said and "x86:x86-64-v4 (not on this CPU)" in said


def differ(group, kind, got, want, strict):
    """What is wrong with one result, or None."""
    if got.dtype != want.dtype or got.shape != want.shape:
        return f"{got.dtype}{got.shape}, not {want.dtype}{want.shape}"
    if kind == "bf16":
        got, want = ((a.astype("u4") << 16).view("f4") for a in (got, want))
    if want.dtype.kind != "f":
        bad = got != want
    else:
        a, b = got.astype("f8"), want.astype("f8")
        finite = np.abs(b[np.isfinite(b)])
        limit = (0 if strict else 1e-37) + group.scale * finite.max(initial=0)
        with np.errstate(invalid="ignore"):
            bad = ~((a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= limit + group.rtol * np.abs(b)))
            bad |= np.isinf(b) & (a != b)
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        return f"{bad.sum()} of {bad.size} differ, first {at}: {got[at]!r}, not {want[at]!r}"
    return None


class Runner:
    def __init__(self, folder, one_level):
        self.folder, self.one_level, self.passed, self.failed = folder, one_level, 0, 0
        self.host_code = None

    def fail(self, name, why):
        self.failed += 1
        print(f"FAILED {name}: {why}")

    def compare(self, group, program, size, label, strict):
        """Runs one artifact on one binding of N and M, and compares all results with the reference."""
        ins, out, ref = (f"{self.folder}/{group.name}-{x}.npz" for x in ("in", "out", f"{size[0]}-{size[1]}"))
        np.savez(ins, **group.data(*size))
        name = f"{group.name} N={size[0]} M={size[1]} {label}"
        if not os.path.exists(ref):
            code, err = run(ADZE, "run", f"{self.folder}/{group.name}.adz", f"--inputs={ins}", f"--outputs={ref}")
            if code:
                return self.fail(f"{name}: reference", err)
        code, err = run(ADZE, "run", program, f"--inputs={ins}", f"--outputs={out}")
        if code:
            return self.fail(name, f"status {code}: {err}")
        with np.load(out) as got, np.load(ref) as want:
            for k, key in enumerate(want.files):
                why = differ(group, group.kind(k), got[key], want[key], strict)
                if why:
                    self.fail(f"{name} {key} = {group.of(k)}", why)
                else:
                    self.passed += 1

    def same_bytes(self, group, program, target):
        """Of the first group both targets are compiled."""
        with open(program, "rb") as f:
            code = f.read()
        if target == "host":
            self.host_code = code
        elif code == self.host_code:
            self.passed += 1
        else:
            self.fail(group.name, "x86:host has other bytes than x86-64-v3, the best level that runs here")

    def group(self, group, turn):
        text, program = f"{self.folder}/{group.name}.adz", f"{self.folder}/{group.name}.so"
        with open(text, "w") as f:
            f.write(group.text())
        n, m = group.fixed or FIXED[turn % len(FIXED)]
        for target, dims, bindings in [("host", [], SIZES), ("x86-64-v3", [], SIZES[:4]),
                                       ("host", [f"--dim=N={n}", f"--dim=M={m}"], [(n, m)])]:
            if self.one_level and target != "host" and turn:
                continue
            # Elementwise code has jumps at denormals, so it runs with them.
            strict = ["--precision=strict"] if group.values == "special" else []
            code, err = run(ADZE, "compile", text, "-o", program, f"--target=x86:{target}", *strict, *dims)
            if code:
                self.fail(f"{group.name} {target} {dims}: compile", err)
                continue
            if self.one_level and not dims:
                self.same_bytes(group, program, target)
            for size in bindings:
                self.compare(group, program, size, " ".join([target] + dims), bool(strict))
        return self.passed, self.failed
