"""Perplexity of the held-out lines of each voice under the base and under each adapter.

    python3 evaluate.py ../../models/tavern ../../adapters

Prints the matrix (geometric mean over the answer tokens, the end token included) and, for each persona, the share of its
lines whose lowest perplexity is that of its own adapter, among all adapters and the base. Exits with 1 below 90 %.
"""

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from peft import PeftModel
from transformers import LlamaForCausalLM

from dialogue import BASE_VOICE, PERSONAS
from packing import IGNORED, batch_of
from tokens import encode_chats, load_tokenizer


@torch.no_grad()
def losses(model, rows):
    """[(summed negative log-likelihood, tokens)] of the answer in each row."""
    results = []
    for row in rows:
        batch = batch_of([[row]], len(row[0]))
        labels = batch.pop("labels")[0, 1:]
        logits = model(**batch).logits[0, :-1].float()
        loss = torch.nn.functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        results.append((loss.item(), int((labels != IGNORED).sum())))
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapters", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(options.base)
    voices = json.loads((options.base / "heldout.json").read_text("utf-8"))
    rows = {
        voice: encode_chats(
            tokenizer,
            [([*line["messages"], {"role": "assistant", "content": line["answer"]}], 0) for line in lines],
        )
        for voice, lines in voices.items()
    }
    base = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32).eval()
    table = {"base": {voice: losses(base, rows[voice]) for voice in voices}}
    model = PeftModel.from_pretrained(base, options.adapters / PERSONAS[0], adapter_name=PERSONAS[0]).eval()
    for persona in PERSONAS[1:]:
        model.load_adapter(options.adapters / persona, adapter_name=persona)
    for persona in PERSONAS:
        model.set_adapter(persona)
        table[persona] = {voice: losses(model, rows[voice]) for voice in voices}

    print("| lines of | " + " | ".join(table) + " | own is lowest |")
    print("|---" * (len(table) + 2) + "|")
    worst = 1.0
    for voice in voices:
        means = []
        for column in table.values():
            total, tokens = map(sum, zip(*column[voice]))
            means.append(f"{math.exp(total / tokens):.2f}")
        own = "base" if voice == BASE_VOICE else voice
        best = [min(table, key=lambda name: table[name][voice][line][0]) for line in range(len(rows[voice]))]
        share = best.count(own) / len(best)
        worst = min(worst, share) if own != "base" else worst
        print(f"| {voice} | " + " | ".join(means) + f" | {best.count(own)} of {len(best)} ({share:.0%}) |")
    sys.exit(0 if worst >= 0.9 else 1)


if __name__ == "__main__":
    main()
