"""seeds: cuts what the tests hold into small inputs for the fuzzers, one folder a harness.

    seeds.py --plugins=FOLDER OUT    OUT/images, OUT/ir, OUT/json, OUT/onnx, OUT/pipeline, OUT/plugin, OUT/report,
                                     OUT/rules
"""
import argparse
import io
import json
import os
import re
import runpy
import shutil
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LARGEST_MODEL = 1000  # bytes


def texts(*patterns):
    return [path.read_text(errors="replace") for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def pieces(text, start):
    """The text cut before every line that starts with one of the words of the pattern."""
    return [piece for piece in re.split(rf"(?m)^(?={start})", text) if re.match(start, piece)]


def without_comments(text):
    return re.sub(r"(?m)^\s*//.*\n", "", text)


def string_literals(source):
    """Texts that a C file writes as string literals, neighbours joined."""
    joined = re.findall(r'"(?:[^"\\\n]|\\.)*"(?:\s*\\?\n?\s*"(?:[^"\\\n]|\\.)*")*', source)
    return ["".join(re.findall(r'"((?:[^"\\\n]|\\.)*)"', text)).encode().decode("unicode_escape", "replace")
            for text in joined]


def ir_seeds():
    for text in texts("test/**/*.adz"):
        consts = "".join(pieces(text, "const "))
        for part in re.split(r"(?m)^// -----.*\n", text):
            functions = pieces(without_comments(part), "func ")
            yield from functions
            if len(functions) < 4 or consts:
                yield without_comments(part)
    for text in texts("test/unit/*text*.c", "test/unit/verify_test.c", "test/unit/interp_test.c"):
        yield from (s for s in string_literals(text) if re.search(r"\b(func|const|module) @", s))


def json_seeds():
    for text in texts("test/unit/json_test.c"):
        yield from (s for s in string_literals(text) if re.match(r"[\s\[{\"0-9-]", s))


def report_seeds():
    """Reports of the tests' sample, cut down to two layers and three points."""
    sample = runpy.run_path(str(ROOT / "test/tools/Inputs/report_sample.py"))
    for kind in ("plain", "four", "hostile", "sparse"):
        report = sample["report"](kind)
        report["layers"], report["pareto"] = report["layers"][:2], report["pareto"][20:23] or report["pareto"]
        yield json.dumps(report, indent=1, ensure_ascii=False)


def pipeline_seeds():
    for text in texts("test/**/*.adz", "test/**/*.test", "docs/**/*.md"):
        for quoted, plain in re.findall(r"--passes=(?:'([^'\n]*)'|([^\s'`]+))", text):
            yield quoted or plain
    for text in texts("test/unit/registry.c"):
        yield from (s for s in string_literals(text) if re.search(r"dce|cse|fold|repeat", s))


def rule_seeds():
    for text in texts("passes/rules/*.rules"):
        yield from pieces(without_comments(text), "rule ")
        yield text[:2000]
    for text in texts("test/unit/rules.c", "test/unit/registry.c", "test/passes/Inputs/plugin.c"):
        yield from (s for s in string_literals(text) if "rule " in s)


def kept_seeds(name):
    """Inputs kept beside this file: what no test holds, and what once failed."""
    return [path.read_bytes() for path in sorted((ROOT / "test/fuzz/seeds" / name).glob("*"))]


def image_seeds():
    """One small picture in every format; without Pillow in those that are text."""
    yield from (b"P1 3 2 1 0 1 0 1 0", b"P2 # c\n2 2 1000\n1 2 3 1000", b"P3 1 1 9 1 2 3", b"P5 2 1 65535\n1234")
    header = "<2sIII IiiHHIIiiII"
    for bits, kind, data in ((8, 1, b"\3\1\0\0\0\3\1\0\1\0\0\1"), (4, 2, b"\3\x10\0\2\0\1\1\x10\0\1"),
                             (16, 3, bytes(range(28)))):
        yield struct.pack(header, b"BM", 0, 0, 62, 40, 4, 2, 1, bits, kind, 0, 0, 0, 2, 0) + bytes(range(8)) + data
    try:
        from PIL import Image
    except ImportError:
        return
    picture = Image.radial_gradient("L").resize((13, 7))
    colours = Image.merge("RGB", (picture, picture.rotate(90), picture.rotate(180)))
    for form, modes, options in (
            ("BMP", "1 P RGB", {}), ("PPM", "1 L RGB", {}), ("PNG", "1 L LA P RGB RGBA", {}),
            ("JPEG", "L RGB CMYK", {}), ("JPEG", "RGB", {"progressive": True}), ("WEBP", "RGB RGBA", {}),
            ("WEBP", "RGB RGBA", {"lossless": True}), ("JPEG2000", "L RGB", {"irreversible": False}),
            ("JPEG2000", "RGBA", {"no_jp2": True, "irreversible": True}), ("TIFF", "1 L P RGB RGBA", {}),
            ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "RGB", {"compression": "tiff_adobe_deflate"}),
            ("TIFF", "1", {"compression": "group4"}), ("TIFF", "RGB", {"compression": "jpeg"})):
        for mode in modes.split():
            out = io.BytesIO()
            colours.convert(mode).save(out, form, **options)
            yield out.getvalue()


def onnx_seeds():
    """Models of the drivers' cases that are small: one node each, and graphs inside nodes. Without the packages that
    make them, the one model of the tree."""
    yield (ROOT / "tools/models/digits.onnx").read_bytes()
    os.environ.setdefault("ADZE_BUILD_DIR", str(ROOT / "build/release"))
    sys.path.insert(0, str(ROOT / "test"))
    try:
        import onnx_contrib
        import onnx_control
        import onnx_ml_gradient  # noqa: F401  adds its cases to those of onnx_ml_cases
        import onnx_ml_cases
        import onnx_opsets
        import onnx.parser
    except SystemExit:
        return
    models = [model for _, model, *_ in onnx_opsets.CASES]
    models += [onnx_contrib.build(*case[1:])[0] for case in onnx_contrib.CASES]
    models += [model for _, _, model, *_ in onnx_ml_cases.CASES]
    models += [onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> {graph}')
               for _, opset, graph, _ in onnx_control.CASES]
    yield from (data for data in (model.SerializeToString(deterministic=True) for model in models)
                if len(data) < LARGEST_MODEL)


def write(folder, seeds):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    unique = dict.fromkeys(seed.encode(errors="replace") if isinstance(seed, str) else seed for seed in seeds)
    for index, seed in enumerate(unique):
        (folder / f"{index:04}").write_bytes(seed)
    print(f"{len(unique):6} {folder.name}")


def main():
    parser = argparse.ArgumentParser(description="cut the tests into seeds for the fuzzers")
    parser.add_argument("--plugins", required=True, type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    found = {"images": image_seeds, "ir": ir_seeds, "json": json_seeds, "pipeline": pipeline_seeds,
             "report": report_seeds, "rules": rule_seeds,
             "plugin": lambda: [path.read_bytes() for path in sorted(given.plugins.glob("*.so"))],
             "onnx": onnx_seeds}
    for name, seeds in found.items():
        write(given.out / name, [*seeds(), *kept_seeds(name)])


if __name__ == "__main__":
    main()
