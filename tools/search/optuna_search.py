#!/usr/bin/env python3
"""Search for a plan of `adze compress` with Optuna instead of the dynamic program.

    python tools/search/optuna_search.py model.onnx -o model.so --calib=data.npz --goal='weights<=0.2x' --trials=40
    python tools/search/optuna_search.py … --storage=sqlite:///study.db --study=mine     several processes share a study

A trial gives each layer one of the formats that it may have and has `adze compress --plan` measure the whole model. The
sampler is Optuna's TPE; what a goal is missed by counts as loss, so that the best trial is one that holds, where there
is one. Which formats a layer may have is what one run of `adze compress` found; its own answer is --compare's other
side, and with --from-program the first trial. Processes that give the same --storage and --study share the trials
(databases of Optuna's choice, on other machines too).

Needs: pip install optuna. Prints a table, writes OUT, OUT.plan and OUT.report.json. The status is that of adze
compress.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PENALTY = 10  # of a goal that is missed, times the share of its bound that is missed


def find_adze(given):
    beside = Path(__file__).resolve().parents[2] / "build/release/bin/adze"
    adze = given or (str(beside) if beside.exists() else shutil.which("adze"))
    if not adze:
        sys.exit("no adze: give --adze=FILE, build it, or put it on PATH")
    return adze


class Model:
    """One model with its data, and what adze compress says of plans for it."""

    def __init__(self, options, folder):
        self.options, self.folder = options, folder
        self.adze = find_adze(options.adze)
        self.common = [f"--calib={options.calib}", *(f"--goal={g}" for g in options.goal), *options.flags]

    def run(self, out, *flags):
        """The report of one run; statuses 0 and 1 with a report are answers, all else ends the search."""
        done = subprocess.run([self.adze, "compress", self.options.model, "-o", str(out), *self.common, *flags],
                              capture_output=True, text=True)
        report = Path(f"{out}.report.json")
        if done.returncode > 1 or not report.exists():
            sys.exit(f"adze compress: status {done.returncode}: {done.stderr.strip()}")
        result = json.loads(report.read_text())
        report.unlink()
        return result

    def program(self):
        """What the dynamic program finds, and which formats each layer may have."""
        flags = [f"--formats={self.options.formats}"] if self.options.formats else []
        return self.run(self.folder / f"program{self.suffix()}", *flags)

    def suffix(self):
        return Path(self.options.output).suffix

    def measure(self, choice, out=None):
        out = out or self.folder / f"trial{self.suffix()}"
        plan = self.folder / "trial.plan"
        quoted = ((json.dumps(name) if re.search(r'[\s"\\#]', name) else name, f) for name, f in choice.items())
        plan.write_text("adze-plan 1\n" + "".join(f"layer {name} {f}\n" for name, f in quoted))
        return self.run(out, f"--plan={plan}")


def reached(report):
    """By how much the goals are missed, each as a share of its bound, and the loss."""
    missed = sum(max(0, g["reached"] / g["bound"] - 1) if g["bound"] else g["reached"] for g in report["goal"])
    return missed, report["trials"][-1]["loss"]


def figures(report):
    was, now = report["original"], report["compressed"]
    missed, loss = reached(report)
    return (f"weights {now['weight_bytes'] / was['weight_bytes']:.4f}x  file {now['bytes'] / was['bytes']:.4f}x  "
            f"time {now['min_ms'] / was['min_ms']:.3f}x  loss {100 * loss:.3f} %  "
            f"{'holds' if report['held'] else f'misses by {100 * missed:.1f} %'}")


def choices(report):
    """Formats of each layer that may be chosen, f32 first."""
    return {layer["name"]: [f["format"] for f in layer["formats"] if f["loss"] is not None or f["format"] == "f32"]
            for layer in report["layers"]}


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("-o", "--output", required=True, help=".so, .onnx or .adz")
    p.add_argument("--calib", required=True, help="as of adze compress")
    p.add_argument("--goal", action="append", default=[], help="as of adze compress; repeatable")
    p.add_argument("--formats", help="as of adze compress")
    p.add_argument("--trials", type=int, default=40, help="whole models that this process measures (40)")
    p.add_argument("--seed", type=int, default=1, help="of the sampler (1)")
    p.add_argument("--storage", help="database of the study, for several processes: sqlite:///FILE or another")
    p.add_argument("--study", default="adze", help="name of the study in the database")
    p.add_argument("--from-program", action="store_true", help="begin with what the dynamic program found")
    p.add_argument("--compare", action="store_true", help="print what the dynamic program found beside it")
    p.add_argument("--adze", help="the program")
    p.usage = "%(prog)s MODEL -o OUT --calib=DATA [--goal=…] [FLAGS] [-- FLAGS OF adze compress]"
    mine, rest = sys.argv[1:], []
    if "--" in mine:
        at = mine.index("--")
        mine, rest = mine[:at], mine[at + 1:]
    options = p.parse_args(mine)
    options.flags = rest
    if options.trials < 1:
        p.error("--trials takes a number above 0")
    if Path(options.output).suffix not in (".so", ".onnx", ".adz"):
        p.error("-o takes a .so, .onnx or .adz")
    return options


def open_study(optuna, options, sampler):
    """The study, new or known. Processes that begin at once may both want to make the database's tables: once more."""
    for left in range(9, -1, -1):
        try:
            return optuna.create_study(study_name=options.study, storage=options.storage, sampler=sampler,
                                       load_if_exists=True)
        except Exception as error:  # of whichever database it is
            if not left or not options.storage:
                sys.exit(f"{options.storage or 'optuna'}: {str(error).splitlines()[0]}")
            time.sleep(0.5)


def main():
    options = parse()
    try:
        import optuna
    except ImportError:
        sys.exit("this search needs Optuna: pip install optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory(prefix="adze-optuna-") as scratch:
        model = Model(options, Path(scratch))
        found = model.program()
        may = choices(found)
        sampler = optuna.samplers.TPESampler(seed=options.seed, multivariate=True)
        study = open_study(optuna, options, sampler)
        best = [float("inf")]

        def value_of(choice, number):
            report = model.measure(choice)
            missed, loss = reached(report)
            value = loss + PENALTY * missed
            if value < best[0]:
                best[0] = value
                print(f"trial {number:4}  {figures(report)}", file=sys.stderr, flush=True)
            return value

        def objective(trial):
            choice = {name: trial.suggest_categorical(name, formats) for name, formats in may.items()}
            return value_of(choice, trial.number + 1)

        if options.from_program:  # put down when it is measured: of trials that wait, two processes may take the same
            first = {layer["name"]: layer["format"] for layer in found["layers"]}
            study.add_trial(optuna.trial.create_trial(
                params=first, value=value_of(first, 1),
                distributions={name: optuna.distributions.CategoricalDistribution(f) for name, f in may.items()}))
        study.optimize(objective, n_trials=options.trials - options.from_program)
        result = model.measure(study.best_trial.params, Path(options.output).resolve())
        Path(f"{options.output}.report.json").write_text(json.dumps(result))
        print(f"optuna            {len(study.trials):4} trials  {figures(result)}")
        if options.compare:
            print(f"dynamic program   {len(found['trials']):4} trials  {figures(found)}")
        return 0 if result["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
