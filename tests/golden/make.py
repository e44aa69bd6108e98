"""Writes the goldens, or compares them with what is committed.

    python3 tests/golden/make.py [name ...]           writes all, or the models / gguf / blocks / layers / long / combine / defaults named
    python3 tests/golden/make.py --check [name ...]   makes them again elsewhere and compares; exit code 1 on a difference
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.simplefilter("ignore")

import torch
import transformers
from safetensors.torch import load_file

import adapters
import blocks
import cases
import combine
import defaults
import gguf_files
import layers
import long_context
import models
import templates
import texts
import tokens

HERE = Path(__file__).parent
# Other machines add up in another order: results within this of each other are the same. Weights must be equal.
TOLERANCE = 2e-5
RESULTS = {"golden.safetensors"}


def write_model(name, root):
    folder = root / "models" / name
    shutil.rmtree(folder, ignore_errors=True)
    models.write(name, folder)
    for adapter in adapters.ADAPTERS[name]:
        adapters.write(folder, adapter)
    cases.write(folder)


PARTS = {name: write_model for name in models.MODELS} | {
    "blocks": lambda name, root: blocks.write(root / "blocks"),
    "layers": lambda name, root: layers.write(root / "layers"),
    "combine": lambda name, root: combine.write(root / "combine"),
    "long": lambda name, root: long_context.write(root / "long"),
    "defaults": lambda name, root: defaults.write(root),
    "gguf": lambda name, root: gguf_files.write(root / "gguf", HERE / "models"),
    "templates": lambda name, root: templates.write(root / "templates"),
    "tokens": lambda name, root: tokens.write(root / "tokens"),
    "texts": lambda name, root: texts.write(root),
}


def difference(made, committed):
    """A line on how two files differ, or None."""
    if not committed.exists():
        return "is not committed"
    if made.suffix == ".gguf":
        return None if made.read_bytes() == committed.read_bytes() else "has other bytes"
    if made.suffix != ".safetensors":
        same = json.loads(made.read_text()) == json.loads(committed.read_text())
        return None if same else "differs"
    a, b = load_file(made), load_file(committed)
    if {k: (v.shape, v.dtype) for k, v in a.items()} != {k: (v.shape, v.dtype) for k, v in b.items()}:
        return "holds other tensors"
    for key in a:
        if made.name not in RESULTS:
            if not torch.equal(a[key], b[key]):
                return f"{key} has other bits"
        else:
            bound = TOLERANCE * max(1.0, b[key].abs().max().item())
            distance = (a[key] - b[key]).abs().max().item()
            if not distance <= bound:
                return f"{key} is off by {distance:.2e}, more than {bound:.2e}"
    return None


def check(names):
    with tempfile.TemporaryDirectory() as scratch:
        root, found = Path(scratch), []
        for name in names:
            PARTS[name](name, root)
        for made in sorted(path for path in root.rglob("*") if path.is_file()):
            relative = made.relative_to(root)
            line = difference(made, HERE / relative)
            if line:
                found.append(f"{relative} {line}")
        for name in names:
            for committed in (HERE / "models" / name).rglob("*.*"):
                if committed.is_file() and not (root / committed.relative_to(HERE)).exists():
                    found.append(f"{committed.relative_to(HERE)} is committed but no longer made")
        print("\n".join(found) or f"{len(names)} goldens agree")
        return 1 if found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(PARTS))
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    options = parser.parse_args()
    names = options.names or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if options.check:
        return check(names)
    for name in names:
        PARTS[name](name, HERE)
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
