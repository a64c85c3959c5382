"""The ways of quantizers.py: each writes a quantized ONNX file from the same model and samples."""
import contextlib
import functools
import io
import logging
import os
import platform
import subprocess
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import onnx


class Failure(Exception):
    """A way cannot do this model; the text says why."""


@dataclass
class Job:
    """What a way works on."""
    adze: Path
    source: Path  # the float model
    samples: list  # one dict of arrays with a leading 1 each
    stored: Path  # the same samples as .npz
    scratch: Path


def run_adze(adze, *arguments):
    done = subprocess.run([str(a) for a in (adze, *arguments)], text=True, stdin=subprocess.DEVNULL,
                          capture_output=True)
    if done.returncode:
        raise Failure(f"adze {arguments[0]}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


# ---- Adze ----

def adze_static(options, job, out):
    stats = job.scratch / "model.stats"
    if not stats.exists():
        run_adze(job.adze, "calibrate", job.source, f"--calib={job.stored}", "-o", stats, "--gram",
                 "--target=x86:host", "--batch=1")
    text = ",".join([f"stats={stats}", *options])
    run_adze(job.adze, "opt", job.source, f"--passes=simplify,quantize-static{{{text}}},dce", "-o", out)


# ---- The others. Both want a newer opset than old files have, and constants folded first. ----

def ready(job):
    """The model in opset 17, behind ONNX Runtime's own preparation for quantizing."""
    from onnxruntime.quantization.shape_inference import quant_pre_process

    out = job.scratch / "ready.onnx"
    if not out.exists():
        newer = job.scratch / "newer.onnx"
        model = onnx.load(job.source)
        version = max(row.version for row in model.opset_import if row.domain in ("", "ai.onnx"))
        model = onnx.version_converter.convert_version(model, 17) if version < 17 else model
        # Before IR version 4 every constant was an input, too, which the tools do not keep to.
        constants = {tensor.name for tensor in model.graph.initializer}
        inputs = [row for row in model.graph.input if row.name not in constants]
        del model.graph.input[:]
        model.graph.input.extend(inputs)
        model.ir_version = max(model.ir_version, 8)
        onnx.save(model, newer)
        quant_pre_process(str(newer), str(out), skip_symbolic_shape=True)
    return out


def onnxruntime_static(method, job, out, reduce_range=False):
    from onnxruntime.quantization import (CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType,
                                          quantize_static)

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter(job.samples)

        def get_next(self):
            return next(self.rest, None)

    quantize_static(str(ready(job)), str(out), Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8,
                    calibrate_method=CalibrationMethod[method], reduce_range=reduce_range)


def onnxruntime_7_bits(method, job, out):
    """For CPUs without VNNI, where ONNX Runtime adds two products in 16 bits."""
    onnxruntime_static(method, job, out, reduce_range=True)


def nncf_static(preset, job, out):
    os.environ["NNCF_CI"] = "1"  # sends no telemetry
    import nncf

    nncf.set_log_level(logging.ERROR)
    made = nncf.quantize(onnx.load(ready(job)), nncf.Dataset(job.samples), preset=nncf.QuantizationPreset(preset),
                         subset_size=len(job.samples))
    onnx.save(made, out)


WAYS = {
    "ORT min-max": (onnxruntime_static, "MinMax"),
    "ORT percentile": (onnxruntime_static, "Percentile"),
    "ORT entropy": (onnxruntime_static, "Entropy"),
    "ORT 7-bit weights": (onnxruntime_7_bits, "Percentile"),
    "NNCF performance": (nncf_static, "performance"),
    "NNCF mixed": (nncf_static, "mixed"),
    "Adze": (adze_static, []),
    "Adze gptq": (adze_static, ["weights=gptq"]),
    "Adze cd": (adze_static, ["weights=cd"]),
    "Adze cd, bias": (adze_static, ["weights=cd", "correct-bias=true", "float-bias=true"]),
}


def ours(name):
    return name.startswith("Adze")


def first_line(error):
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no message'}"


def guarded(function, job, out):
    """Writes and checks `out`. A tool's own messages stay out of the table; an error becomes its first line."""
    logging.disable(logging.WARNING)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            function(job, out)
            onnx.checker.check_model(str(out), full_check=True)
    except Failure:
        raise
    except Exception as error:  # whatever another tool raises is a row of the table
        raise Failure(first_line(error)) from error
    finally:
        logging.disable(logging.NOTSET)


def make(name, job, out):
    function, option = WAYS[name]
    guarded(functools.partial(function, option), job, out)


def machine():
    """What the figures depend on."""
    cpu = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    return {"CPU": cpu, "Python": platform.python_version(),
            **{name: version(name) for name in ("onnxruntime", "onnx", "nncf")}}
