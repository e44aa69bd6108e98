"""The cases: tokens and a set of adapters with scales -> logits of transformers + PEFT, in f32 on the CPU."""

import json

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.variants import calculate_alora_offsets
from safetensors.torch import save_file

import draw
import models
from adapters import ADAPTERS, placements

# Adapters whose own case is taken at another scale too, and sets that are active together, in this order.
BLENDS = {
    "llama": [
        dict(qv=0.5), dict(all=-0.7), dict(patterns=0.5), dict(lora_bias=-0.7), dict(dora=0.5), dict(dora_rslora=-0.7),
        dict(dora_embed=0.5), dict(embed=-0.7), dict(save_head=0.5), dict(save_embed=0.5), dict(tokens=0.5), dict(alora=0.5),
        dict(qv=1, all=1), dict(qv=0.8, rslora=0.5, regex=-0.7), dict(all=0.3, patterns=1.5), dict(lora_bias=1, all=0.5),
        dict(dora=1, qv=1), dict(dora=0.5, all=-0.7, lora_bias=1), dict(embed=1, head=0.5), dict(embed=0.6, embed_head_qv=0.4),
        dict(dora_embed=1, embed=0.5), dict(save_head=1, all=0.5), dict(save_head=1, save_norms=0.5), dict(save_embed=1, save_head=1, all=0.5),
        dict(head=1, all=-0.7, tokens=1), dict(alora=1, qv=0.5), dict(f16=1, bf16=1), dict(qv=1e-3), dict(qv=40),
    ],
    "llama3": [dict(qv=0.5, all=0.5)],
    "llama_old": [dict(all=-0.7), dict(bias_all=0.5), dict(bias_lora_only=1, all=0.5), dict(dora=1, lora_bias=0.5)],
    "llama_tied": [dict(embed=0.5), dict(head=-0.7), dict(embed_ensure=0.5), dict(qv_bf16=1, embed=1), dict(embed=1, head=1), dict(qv_bf16=0.5, tokens=1)],
    "llama_f16": [dict(qv_f16=0.5), dict(qv_f16=1, all=-0.7), dict(dora=1, all=0.5)],
    "mistral": [dict(all=0.5, by_architecture=1)],
    "qwen2": [dict(all=-0.7), dict(bias_lora_only=0.5), dict(bias_all=1, all=0.5), dict(lora_bias=0.5, all=0.5), dict(dora=1, all=1)],
    "qwen3": [dict(all=0.5), dict(all=0.5, by_architecture=1), dict(save_qk_norms=1, all=-0.7)],
    "gemma3": [dict(all=0.5), dict(embed=-0.7), dict(dora_embed=0.5), dict(all=1, embed=1), dict(all=0.5, tokens=1)],
    "gemma2": [dict(all=0.5, embed=1)],
    "gpt2": [dict(c_attn=0.5), dict(dora=-0.7), dict(c_attn=1, all=0.5), dict(dora=1, all=0.5, wte=1), dict(bias_all=1, all=0.5), dict(lora_bias=0.5)],
    "kitchen_sink": [
        dict(everything=0.5), dict(conv1d=-0.7), dict(dora=0.5), dict(lora_bias=0.5), dict(embedding=1, conv1d=1, linear=1),
        dict(everything=0.5, conv1d_linear=0.5), dict(dora=1, everything=0.5), dict(only_conv1d=1, only_linear=1), dict(bias_all=1, everything=1),
        dict(rslora=0.5, lora_bias=-0.7), dict(conv1d_linear=1, tokens=1), dict(save_conv1d=1, only_embedding=0.5),
    ],
    "kitchen_sink_even": [dict(everything=0.5, conv1d=-0.7)],
}

# PEFT takes no key of these (they are spelled in another way than its own); their tensors are those of the adapter named.
SAME_AS = {"no_prefix": "qv", "orig_mod": "qv", "bias_plain_key": "bias_lora_only"}

# The aLoRA looks for [11, 12], which the ordinary tokens do not hold.
ALORA_TOKENS = {
    "once": [4, 9, 33, 11, 12, 50, 7, 2],
    "twice": [4, 11, 12, 33, 8, 11, 12, 50, 7, 2],
    "at_the_end": [4, 9, 33, 50, 11, 12],
    "broken_then_whole": [4, 11, 11, 12, 9, 12, 11],
    "unfinished_at_the_end": [4, 9, 33, 50, 12, 11],
}


def table(name):
    """(case name, tokens, adapters with scales, note) of a model."""
    model_vocabulary = models.MODELS[name][1]["vocab_size"]

    def tokens(count):
        return draw.tokens(f"{name}/tokens/{count}", count, model_vocabulary)

    # Among the ordinary tokens are those whose rows some adapters replace.
    ordinary = [3, 17, 40, 5] + tokens(9)
    rows = [("base", ordinary, {}, ""), ("base_one_token", tokens(1), {}, ""), ("base_long", tokens(23), {}, "")]
    rows += [(adapter, ordinary, {adapter: 1}, "") for adapter in ADAPTERS[name]]
    for blend in BLENDS.get(name, []):
        title = "+".join(adapter if scale == 1 else f"{adapter}*{scale:g}" for adapter, scale in blend.items())
        row_tokens = ALORA_TOKENS["once"] if "alora" in blend else ordinary
        rows.append((title, row_tokens, blend, "the DoRA adapter first" if len(blend) > 1 and "dora" in title else ""))
    if "alora" in ADAPTERS[name]:
        rows += [(f"alora_{title}", tokens, {"alora": 1}, f"invocation tokens: {title}") for title, tokens in ALORA_TOKENS.items()]
        rows.append(("alora_twice+qv*0.5", ALORA_TOKENS["twice"], {"alora": 1, "qv": 0.5}, "qv applies everywhere"))
    return rows


@torch.no_grad()
def logits(model_folder, tokens, blend):
    """[T, V] of one sequence, each adapter's scaling multiplied by its scale. Also where PEFT put the adapters."""
    model = models.load(model_folder)
    arguments, placed = {}, {}
    input_ids = torch.tensor([tokens])
    if blend:
        # PEFT takes an adapter's name for a module's when it ends like one (save_conv1d), so it gets neutral ones.
        folders = {f"slot{i}": SAME_AS.get(adapter, adapter) for i, adapter in enumerate(blend)}
        for slot, folder in folders.items():
            path = model_folder / "adapters" / folder
            if slot == "slot0":
                model = PeftModel.from_pretrained(model, path, adapter_name=slot)
            else:
                model.load_adapter(path, adapter_name=slot)
        placed = dict(zip(blend, (placements(model)[slot] for slot in folders)))
        model.base_model.set_adapter(list(folders))
        scales = dict(zip(folders, blend.values()))
        for module in model.modules():
            if isinstance(module, LoraLayer):
                for slot in module.scaling:
                    module.scaling[slot] *= scales[slot]
        if any(model.peft_config[slot].alora_invocation_tokens for slot in folders):
            arguments["alora_offsets"] = calculate_alora_offsets(model.peft_config, "slot0", input_ids)
    output = model.eval()(input_ids, **arguments)
    return getattr(output, "logits", output)[0].float().contiguous(), placed


def write(model_folder):
    name = model_folder.name
    cases, golden, where = [], {}, {}
    for title, tokens, blend, note in table(name):
        result, placed = logits(model_folder, tokens, blend)
        base = logits(model_folder, tokens, {})[0]
        check(f"{name}/{title}", result, base, blend)
        golden[title] = result
        where |= placed
        case = dict(name=title, tokens=tokens, adapters=blend, logits=title)
        if any(adapter.startswith("only_") for adapter in blend):
            case["selective"] = True
        cases.append(case | (dict(note=note) if note else {}))
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    (model_folder / "cases.json").write_text(f"[\n{lines}\n]\n")
    lines = ",\n".join(f"  {json.dumps(adapter)}: {json.dumps(modules)}" for adapter, modules in where.items())
    (model_folder / "placements.json").write_text(f"{{\n{lines}\n}}\n")
    save_file(golden, model_folder / "golden.safetensors")


def check(title, result, base, blend):
    """A golden is worth its bytes only if the logits are of ordinary size and the adapters move them."""
    size, moved = base.abs().max().item(), (result - base).abs().max().item()
    assert 0.3 < size < 30, f"{title}: base logits up to {size}"
    assert torch.isfinite(result).all(), title
    is_still = title.endswith(("/alora", "unfinished_at_the_end"))
    assert (moved == 0) == (not blend or is_still), f"{title}: moved by {moved}"
    assert moved == 0 or moved > 1e-3, f"{title}: moved by {moved}"
