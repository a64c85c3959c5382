"""compress_onnx.py MODEL.onnx DATA.npz PRINTED LIMIT: ONNX's checker takes the model, and ONNX Runtime's accuracy on
all of the data lies within what chance allows of what adze compress printed for a part."""
import re
import sys

import numpy as np
import onnx
import onnxruntime as ort

path, data, printed, limit = sys.argv[1], np.load(sys.argv[2]), open(sys.argv[3]).read(), int(sys.argv[4])
onnx.checker.check_model(path, full_check=True)
session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
logits = session.run(None, {session.get_inputs()[0].name: data["image"]})[0]
right = 100 * np.mean(np.argmax(logits, 1) == data["labels"])
told = float(re.search(r"^top1 +(\S+) %", printed, re.M)[1])
share = right / 100
bound = 100 * 3 * np.sqrt(max(share * (1 - share), 0.01) / limit)
assert abs(right - told) <= bound, (right, told, bound)
print("ONNX Runtime answers as measured")
