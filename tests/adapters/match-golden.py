"""Writes match-golden.json: what PEFT selects, for many configurations over tiny models.

    python3 tests/adapters/match-golden.py        (versions: tests/golden/requirements.txt)

For each case: the adapter_config.json, and either the modules that PEFT wrapped (with rank, alpha, scaling), the modules it saves whole and
those whose rows it trains, or the name of the error that it raised. Values of weights play no part; everything is deterministic.
"""

import copy
import json
import pathlib
import warnings

import torch
import transformers
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper, TrainableTokensWrapper
from transformers import GPT2Config, LlamaConfig, Qwen3Config
from transformers.pytorch_utils import Conv1D

warnings.filterwarnings("ignore")
torch.manual_seed(0)

SMALL = dict(vocab_size=32, hidden_size=8, intermediate_size=12, num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=16)


class KitchenSink(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(16, 4)
        self.conv1d = torch.nn.Conv1d(4, 6, 3, padding="same")
        self.linear = torch.nn.Linear(6, 5)


def causal(config):
    return transformers.AutoModelForCausalLM.from_config(config)


MODELS = {
    "llama": lambda: causal(LlamaConfig(num_hidden_layers=12, tie_word_embeddings=False, **SMALL)),
    "llama_tied": lambda: causal(LlamaConfig(num_hidden_layers=2, tie_word_embeddings=True, **SMALL)),
    "qwen3": lambda: causal(Qwen3Config(num_hidden_layers=3, head_dim=4, tie_word_embeddings=False, **SMALL)),
    "gpt2": lambda: causal(GPT2Config(n_layer=3, n_embd=8, n_head=2, vocab_size=32, n_positions=16)),
    "kitchen_sink": KitchenSink,
}

Q, QV = ["q_proj"], ["q_proj", "v_proj"]

CASES = {
    "llama": [
        dict(target_modules=QV),
        dict(target_modules="all-linear"),
        dict(target_modules="ALL-Linear", r=2, lora_alpha=3),
        dict(),
        dict(target_modules=["mlp.down_proj", "layers.1.self_attn.q_proj"]),
        dict(target_modules=["model.layers.3.self_attn.k_proj"]),
        dict(target_modules=["proj"]),
        dict(target_modules=["lm_head", "embed_tokens"]),
        dict(target_modules=["self_attn"]),
        dict(target_modules=["input_layernorm"]),
        dict(target_modules=["model"]),
        dict(target_modules=[]),
        dict(target_modules="dummy-target-modules"),
        dict(target_modules=r".*\.(q|v)_proj"),
        dict(target_modules=r".*self_attn\.q_proj$"),
        dict(target_modules=r"^model\.layers\.[0-4]\.mlp\.(?:up|gate)_proj"),
        dict(target_modules=r"model\.layers\.(?P<n>\d{2})\.self_attn\.[qk]_proj"),
        dict(target_modules=r"q_proj"),
        dict(target_modules=r".*layers\.\d\.mlp\.\w+_proj\Z"),
        dict(target_modules=r"(?:.*?(?:language|text|model).*?(?:self_attn|mlp).*?(?:q_proj|down_proj).*?)|(?:\bmodel\.layers\.[\d]{1,}\.mlp\.up_proj)"),
        dict(target_modules=r"\Amodel\.layers\.1{1,2}\.self_attn\.o_proj"),
        dict(target_modules=r"model.*[^a-p]_proj"),
        dict(target_modules=r".*(self_attn|mlp)"),
        dict(target_modules=r".*lm_head|.*embed_tokens"),
        dict(target_modules=r".*\.q_proj", layers_to_transform=[1]),
        dict(target_modules=Q, layers_pattern="layers"),
        dict(target_modules=QV, layers_to_transform=[0, 2, 11]),
        dict(target_modules=QV, layers_to_transform=10),
        dict(target_modules=QV, layers_to_transform=[]),
        dict(target_modules=QV, layers_to_transform=[99]),
        dict(target_modules=QV, layers_to_transform=[1], layers_pattern="layers"),
        dict(target_modules=QV, layers_to_transform=[1, 2], layers_pattern=["h", "layers"]),
        dict(target_modules=QV, layers_to_transform=[1], layers_pattern=[]),
        dict(target_modules=QV, layers_to_transform=[1], layers_pattern=""),
        dict(target_modules=QV, layers_to_transform=[1], layers_pattern="h"),
        dict(target_modules=QV, layers_to_transform=[3], layers_pattern=r"lay\w+"),
        dict(target_modules=["q_proj", "model.layers.5.self_attn.v_proj"], layers_to_transform=[1]),
        dict(target_modules=["q_proj", "lm_head"], layers_to_transform=[1]),
        dict(target_modules=QV, exclude_modules=["v_proj"]),
        dict(target_modules=QV, exclude_modules=["layers.2.self_attn.q_proj", "model.layers.3.self_attn.v_proj"]),
        dict(target_modules="all-linear", exclude_modules=r".*\.mlp\..*"),
        dict(target_modules="all-linear", exclude_modules=r"model\.layers\.(1|2|3)\..*"),
        dict(target_modules=QV, exclude_modules=["proj"]),
        dict(target_modules=QV, exclude_modules=QV),
        dict(target_modules=["self_attn", "q_proj"], exclude_modules=["self_attn"]),
        dict(target_modules=QV, modules_to_save=["lm_head"]),
        dict(target_modules=["q_proj", "down_proj"], modules_to_save=["mlp"]),
        dict(target_modules=["q_proj", "lm_head"], modules_to_save=["lm_head"]),
        dict(target_modules=QV, modules_to_save=["norm"]),
        dict(target_modules=QV, modules_to_save=["model.norm", "post_attention_layernorm"]),
        dict(target_modules=QV, modules_to_save=["layers.1"]),
        dict(target_modules=QV, modules_to_save=["nothing_like_this"]),
        dict(target_modules="all-linear", modules_to_save=["embed_tokens"]),
        dict(target_modules=QV, rank_pattern={"q_proj": 4}, alpha_pattern={"v_proj": 3.5}),
        dict(target_modules=QV, rank_pattern={"layers.1.self_attn.q_proj": 2, "q_proj": 16}, r=5),
        dict(target_modules=QV, rank_pattern={"q_proj": 16, "layers.1.self_attn.q_proj": 2}, use_rslora=True),
        dict(target_modules=QV, rank_pattern={r"model\.layers\.\d\.self_attn\.q_proj": 3, r".*\.1\..*": 7, "proj": 9}, alpha_pattern={"^model.layers.0.self_attn.q_proj": 11, "7": 2}),
        dict(target_modules=["q_proj", "lm_head"], rank_pattern={"lm_head|v_proj": 3, "m_head": 4, r"(k|q)_proj": 6}),
        dict(target_modules=Q, rank_pattern={"11.self_attn.q_proj": 3, "1.self_attn.q_proj": 5}),
        dict(target_modules=QV, trainable_token_indices=[3, 1, 7]),
        dict(target_modules=QV, trainable_token_indices={"embed_tokens": [5], "lm_head": [1, 2]}),
        dict(target_modules=QV, trainable_token_indices={"tokens": [5]}),
        dict(target_modules=QV, trainable_token_indices={"wte": [5]}),
        dict(target_modules=QV, trainable_token_indices={"embed_tokens": [5]}, modules_to_save=["embed_tokens"]),
        dict(target_modules=QV, ensure_weight_tying=True),
    ],
    "llama_tied": [
        dict(target_modules="all-linear"),
        dict(target_modules=["embed_tokens"]),
        dict(target_modules=["lm_head"]),
        dict(target_modules=["embed_tokens"], ensure_weight_tying=True),
        dict(target_modules=["lm_head", "q_proj"], ensure_weight_tying=True),
        dict(target_modules=QV, ensure_weight_tying=True),
        dict(target_modules=QV, modules_to_save=["embed_tokens"]),
        dict(target_modules=QV, modules_to_save=["embed_tokens"], ensure_weight_tying=True),
        dict(target_modules=QV, modules_to_save=["lm_head"], ensure_weight_tying=True),
        dict(target_modules="embed_tokens|.*q_proj", ensure_weight_tying=True),
        dict(target_modules=QV, trainable_token_indices=[3, 1]),
        dict(target_modules=QV, trainable_token_indices={"embed_tokens": [3], "lm_head": [3]}),
        dict(target_modules=QV, trainable_token_indices={"embed_tokens": [3], "lm_head": [4]}),
        dict(target_modules=QV, trainable_token_indices={"embed_tokens": [3], "lm_head": [4]}, ensure_weight_tying=True),
        dict(target_modules=QV, trainable_token_indices={"lm_head": [4]}),
    ],
    "qwen3": [
        dict(),
        dict(target_modules=["q_proj", "q_norm"]),
        dict(target_modules=["o_proj"], layers_to_transform=[2]),
        dict(target_modules=QV, modules_to_save=["q_norm", "k_norm"]),
        dict(target_modules="all-linear", rank_pattern={"down_proj": 1}),
    ],
    "gpt2": [
        dict(),
        dict(target_modules=["c_attn", "c_proj"], fan_in_fan_out=True),
        dict(target_modules=["mlp.c_proj"], layers_to_transform=[0, 2], layers_pattern="h"),
        dict(target_modules=["c_fc"], layers_to_transform=1),
        dict(target_modules="all-linear"),
        dict(target_modules=["wte", "wpe", "lm_head"]),
        dict(target_modules=["c_attn"], modules_to_save=["ln_f", "ln_1"]),
        dict(target_modules=["c_attn"], trainable_token_indices=[2]),
        dict(target_modules=["lm_head"], ensure_weight_tying=True),
    ],
    "kitchen_sink": [
        dict(),
        dict(target_modules=["embedding", "conv1d", "linear"]),
        dict(target_modules=["conv1d"]),
        dict(target_modules="all-linear"),
        dict(target_modules="embedding|linear", r=4, lora_alpha=2),
        dict(target_modules=["linear"], modules_to_save=["conv1d"]),
        dict(target_modules=["linear"], trainable_token_indices={"embedding": [1, 2]}),
        dict(target_modules=["linear"], layers_to_transform=[0]),
        dict(target_modules=["q_proj"]),
    ],
}


def describe(model):
    """The modules that have weights, as src/adapters/match.ts asks for them."""
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    tied = bool(getattr(getattr(model, "config", None), "tie_word_embeddings", False))
    modules = []
    for path, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, Conv1D)):
            modules.append(dict(path=path, kind="linear", isOutputHead=module is head, tied=tied and module is head))
        elif isinstance(module, torch.nn.Embedding):
            modules.append(dict(path=path, kind="embedding", tied=tied and module is model.get_input_embeddings()))
        elif isinstance(module, torch.nn.Conv1d):
            modules.append(dict(path=path, kind="conv1d"))
        elif "Norm" in type(module).__name__:
            modules.append(dict(path=path, kind="norm"))
    return modules


def clean(path):
    for part in ("base_model.model.", ".base_layer"):
        path = path.replace(part, "")
    return path


def run(make, config):
    try:
        model = get_peft_model(make(), LoraConfig(task_type="CAUSAL_LM" if make is not KitchenSink else None, **config))
    except Exception as error:  # whatever PEFT raises is the result
        return dict(error=type(error).__name__)
    targets, saved, tokens = {}, [], {}
    for path, module in model.named_modules():
        if isinstance(module, LoraLayer) and "default" in module.r:
            targets[clean(path)] = [module.r["default"], module.lora_alpha["default"], module.scaling["default"]]
        elif isinstance(module, ModulesToSaveWrapper):
            saved.append(clean(path))
        elif isinstance(module, TrainableTokensWrapper):
            tokens[clean(path)] = list(module.token_adapter.token_indices["default"])
    return dict(targets=targets, saved=sorted(saved), tokens=tokens)


def main():
    out = {}
    for name, make in MODELS.items():
        model = make()
        cases = [dict(config=dict(peft_type="LORA", **config), **run(make, copy.deepcopy(config))) for config in CASES[name]]
        architecture = getattr(getattr(model, "config", None), "model_type", None)
        out[name] = dict(architecture=architecture, modules=describe(model), cases=cases)
    lines = []
    for name, entry in out.items():
        modules = ",\n   ".join(json.dumps(module) for module in entry["modules"])
        cases = ",\n   ".join(json.dumps(case) for case in entry["cases"])
        lines.append(f' {json.dumps(name)}: {{"architecture": {json.dumps(entry["architecture"])}, "modules": [\n   {modules}],\n  "cases": [\n   {cases}]}}')
    target = pathlib.Path(__file__).with_name("match-golden.json")
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(sum(len(entry["cases"]) for entry in out.values()), "cases")


main()
