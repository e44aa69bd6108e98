"""How often the line's command is found, on the held-out lines: the base with the prompt, with examples in it, and the base with the adapter.

    python3 evaluate.py ../../build/models/SmolLM2-135M-Instruct ../../adapters/smollm2/intents

Greedy, on the float32 weights. The same comparison with the engine, on the GGUF: accuracy.mjs.
"""

import argparse
import json
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoTokenizer, LlamaForCausalLM

import intents

MAX_TOKENS = 24


def prompt(line, examples):
    """Examples stand as turns of the chat before the line."""
    messages = [{"role": "system", "content": intents.read("system.txt").strip()}]
    for asked, answer in examples:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    return [*messages, {"role": "user", "content": line}]


@torch.no_grad()
def answers(model, tokenizer, lines, examples):
    """Greedy answers; the part that all prompts begin with is computed once."""
    texts = [tokenizer.apply_chat_template(prompt(line, examples), tokenize=False, add_generation_prompt=True) for line in lines]
    rows = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
    common = next(i for i in range(len(rows[0])) if len({row[i] for row in rows}) > 1)
    cache = model(torch.tensor([rows[0][:common]]), use_cache=True).past_key_values
    results = []
    for row in rows:
        ids, said = row[common:], []
        while len(said) < MAX_TOKENS:
            token = int(model(torch.tensor([ids]), past_key_values=cache, use_cache=True, logits_to_keep=1).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            said.append(token)
            ids = [token]
        cache.crop(common)
        results.append(tokenizer.decode(said))
    return results


def score(said, held):
    """(share with the right intent, share with the right intent and slots)"""
    parsed = [intents.parse(text) for text in said]
    whole = sum(found == wanted for found, (_, wanted) in zip(parsed, held))
    intent = sum(found is not None and found[0] == wanted[0] for found, (_, wanted) in zip(parsed, held))
    return intent / len(held), whole / len(held)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", type=Path)
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--json", type=Path, help="every answer to a file")
    parser.add_argument("--adapter-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    base = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32).eval()
    held, examples = intents.held_out(), intents.pairs("examples.tsv")
    lines = [line for line, _ in held]
    said = {}
    if not options.adapter_only:
        said["base, the prompt alone"] = answers(base, tokenizer, lines, [])
        said[f"base, {len(examples)} examples"] = answers(base, tokenizer, lines, examples)
    said["base with the adapter"] = answers(PeftModel.from_pretrained(base, options.adapter).eval(), tokenizer, lines, [])

    print(f"{len(held)} held-out lines, greedy, float32\n")
    print("| | intent | intent and slots |\n|---|---:|---:|")
    for label, texts in said.items():
        intent, whole = score(texts, held)
        print(f"| {label} | {intent:.1%} | {whole:.1%} |")
    if options.json:
        options.json.write_text(json.dumps([{"line": line, "wanted": intents.command(intent, slots.items()), **{k: v[i] for k, v in said.items()}}
                                            for i, (line, (intent, slots)) in enumerate(held)], indent=1))


if __name__ == "__main__":
    main()
