"""quantized.py MODEL.onnx OUT.onnx [--dynamic]: a model as ONNX Runtime's own quantizer leaves it, for peers.py.

Static: QDQ, i8 weights for each channel, u8 activations, ranges from seeded random inputs (of no use for accuracy; the
time does not depend on them). --dynamic: matrix products and gathers, activations scaled at run time.
"""
import argparse
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

SAMPLES = 3


class Random(CalibrationDataReader):
    def __init__(self, path):
        random = np.random.default_rng(0)
        rows = ort.InferenceSession(path, providers=["CPUExecutionProvider"]).get_inputs()
        shapes = {row.name: [d if isinstance(d, int) else 1 for d in row.shape] for row in rows}
        self.samples = iter([{name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
                             for _ in range(SAMPLES)])

    def get_next(self):
        return next(self.samples, None)


def main():
    parser = argparse.ArgumentParser(prog="quantized.py", description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path, metavar="MODEL.onnx")
    parser.add_argument("output", type=Path, metavar="OUT.onnx")
    parser.add_argument("--dynamic", action="store_true")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    if args.dynamic:
        quantize_dynamic(args.model, args.output, weight_type=QuantType.QInt8, per_channel=True)
        return 0
    with tempfile.TemporaryDirectory(prefix="adze-quantized-") as scratch:
        ready = str(Path(scratch) / "model.onnx")
        quant_pre_process(str(args.model), ready, skip_symbolic_shape=True)
        quantize_static(ready, str(args.output), Random(ready), quant_format=QuantFormat.QDQ, per_channel=True,
                        weight_type=QuantType.QInt8, activation_type=QuantType.QUInt8)
    return 0


if __name__ == "__main__":
    sys.exit(main())
