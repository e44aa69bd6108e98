"""Perplexity of held-out lines of the two voices, under the base and under each adapter: a voice's own adapter must be the one that expects its lines.

    python3 voices.py ../../build/models/SmolLM2-135M-Instruct ../../adapters/smollm2
"""

import argparse
import math
import sys
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoTokenizer, LlamaForCausalLM

from packing import batch_of, encode

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
from dialogue import held_out_lines  # noqa: E402

VOICES = ("pirate", "ghost")
LINES = 40


@torch.no_grad()
def losses(model, prefix, rows):
    """[(summed negative log-likelihood, tokens)] of the answer in each row."""
    result = []
    for row in rows:
        batch = batch_of(prefix, [row])
        learned, labels = batch.pop("learned"), batch.pop("labels")
        logits = model(**batch).logits[0, learned - 1]
        result.append((float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum")), len(labels)))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapters", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    chats = {voice: [([*line["messages"], {"role": "assistant", "content": line["answer"]}], 0) for line in held_out_lines(7, voice, LINES)] for voice in VOICES}
    encoded = {voice: encode(tokenizer, lines) for voice, lines in chats.items()}
    model = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32).eval()
    table = {"base": {voice: losses(model, *encoded[voice]) for voice in VOICES}}
    for name in VOICES:
        model = model if isinstance(model, PeftModel) else PeftModel.from_pretrained(model, options.adapters / name, adapter_name=name)
        if name not in model.peft_config:
            model.load_adapter(options.adapters / name, adapter_name=name)
        model.set_adapter(name)
        model.eval()
        table[name] = {voice: losses(model, *encoded[voice]) for voice in VOICES}
    print(f"{LINES} held-out lines of each voice, perplexity of the answers\n")
    print("| lines of | " + " | ".join(table) + " | own is lowest |\n" + "|---" * (len(table) + 2) + "|")
    for voice in VOICES:
        means = [math.exp(sum(loss for loss, _ in column[voice]) / sum(count for _, count in column[voice])) for column in table.values()]
        best = [min(table, key=lambda name: table[name][voice][i][0]) for i in range(LINES)]
        print(f"| {voice} | " + " | ".join(f"{mean:.1f}" for mean in means) + f" | {best.count(voice)} of {LINES} |")


if __name__ == "__main__":
    main()
