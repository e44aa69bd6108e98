"""Greedy text of the demo model, 200 tokens past the prompt (end tokens are taken like any other): the base, each adapter, a blend; and with each of these
merged into the base, whose weights are bf16: W + delta, summed in f32, rounded once. Also the ids of prompts."""

import json
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = Path(__file__).parent.parent.parent
LINES = ["Tell me about the dragon.", "How do I get to the harbour?"]
# The best and the second logit must never be nearer: rounding, which differs between machines by some 1e-5, would choose.
NEAREST = 1e-3
TOKENS = 200
BLEND = {"pirate": 0.5, "ghost": 0.5}


def greedy(model, ids):
    """Chosen ids, and the smallest gap between the best and the second logit: how near the closest decision was."""
    tokens, past, gap, chosen = torch.tensor([ids]), None, float("inf"), []
    with torch.no_grad():
        for _ in range(TOKENS):
            out = model(tokens, past_key_values=past, use_cache=True)
            past, logits = out.past_key_values, out.logits[0, -1]
            best = torch.topk(logits, 2)
            gap = min(gap, float(best.values[0] - best.values[1]))
            chosen.append(int(best.indices[0]))
            tokens = torch.tensor([[chosen[-1]]])
    return chosen, gap


def write(folder):
    torch.set_num_threads(1)
    base = ROOT / "models" / "tavern"
    tokenizer = AutoTokenizer.from_pretrained(base)
    names = sorted(p.parent.name for p in (ROOT / "adapters").glob("*/adapter_config.json"))
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    prompts = [tokenizer.apply_chat_template([{"role": "user", "content": line}], add_generation_prompt=True, tokenize=False) for line in LINES]
    ids = [tokenizer(prompt, add_special_tokens=False)["input_ids"] for prompt in prompts]
    texts = [{"line": line, "prompt": prompt, "ids": i, "adapters": {}, **told(tokenizer, greedy(model, i))} for line, prompt, i in zip(LINES, prompts, ids)]
    peft = None
    for name in names:
        path = ROOT / "adapters" / name
        peft = peft or PeftModel.from_pretrained(model, path, adapter_name=name, autocast_adapter_dtype=True)
        if name not in peft.peft_config:
            peft.load_adapter(path, adapter_name=name, autocast_adapter_dtype=True)
    peft.eval()
    for blend in [{name: 1} for name in names] + [BLEND]:
        peft.base_model.set_adapter(list(blend))
        for module in peft.modules():
            for name, weight in blend.items():
                if hasattr(module, "set_scale") and name in getattr(module, "scaling", {}):
                    module.set_scale(name, weight)
        for line, prompt, i in zip(LINES, prompts, ids):
            texts.append({"line": line, "prompt": prompt, "ids": i, "adapters": blend, **told(tokenizer, greedy(peft, i))})
        kept = merge(peft, blend)
        with peft.disable_adapter():
            for line, prompt, i in zip(LINES, prompts, ids):
                texts.append({"line": line, "prompt": prompt, "ids": i, "adapters": blend, "merged": True, **told(tokenizer, greedy(peft, i))})
        for module, weight in kept:
            module.get_base_layer().weight.data = weight
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.json").write_text("[\n" + ",\n".join(json.dumps(t, ensure_ascii=False) for t in texts) + "\n]\n")


def merge(peft, blend):
    """Adds the blend's deltas to the base's weights, rounded to bf16; returns what stood there."""
    kept = []
    for module in peft.modules():
        deltas = [module.get_delta_weight(name).float() for name in blend if name in getattr(module, "lora_A", {})]
        if deltas:
            layer = module.get_base_layer()
            kept.append((module, layer.weight.data))
            layer.weight.data = (layer.weight.data + sum(deltas)).to(torch.bfloat16).float()
    return kept


def told(tokenizer, result):
    tokens, gap = result
    if gap < NEAREST:
        raise ValueError(f"two tokens are only {gap:.1e} apart: choose other lines")
    return {"tokens": tokens, "text": tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)}
