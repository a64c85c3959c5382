"""The public models: file, data set, metrics with the score each is known to have."""
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

import packages
import raw
import scores

REPOSITORY = Path(__file__).resolve().parents[2]


def models_folder():
    """ADZE_MODELS, or ../shared/models beside the repository. None where there is none."""
    folder = Path(os.environ.get("ADZE_MODELS") or REPOSITORY.parent / "shared/models")
    return folder if (folder / "data").is_dir() else None


@dataclass
class Model:
    name: str
    file: str  # below the models folder
    input: str
    read: object  # reader(data folder, input name, limit) -> arrays
    metrics: dict = field(default_factory=dict)  # name -> (function, known score, digits shown)
    exact: bool = False  # ill-conditioned: outputs are compared with the graph in float64
    qdq: bool = False  # computed as written: the oracle runs without graph optimisations


TOP1, TOP5 = scores.topk(1), scores.topk(5)


def table(folder):
    """All models; `folder` is models_folder()."""
    magika_names = packages.magika_names
    read_stories = partial(raw.stories, tokenizer=folder / "stories260K/tok512.bin")
    return [
        Model("mnist", "mnist_cnn/mnist.onnx", "Input3", raw.mnist, {"top1": (TOP1, 98.94, 2)}),
        Model("squeezenet", "squeezenet1.1/squeezenet_fp32.onnx", "data_0", raw.imagenet_caffe,
              {"top1": (TOP1, 59.2, 1), "top5": (TOP5, 80.8, 1)}),
        Model("squeezenet_fp16", "squeezenet1.1/squeezenet_fp16.onnx", "data_0",
              partial(raw.imagenet_caffe, dtype=np.float16),
              {"top1": (TOP1, 59.2, 1), "top5": (TOP5, 80.8, 1)}),
        Model("resnet20", "resnet20_cifar10/resnet20_cifar10.onnx", "input", raw.cifar_scaled,
              {"top1": (TOP1, 81.00, 2)}),
        Model("resnet8_float", "resnet8_mlperf/resnet8_float_float.onnx", "input", raw.cifar_raw,
              {"top1": (TOP1, 75.24, 2)}),
        Model("resnet8_int8", "resnet8_mlperf/resnet8_int8_qdq.onnx", "input", raw.cifar_raw,
              {"top1": (TOP1, 74.82, 2)}, qdq=True),
        Model("kws_float", "kws_dscnn/kws_float_float.onnx", "input", raw.keywords,
              {"top1": (TOP1, 90.6, 1)}),
        Model("kws_int8", "kws_dscnn/kws_int8_qdq.onnx", "input", raw.keywords,
              {"top1": (TOP1, 90.6, 1)}, qdq=True),
        Model("mobilenet_v1", "mobilenet_v1_0.25_128_uint8/mobilenet_v1_0.25_128_quant_qdq.onnx",
              "input", raw.imagenet_128, {"top1": (TOP1, 43.4, 1), "top5": (TOP5, 70.6, 1)},
              qdq=True),
        Model("magika", "magika_v3_3/magika_v3_3.onnx", "bytes",
              lambda data, key, limit: raw.magika(data, key, limit, magika_names()),
              {"top1": (TOP1, 100.0, 2)}, exact=True),
        Model("fastestdet", "fastestdet/fastestdet.onnx", "input.1", raw.coco_boxes,
              {"ap50": (scores.ap50, 38.8, 1)}),
        Model("ultraface", "ultraface/ultraface_version-RFB-320.onnx", "input", raw.faces,
              {"faces": (scores.faces_found, 1336, 0)}),
        Model("ultraface_simplified", "ultraface/ultraface_version-RFB-320_simplified.onnx",
              "input", raw.faces, {"faces": (scores.faces_found, 1336, 0)}),
        Model("supres", "supres/supres.onnx", "input", raw.luma, {"psnr": (scores.psnr, 27.20, 2)}),
        Model("stories260K", "stories260K/stories260K.onnx", "tokens", read_stories,
              {"nat/token": (scores.token_loss, 1.2745, 4), "top1": (scores.token_top1, 66.0, 1)}),
    ]
