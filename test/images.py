"""image_decode beside Pillow: files of many kinds, on the reference and compiled; where the extension is looked for."""
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import tally
from tally import check

try:
    import numpy as np
    from PIL import Image
except ImportError as error:
    tally.skip_all(error)

SOURCE, BUILD = Path(os.environ["ADZE_SOURCE_DIR"]), Path(os.environ["ADZE_BUILD_DIR"])
ADZE, LIBRARY = BUILD / "bin/adze", BUILD / "lib/libadze_images.so"
if not LIBRARY.exists():
    tally.skip_all("built without ADZE_IMAGES")


def picture(mode):
    """A smooth picture with some noise."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:37, 0:61]
    planes = [(x * 4 + random.integers(0, 9, x.shape)) % 256, (y * 6) % 256, (x + y * 2) % 256, (x * 3) % 256]
    image = Image.fromarray(np.stack(planes[:3], 2).astype(np.uint8))
    if mode in ("RGBA", "LA", "CMYK"):
        image = image.convert(mode)
        if mode != "CMYK":
            image.putalpha(Image.fromarray(planes[3].astype(np.uint8)))
        return image
    return image.convert(mode)


def files():
    """Name, bytes, pixels as Pillow has them, and how far off they may be."""
    kinds = [("PNG", "1 L LA P RGB RGBA", {}), ("BMP", "1 L P RGB", {}), ("PPM", "1 L RGB", {}),
             ("TIFF", "1 L LA P RGB RGBA", {}), ("TIFF", "L RGB", {"compression": "tiff_lzw"}),
             ("TIFF", "L RGB RGBA", {"compression": "tiff_adobe_deflate"}),
             ("TIFF", "RGB", {"compression": "packbits"}), ("TIFF", "1", {"compression": "group4"}),
             ("JPEG2000", "L RGB", {"irreversible": False}),
             ("JPEG2000", "RGBA", {"no_jp2": True}), ("JPEG2000", "RGB", {"tile_size": (16, 16)}),
             ("WEBP", "RGB RGBA", {"lossless": True, "exact": True}), ("WEBP", "RGB RGBA", {"quality": 60}),
             ("JPEG", "L RGB CMYK", {"quality": 80}), ("JPEG", "RGB", {"progressive": True}),
             *(("JPEG", "RGB", {"subsampling": s, "quality": 90}) for s in (0, 1, 2)),
             ("JPEG", "RGB", {"restart_marker_rows": 1}), ("JPEG", "RGB", {"keep_rgb": True})]
    for form, modes, options in kinds:
        for mode in modes.split():
            out = io.BytesIO()
            picture(mode).save(out, form, **options)
            want = np.asarray(Image.open(io.BytesIO(out.getvalue())).convert("RGB"))
            yield f"{form} {mode} {options}", out.getvalue(), want, 0
    deep = (np.arange(37 * 61).reshape(37, 61) * 29).astype(np.uint16)
    for form in ("PNG", "TIFF", "PPM"):
        out = io.BytesIO()
        Image.fromarray(deep).save(out, form)
        # Pillow does not make 8 bits of these; libraries differ in how they round.
        yield f"{form} of 16 bits", out.getvalue(), np.repeat((deep // 257.0)[:, :, None], 3, 2), 1


class Model:
    """The op by itself, on both devices."""

    def __init__(self, folder, pixel_format="RGB"):
        self.folder = folder
        self.text = folder / f"{pixel_format}.adz"
        self.text.write_text(f"""func @f(%x: u8[N]) -> (u8[?,?,{1 if pixel_format == "Grayscale" else 3}]) {{
  %y = image_decode(%x) {{pixel_format = "{pixel_format}"}}
  return(%y)
}}
""")

    def compiled(self, suffix):
        """The artifact; none without the x86 backend."""
        if not (BUILD / "lib/adze/adze_x86.so").exists():
            return None
        path = self.text.with_suffix(suffix)
        done = subprocess.run([ADZE, "compile", self.text, "-o", path], capture_output=True, text=True)
        check(f"compiles to {path.name}", done.returncode == 0, done.stderr)
        return path

    def run(self, data, *command, **options):
        """The pixels, or what was printed."""
        np.save(self.folder / "x.npy", np.frombuffer(data, np.uint8))
        done = subprocess.run([*command, f"--input=x={self.folder}/x.npy", f"--outputs={self.folder}/y.npz"],
                              capture_output=True, text=True, **options)
        if done.returncode:
            return done.stderr
        with np.load(self.folder / "y.npz") as results:
            return results[results.files[0]]


def test_pixels(folder):
    model = Model(folder)
    artifact = model.compiled(".so")
    formats = subprocess.run(["strings", LIBRARY], capture_output=True, text=True).stdout
    for name, data, want, bound in files():
        if f" {name.split()[0].lower().replace('ppm', 'pnm')} " not in formats:
            continue
        for device in (model.text, artifact):
            got = device and model.run(data, ADZE, "run", device)
            if device:
                same = isinstance(got, np.ndarray) and got.shape == want.shape
                check(f"{name}, {device.suffix}", same and np.abs(got - want.astype(float)).max() <= bound,
                      got if not same else np.abs(got - want.astype(float)).max())
    out = io.BytesIO()
    picture("RGB").save(out, "PNG")
    rgb = np.asarray(picture("RGB"))
    for pixel_format, want in (("BGR", rgb[:, :, ::-1]), ("Grayscale", np.asarray(picture("L"))[:, :, None])):
        got = Model(folder, pixel_format).run(out.getvalue(), ADZE, "run", folder / f"{pixel_format}.adz")
        check(pixel_format, isinstance(got, np.ndarray) and np.array_equal(got, want), got)


def test_linked(folder):
    """A program with the model linked in: without an extension, with the usual one, with its own."""
    model = Model(folder, "Grayscale")
    linked = model.compiled(".o")
    if not linked:
        return
    program = folder / "program"
    folders = (folder, SOURCE / "runtime/include", SOURCE / "runtime/abi/include", BUILD / "include")
    command = ["cc", "-std=gnu17", SOURCE / "test/images_linked.c", linked, BUILD / "lib/libadze_runtime.a",
               *(f"-I{path}" for path in folders), "-lm", "-lpthread", "-ldl", "-o", program]
    done = subprocess.run(command, capture_output=True, text=True)
    check("a program with its model linked in", done.returncode == 0, done.stderr)
    env = {**os.environ, "LD_LIBRARY_PATH": str(LIBRARY.parent)}
    for how, want in (("none", "the program gives its sessions no extension"), ("usual", "1 x 2 x 1: 7 9"),
                      ("own", "1 x 1 x 1: 42")):
        done = subprocess.run([program, how], capture_output=True, text=True, env=env)
        check(f"extension: {how}", want in done.stdout, done.stdout + done.stderr)


def test_where(folder):
    """The extension is opened by those that decode, and looked for beside a program."""
    model = Model(folder)
    data = b"P5 2 1 255\n\1\2"
    for device in filter(None, (model.text, model.compiled(".so"))):
        said = model.run(b"GIF89a", ADZE, "run", device)
        check(f"an error, {device.suffix}", isinstance(said, str) and said.count("error:") == 1 and
              "image_decode: the bytes are no image" in said, said)
    program = model.compiled("")
    if not program:
        return
    needs = subprocess.run(["objdump", "-p", program], capture_output=True, text=True).stdout
    check("a program links no codec", "jpeg" not in needs and "adze_images" not in needs, needs)
    alone = folder / "alone"
    alone.mkdir()
    program = Path(shutil.copy(program, alone))
    said = model.run(data, program)
    check("no extension", isinstance(said, str) and f"libadze_images.so is neither in {alone} nor in" in said, said)
    got = model.run(data, program, env={**os.environ, "LD_LIBRARY_PATH": str(LIBRARY.parent)})
    check("where the loader looks", isinstance(got, np.ndarray) and got.tolist() == [[[1, 1, 1], [2, 2, 2]]], got)
    (alone / "libadze_images.so").symlink_to(LIBRARY)
    got = model.run(data, program)
    check("beside the program", isinstance(got, np.ndarray) and got.shape == (1, 2, 3), got)
    (alone / "libadze_images.so").unlink()
    (alone / "libadze_images.so").write_bytes(b"nothing")
    said = model.run(data, program)
    check("no library", isinstance(said, str) and "cannot load libadze_images.so: " in said, said)
    other = folder / "other.adz"
    other.write_text("func @f(%x: u8[N]) -> (u8[N]) {\n  %y = add(%x, %x)\n  return(%y)\n}\n")
    for device, opens in ((model.text, True), (other, False)):
        done = subprocess.run([ADZE, "run", device, f"--input=x={folder}/x.npy"], capture_output=True, text=True,
                              env={**os.environ, "LD_DEBUG": "files"})
        check(f"{device.name} opens it: {opens}", ("libadze_images" in done.stderr) == opens)


with tempfile.TemporaryDirectory(prefix="adze-images-") as work:
    test_pixels(Path(os.path.realpath(work)))
    (Path(work) / "where").mkdir()
    (Path(work) / "linked").mkdir()
    test_linked(Path(os.path.realpath(work)) / "linked")
    test_where(Path(os.path.realpath(work)) / "where")
sys.exit(tally.end())
