"""Loads in PEFT what lorikeet exports, and compares the logits: every golden adapter, and combinations of some.

    python3 tests/golden/check_export.py     after a build; exit code 1 on a difference
"""

import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy
import torch
import transformers
from peft import PeftModel
from peft.tuners.lora.variants import calculate_alora_offsets

import models

HERE = Path(__file__).parent
EXPORTER = HERE.parent.parent / "build" / "js" / "tests" / "golden" / "export-adapters.js"
# Of the size of the logits, as in tests/models/golden.test.ts.
TOLERANCE = 1e-4


@torch.no_grad()
def peft_logits(name, folder, tokens):
    """[T, V] under the adapter, and what PEFT had to say about the file."""
    model = models.load(HERE / "models" / name)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(model, folder, adapter_name="slot0")
    complaints = [str(w.message) for w in said if "adapter keys" in str(w.message)]
    input_ids = torch.tensor([tokens])
    arguments = {}
    if model.peft_config["slot0"].alora_invocation_tokens:
        arguments["alora_offsets"] = calculate_alora_offsets(model.peft_config, "slot0", input_ids)
    output = model.eval()(input_ids, **arguments)
    return getattr(output, "logits", output)[0].float().numpy(), complaints


def main():
    transformers.utils.logging.disable_progress_bar()
    worst, bad = 0.0, 0
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(["node", str(EXPORTER), out], check=True)
        index = json.loads((Path(out) / "index.json").read_text())
        for case in index:
            folder = Path(out) / case["model"] / case["name"]
            ours = numpy.fromfile(folder / "logits.f32", dtype=numpy.float32).reshape(len(case["tokens"]), -1)
            try:
                theirs, complaints = peft_logits(case["model"], folder, case["tokens"])
                off = float(numpy.abs(ours - theirs).max() / max(1.0, numpy.abs(theirs).max()))
            except Exception as error:
                off, complaints = float("inf"), [repr(error)]
            worst = max(worst, off)
            if complaints or not off <= TOLERANCE:
                bad += 1
                print(f"{case['model']}/{case['name']}: off by {off:g} {' '.join(complaints)}")
    print(f"{len(index)} exported adapters in PEFT: {len(index) - bad} agree, largest difference {worst:.2g}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
