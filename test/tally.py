"""Counts of a driver's cases, and the line of them that tools/check reads."""
import sys

counts = {"passed": 0, "failed": 0, "skipped": 0}


def check(name, ok, detail=""):
    """Counts one case, and says which failed and why; whether it passed."""
    counts["passed" if ok else "failed"] += 1
    if not ok:
        print(f"FAILED {name} {detail}", flush=True)
    return bool(ok)


def skip(name, why):
    """Counts one case that this machine cannot run."""
    counts["skipped"] += 1
    print(f"skipped {name}: {why}", flush=True)


def end():
    """Prints the counts; the exit status."""
    print(", ".join(f"{count} {what}" for what, count in counts.items()))
    return 1 if counts["failed"] else 0


def skip_all(why):
    """Ends the driver: nothing of it can run here."""
    print(f"skipped: {why}")
    sys.exit(77)
