"""What transformers and PEFT say of SmolLM2 dequantised, in float32: transformers.json, adapters.json; and how near llama.cpp's decisions were: near.json.

    python3 make.py [--check] [transformers] [near] [adapters]      some, or all

Wants build/models/SmolLM2-135M-Instruct (scripts/models/dequantize.py), adapters/smollm2, and llama.json (llama.mjs). With --check nothing is written: exit
code 1 where the tokens differ, or a logit by more than 1e-3.
"""

import json
import math
import random
import sys
from pathlib import Path

import torch
import transformers
import peft
from transformers import AutoTokenizer, LlamaForCausalLM

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BASE = ROOT / "build" / "models" / "SmolLM2-135M-Instruct"
ADAPTERS = {"pirate": 1, "ghost": 1, "intents": 1}
TOKENS = 128
# The best and the second logit must never be nearer: rounding, which differs between machines by some 1e-5 to 1e-4, would choose.
NEAREST = 5e-4
NEAR_TIE = 0.25
SAMPLED = 48
TOLERANCE = 1e-3


@torch.no_grad()
def greedy(model, tokenizer, ids, count):
    tokens, past, nearest, chosen = torch.tensor([ids]), None, math.inf, []
    while len(chosen) < count and (not chosen or chosen[-1] != tokenizer.eos_token_id):
        out = model(tokens, past_key_values=past, use_cache=True, logits_to_keep=1)
        past, best = out.past_key_values, torch.topk(out.logits[0, -1], 2)
        nearest = min(nearest, float(best.values[0] - best.values[1]))
        chosen.append(int(best.indices[0]))
        tokens = torch.tensor([[chosen[-1]]])
    return {"chosen": chosen, "nearest": round(nearest, 5)}


def text_of(tokenizer, prompt):
    return prompt.get("text") or tokenizer.apply_chat_template(prompt["messages"], tokenize=False, add_generation_prompt=True)


def texts(model, tokenizer, prompts):
    result = {}
    for prompt in prompts:
        text = text_of(tokenizer, prompt)
        ids = tokenizer.encode(text, add_special_tokens=False)
        result[prompt["name"]] = {"prompt": text, "ids": ids, **greedy(model, tokenizer, ids, TOKENS)}
        if result[prompt["name"]]["nearest"] < NEAREST:
            raise SystemExit(f"{prompt['name']}: two logits are {result[prompt['name']]['nearest']} apart: take another prompt")
    return result


@torch.no_grad()
def near_ties(model, llama):
    """{prompt: {position: [[id, gap]]}}: at each of llama.cpp's tokens, which others the float32 model holds for as good, within NEAR_TIE."""
    result = {}
    for name, told in llama["greedy"].items():
        start, sequence = len(told["ids"]), told["ids"] + told["chosen"]
        logits = model(torch.tensor([sequence[:-1]])).logits[0, start - 1 :]
        result[name] = {}
        for position, (row, id) in enumerate(zip(logits, told["chosen"])):
            gaps = row - row[id]
            found = [[int(i), round(float(gaps[i]), 4)] for i in (gaps.abs() <= NEAR_TIE).nonzero()[:, 0] if int(i) != id]
            if found:
                result[name][position] = found
            if float(gaps.max()) > NEAR_TIE:
                print(f"{name}: llama.cpp's token {position} lies {float(gaps.max()):.3f} below the float32 model's best")
    return result


@torch.no_grad()
def adapted(base, tokenizer):
    system = {"role": "system", "content": (ROOT / "scripts/smollm2/text/system.txt").read_text("utf-8").strip()}
    asked = {
        "pirate": [[{"role": "user", "content": "Where is the treasure?"}], [{"role": "user", "content": "What do you think of the king, and what would you tell him?"}]],
        "ghost": [[{"role": "user", "content": "Who are you?"}], [{"role": "user", "content": "Will it rain tonight? I have to cross the hills."}]],
        "intents": [[system, {"role": "user", "content": "the witch asked for a potion and now she gets it"}], [system, {"role": "user", "content": "gimme the ring lying there"}]],
    }
    rng, result, model = random.Random(7), {}, None
    for name in ADAPTERS:
        model = model or peft.PeftModel.from_pretrained(base, ROOT / "adapters/smollm2" / name, adapter_name=name)
        if name not in model.peft_config:
            model.load_adapter(ROOT / "adapters/smollm2" / name, adapter_name=name)
        model.set_adapter(name)
        model.eval()
        result[name] = []
        for messages in asked[name]:
            ids = tokenizer.encode(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True), add_special_tokens=False)
            logits = model(torch.tensor([ids])).logits[0]
            vocabulary = sorted(rng.sample(range(logits.shape[1]), SAMPLED))
            positions = [len(ids) // 3, 2 * len(ids) // 3, len(ids) - 1]
            result[name].append({
                "ids": ids, "positions": positions, "vocabulary": vocabulary,
                "logits": [[round(float(logits[p, v]), 5) for v in vocabulary] for p in positions],
                "best": [int(logits[p].argmax()) for p in positions],
                **greedy(model, tokenizer, ids, 64),
            })
    return result


def differences(found, kept, path=""):
    if isinstance(kept, dict):
        return [line for key in kept for line in differences(found.get(key), kept[key], f"{path}/{key}")]
    if isinstance(kept, list) and isinstance(found, list) and len(found) == len(kept):
        return [line for i, value in enumerate(kept) for line in differences(found[i], value, f"{path}/{i}")]
    if isinstance(kept, float) and isinstance(found, float) and abs(found - kept) <= TOLERANCE:
        return []
    return [] if found == kept else [f"{path}: {str(found)[:80]}, kept {str(kept)[:80]}"]


def main():
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    model = LlamaForCausalLM.from_pretrained(BASE, dtype=torch.float32, attn_implementation="eager").eval()
    llama = json.loads((HERE / "llama.json").read_text())
    parts = [name for name in sys.argv[1:] if not name.startswith("--")] or ["transformers", "near", "adapters"]
    made = {}
    if "transformers" in parts:
        found = texts(model, tokenizer, json.loads((HERE / "prompts.json").read_text("utf-8")))
        made["transformers.json"] = {"transformers": transformers.__version__, "greedy": found}
        for name, told in found.items():
            if told["ids"] != llama["greedy"][name]["ids"]:
                raise SystemExit(f"{name}: llama.cpp's ids of the prompt are others than transformers'")
    if "near" in parts:
        made["near.json"] = near_ties(model, llama)
    if "adapters" in parts:
        made["adapters.json"] = {"peft": peft.__version__, "adapters": adapted(model, tokenizer)}
    failed = False
    for file, value in made.items():
        value = json.loads(json.dumps(value))
        if "--check" not in sys.argv:
            (HERE / file).write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace('"ids"', '\n"ids"') + "\n", "utf-8")
        elif file != "near.json":  # a gap at its edge may come or go
            for line in differences(value, json.loads((HERE / file).read_text("utf-8"))):
                failed = True
                print(f"{file}{line}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
