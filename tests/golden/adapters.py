"""The adapters: a table by model, and one way to make them: PEFT builds and saves, the weights come from draw.py.

An entry is the arguments of LoraConfig; keys in capitals are ours:
  DTYPE   dtype of the tensors in the file
  EDIT    fields of adapter_config.json rewritten after saving (what PEFT resolves before it saves: "all-linear", null)
  KEYS    how each key of the file is rewritten after saving
  SAVE    arguments of save_pretrained
  TENSORS the adapter whose tensors file is taken, byte for byte
"""

import json
import math
import shutil

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

import models
from draw import of_std, uniform

ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
MLP = ["gate_proj", "up_proj", "down_proj"]
LINEAR = ATTENTION + MLP
# The pattern that Unsloth writes into its adapters of text models.
UNSLOTH = (
    r"(?:.*?(?:language|text).*?(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense).*?"
    r"(?:k_proj|v_proj|q_proj|out_proj|fc1|fc2|o_proj|gate_proj|up_proj|down_proj|correct|in_proj).*?)"
    r"|(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|attention|attn|mlp|feed_forward|ffn|dense)\.(?:(?:q_proj|k_proj|down_proj)))"
)
QV = dict(target_modules=["q_proj", "v_proj"], r=4, lora_alpha=8)

ADAPTERS = {
    "llama": {
        "qv": QV,
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "rslora": dict(target_modules=ATTENTION, r=5, lora_alpha=3, use_rslora=True),
        # The first match in file order wins, and PEFT's file is sorted by key: layer 0's q_proj takes rank 2, not 6.
        "patterns": dict(
            target_modules=["q_proj", "k_proj", "down_proj"], r=4, lora_alpha=6,
            rank_pattern={"layers.0.self_attn.q_proj": 2, "q_proj": 6, r"model\.layers\.\d+\.mlp\.down_proj": 1},
            alpha_pattern={r".*\.2\.mlp\..*": 2.5, "q_proj": 3, "proj": 50, "down_proj": 1.5},
        ),
        # The file may be unsorted: then layer 0's q_proj takes 3.
        "patterns_unsorted": dict(
            target_modules=["q_proj"], r=4, lora_alpha=6, alpha_pattern={r"^model\.layers\.1\..*": 9},
            rank_pattern={"q_proj": 3, "layers.0.self_attn.q_proj": 2},
            EDIT=dict(rank_pattern={"q_proj": 3, "layers.0.self_attn.q_proj": 2}),
        ),
        "patterns_rslora": dict(
            target_modules=MLP, r=4, lora_alpha=3, use_rslora=True, rank_pattern={"up_proj": 2}, alpha_pattern={r"layers\.[01]\..*": 1.5}
        ),
        "regex": dict(target_modules=r"model\.layers\.(0|2)\.(self_attn\.(q|o)_proj|mlp\.up_proj)", r=2, lora_alpha=4),
        "regex_of_unsloth": dict(target_modules=UNSLOTH, r=2, lora_alpha=3),
        "exact": dict(target_modules=["model.layers.1.self_attn.o_proj", "model.layers.0.mlp.gate_proj"], r=2, lora_alpha=6),
        "partial_path": dict(target_modules=["self_attn.q_proj", "1.mlp.down_proj"], r=2, lora_alpha=6),
        "all_linear": dict(target_modules="all-linear", r=2, lora_alpha=3, EDIT=dict(target_modules="all-linear")),
        "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None)),
        "exclude_list": dict(
            target_modules=LINEAR, exclude_modules=["mlp.down_proj", "model.layers.0.self_attn.q_proj"], r=2, lora_alpha=3
        ),
        "exclude_regex": dict(target_modules=LINEAR, exclude_modules=r".*\.layers\.[01]\.mlp\..*", r=2, lora_alpha=3),
        "layer_1": dict(target_modules=ATTENTION, layers_to_transform=1, r=2, lora_alpha=4),
        "layers_02": dict(target_modules=MLP, layers_to_transform=[0, 2], layers_pattern="layers", r=2, lora_alpha=4),
        "layers_pattern_list": dict(target_modules=MLP, layers_to_transform=[1], layers_pattern=["h", "layers"], r=2, lora_alpha=4),
        # An exact path is taken whatever layers_to_transform says; the suffix obeys it.
        "exact_beside_layers": dict(
            target_modules=["model.layers.2.self_attn.q_proj", "v_proj"], layers_to_transform=[0], r=2, lora_alpha=4
        ),
        "lora_bias": dict(target_modules=["o_proj", "up_proj"], r=3, lora_alpha=4, lora_bias=True),
        "dora": dict(target_modules=["q_proj", "down_proj"], r=4, lora_alpha=6, use_dora=True),
        "dora_weight_key": dict(
            target_modules=["q_proj", "down_proj"], r=4, lora_alpha=6, use_dora=True, TENSORS="dora",
            KEYS=lambda key: key + ".weight" if key.endswith("magnitude_vector") else key,
        ),
        "dora_rslora": dict(target_modules=LINEAR, r=2, lora_alpha=2, use_dora=True, use_rslora=True),
        "dora_embed": dict(target_modules=["embed_tokens", "v_proj"], r=3, lora_alpha=4, use_dora=True),
        "dora_head": dict(target_modules=["lm_head"], r=3, lora_alpha=4, use_dora=True),
        "embed": dict(target_modules=["embed_tokens"], r=3, lora_alpha=4),
        "head": dict(target_modules=["lm_head"], r=3, lora_alpha=4),
        "embed_head_qv": dict(target_modules=["embed_tokens", "lm_head", "q_proj", "v_proj"], r=2, lora_alpha=3),
        "save_head": dict(QV, modules_to_save=["lm_head"]),
        "save_norms": dict(QV, modules_to_save=["model.norm", "input_layernorm"]),
        # modules_to_save match any path that ends so, without a dot: all seven norms.
        "save_every_norm": dict(QV, modules_to_save=["norm"]),
        "save_embed": dict(QV, modules_to_save=["embed_tokens"]),
        "save_linear": dict(target_modules=LINEAR, r=2, lora_alpha=3, modules_to_save=["0.mlp.up_proj"]),
        "tokens": dict(QV, trainable_token_indices=[3, 17, 40]),
        "tokens_head": dict(QV, trainable_token_indices={"embed_tokens": [5, 3], "lm_head": [9, 60, 2]}),
        "alora": dict(target_modules=LINEAR, r=3, lora_alpha=4, alora_invocation_tokens=[11, 12]),
        "dropout": dict(QV, lora_dropout=0.3),
        "regex_look": dict(target_modules=r"(?!.*\.0\.mlp)(?=.*layers).*(?<!down)_proj", r=2, lora_alpha=3),
        "regex_any_case": dict(target_modules=r"(?i).*\.(Q|UP)_PROJ", r=2, lora_alpha=3),
        # The base's own embedding and head beside an adapter that doesn't touch them
        "embeddings_beside": dict(QV, SAVE=dict(save_embedding_layers=True)),
        "embeddings_beside_saved": dict(QV, modules_to_save=["lm_head"], SAVE=dict(save_embedding_layers=True)),
        "embeddings_beside_tokens": dict(QV, trainable_token_indices=[3, 17], SAVE=dict(save_embedding_layers=True)),
        "f16": dict(target_modules=LINEAR, r=2, lora_alpha=3, DTYPE=torch.float16),
        "bf16": dict(target_modules=LINEAR, r=2, lora_alpha=3, DTYPE=torch.bfloat16),
        "no_prefix": dict(QV, TENSORS="qv", KEYS=lambda key: key.removeprefix("base_model.model.")),
        "orig_mod": dict(QV, TENSORS="qv", KEYS=lambda key: key.replace("base_model.model.", "base_model.model._orig_mod.")),
    },
    "llama3": {
        "qv": QV,
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
    },
    "llama_old": {
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "lora_bias": dict(target_modules=LINEAR, r=2, lora_alpha=3, lora_bias=True),
        "bias_lora_only": dict(target_modules=["q_proj", "down_proj"], r=2, lora_alpha=3, bias="lora_only"),
        "bias_all": dict(target_modules=["q_proj", "down_proj"], r=2, lora_alpha=3, bias="all"),
        "dora": dict(target_modules=LINEAR, r=2, lora_alpha=3, use_dora=True),
    },
    "llama_tied": {
        "qv_bf16": dict(QV, DTYPE=torch.bfloat16),
        "embed": dict(target_modules=["embed_tokens"], r=3, lora_alpha=4),
        "embed_ensure": dict(target_modules=["embed_tokens"], r=3, lora_alpha=4, ensure_weight_tying=True),
        "head": dict(target_modules=["lm_head"], r=3, lora_alpha=4),
        # A bf16 base, trained on in f16: the weight beside is the base's but for values below f16's range.
        "embed_f16": dict(target_modules=["embed_tokens"], r=3, lora_alpha=4, DTYPE=torch.float16),
        "embed_and_head": dict(target_modules=["embed_tokens", "lm_head"], r=2, lora_alpha=3),
        "dora_embed": dict(target_modules=["embed_tokens"], r=3, lora_alpha=4, use_dora=True),
        "save_embed": dict(QV, modules_to_save=["embed_tokens"]),
        "save_embed_ensure": dict(QV, modules_to_save=["embed_tokens"], ensure_weight_tying=True),
        "save_head": dict(QV, modules_to_save=["lm_head"]),
        "tokens": dict(QV, trainable_token_indices=[3, 17, 40]),
        # A copy of the rows for the head, and the base's embedding
        "tokens_beside": dict(QV, trainable_token_indices=[3, 17, 40], SAVE=dict(save_embedding_layers=True)),
        "tokens_apart": dict(QV, trainable_token_indices={"embed_tokens": [5, 3], "lm_head": [9, 60, 2]}),
    },
    "llama_f16": {
        "qv_f16": dict(QV, DTYPE=torch.float16),
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "dora": dict(target_modules=["q_proj", "down_proj"], r=4, lora_alpha=6, use_dora=True),
    },
    "mistral": {
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None)),
    },
    "qwen2": {
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None)),
        "bias_lora_only": dict(target_modules=["q_proj", "o_proj"], r=2, lora_alpha=3, bias="lora_only"),
        "bias_plain_key": dict(
            target_modules=["q_proj", "o_proj"], r=2, lora_alpha=3, bias="lora_only", TENSORS="bias_lora_only",
            KEYS=lambda key: key.replace(".base_layer.bias", ".bias"),
        ),
        "bias_all": dict(target_modules=["k_proj"], r=2, lora_alpha=3, bias="all"),
        "lora_bias": dict(target_modules=ATTENTION, r=2, lora_alpha=3, lora_bias=True),
        "dora": dict(target_modules=["k_proj", "v_proj"], r=2, lora_alpha=3, use_dora=True),
    },
    "qwen3": {
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None)),
        "save_qk_norms": dict(QV, modules_to_save=["q_norm", "k_norm"]),
    },
    "gemma3": {
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None)),
        "embed": dict(target_modules=["embed_tokens", "q_proj"], r=2, lora_alpha=3),
        "embed_ensure": dict(target_modules=["embed_tokens"], r=2, lora_alpha=3, ensure_weight_tying=True),
        "dora_embed": dict(target_modules=["embed_tokens"], r=2, lora_alpha=3, use_dora=True),
        "tokens": dict(QV, trainable_token_indices=[3, 17, 40]),
        "save_norms": dict(QV, modules_to_save=["pre_feedforward_layernorm", "model.norm"]),
        "save_embed": dict(QV, modules_to_save=["embed_tokens"]),
    },
    "gemma3_old": {"qv": QV},
    "phi3": {"all": dict(target_modules=["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], r=3, lora_alpha=4.5), "dora": dict(target_modules=["qkv_proj", "gate_up_proj"], r=2, lora_alpha=3, use_dora=True)},
    "smollm3": {"all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5)},
    "gemma": {"all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5), "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None))},
    "gemma2": {
        "all": dict(target_modules=LINEAR, r=3, lora_alpha=4.5),
        "by_architecture": dict(r=2, lora_alpha=4, EDIT=dict(target_modules=None)),
        "embed": dict(target_modules=["embed_tokens", "q_proj"], r=2, lora_alpha=3),
    },
    "gpt2": {
        "c_attn": dict(target_modules=["c_attn"], r=4, lora_alpha=6, fan_in_fan_out=True),
        "all": dict(target_modules=["c_attn", "c_proj", "c_fc"], r=3, lora_alpha=4, fan_in_fan_out=True),
        "all_linear": dict(target_modules="all-linear", r=2, lora_alpha=3, fan_in_fan_out=True, EDIT=dict(target_modules="all-linear")),
        "by_architecture": dict(r=2, lora_alpha=4, fan_in_fan_out=True, EDIT=dict(target_modules=None)),
        # PEFT sets fan_in_fan_out by itself when the layer is a Conv1D
        "flag_forgotten": dict(target_modules=["c_fc"], r=2, lora_alpha=4, EDIT=dict(fan_in_fan_out=False)),
        "layer_0": dict(
            target_modules=["c_attn", "c_proj"], r=2, lora_alpha=4, fan_in_fan_out=True, layers_to_transform=0, layers_pattern="h"
        ),
        "mlp_c_proj": dict(target_modules=["mlp.c_proj"], r=2, lora_alpha=4, fan_in_fan_out=True),
        "dora": dict(target_modules=["c_attn", "c_fc"], r=3, lora_alpha=4, fan_in_fan_out=True, use_dora=True),
        "lora_bias": dict(target_modules=["c_attn"], r=3, lora_alpha=4, fan_in_fan_out=True, lora_bias=True),
        "bias_lora_only": dict(target_modules=["c_attn"], r=3, lora_alpha=4, fan_in_fan_out=True, bias="lora_only"),
        "bias_all": dict(target_modules=["c_attn"], r=3, lora_alpha=4, fan_in_fan_out=True, bias="all"),
        "wte": dict(target_modules=["wte"], r=3, lora_alpha=4),
        "wpe": dict(target_modules=["wpe", "c_attn"], r=2, lora_alpha=4, fan_in_fan_out=True),
        "head": dict(target_modules=["lm_head"], r=2, lora_alpha=4),
        "save_norm": dict(target_modules=["c_attn"], r=2, lora_alpha=3, fan_in_fan_out=True, modules_to_save=["ln_f", "ln_1"]),
        "save_norm_bias_all": dict(target_modules=["c_attn"], r=2, lora_alpha=3, fan_in_fan_out=True, modules_to_save=["ln_f"], bias="all"),
        "tokens": dict(
            target_modules=["c_attn"], r=2, lora_alpha=3, fan_in_fan_out=True, trainable_token_indices=[3, 17, 40]
        ),
    },
}

SINKS = {
    "embedding": dict(target_modules=["embedding"], r=2, lora_alpha=3),
    "conv1d": dict(target_modules=["conv1d"], r=3, lora_alpha=4),
    "linear": dict(target_modules=["linear"], r=4, lora_alpha=6),
    "embedding_conv1d": dict(target_modules=["embedding", "conv1d"], r=2, lora_alpha=3),
    "embedding_linear": dict(target_modules=["embedding", "linear"], r=2, lora_alpha=3),
    "conv1d_linear": dict(target_modules=["conv1d", "linear"], r=2, lora_alpha=3),
    "everything": dict(target_modules=["embedding", "conv1d", "linear"], r=3, lora_alpha=5),
    "regex": dict(target_modules=r"conv\d?d|lin.*", r=2, lora_alpha=3),
    # No PreTrainedModel, so no head is spared; conv1d and embedding are not linear.
    "all_linear": dict(target_modules="all-linear", r=2, lora_alpha=3, EDIT=dict(target_modules="all-linear")),
    # One tensors file under three configurations: each applies its own share of it.
    "only_embedding": dict(target_modules=["embedding"], r=3, lora_alpha=5, TENSORS="everything"),
    "only_conv1d": dict(target_modules=["conv1d"], r=3, lora_alpha=5, TENSORS="everything"),
    "only_linear": dict(target_modules=["linear"], r=3, lora_alpha=5, TENSORS="everything"),
    "rslora": dict(
        target_modules=["embedding", "conv1d", "linear"], r=4, lora_alpha=3, use_rslora=True, rank_pattern={"conv1d": 2}, alpha_pattern={"linear": 1.5}
    ),
    "dora": dict(target_modules=["embedding", "conv1d", "linear"], r=3, lora_alpha=4, use_dora=True),
    "lora_bias": dict(target_modules=["conv1d", "linear"], r=2, lora_alpha=3, lora_bias=True),
    "bias_all": dict(target_modules=["conv1d"], r=2, lora_alpha=3, bias="all"),
    "save_conv1d": dict(target_modules=["linear"], r=2, lora_alpha=3, modules_to_save=["conv1d"]),
    "tokens": dict(target_modules=["linear"], r=2, lora_alpha=3, trainable_token_indices={"embedding": [3, 17, 40]}),
}
ADAPTERS["kitchen_sink"] = SINKS
ADAPTERS["kitchen_sink_even"] = {name: SINKS[name] for name in ("conv1d", "everything", "dora")}


def draw_parameter(key, name, parameter):
    """New values for a parameter of the adapter; None for one that belongs to the base and stays."""
    shape = parameter.shape
    if "lora_embedding_A" in name:
        return uniform(key, shape, 1.0)
    if "lora_embedding_B" in name:
        return uniform(key, shape, 0.6)
    if "lora_A" in name:
        return of_std(key, shape, 1 / math.sqrt(math.prod(shape[1:])))
    if "lora_B" in name:
        return uniform(key, shape, 0.6)
    if "lora_magnitude_vector" in name:
        # About the norms that PEFT starts from, but drawn, not computed: a norm is not the same bits everywhere.
        return (3.2 if "embed" in name else 1.2) * (1 + uniform(key, shape, 0.3))
    if "trainable_tokens_delta" in name:
        return uniform(key, shape, 1.0)
    if ".modules_to_save.default" in name:
        return parameter + uniform(key, shape, 0.3)
    return None


def write(model_folder, name):
    spec = ADAPTERS[model_folder.name][name]
    options = {key: value for key, value in spec.items() if key.isupper()}
    arguments = {key: value for key, value in spec.items() if not key.isupper()}
    is_sink = model_folder.name.startswith("kitchen_sink")
    config = LoraConfig(task_type=None if is_sink else "CAUSAL_LM", **arguments)
    model = get_peft_model(models.load(model_folder), config)
    stream = f"{model_folder.name}/{name}"
    trained_bias = {"none": lambda n: False, "all": lambda n: n.endswith(".bias"), "lora_only": lambda n: n.endswith("base_layer.bias")}
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            value = draw_parameter(f"{stream}/{path}", path, parameter)
            if value is None and trained_bias[config.bias](path):
                value = parameter + uniform(f"{stream}/{path}", parameter.shape, 0.3)
            if value is not None:
                parameter.copy_(value)
    folder = model_folder / "adapters" / name
    model.save_pretrained(folder, **options.get("SAVE", {}))
    (folder / "README.md").unlink()
    rewrite_config(folder / "adapter_config.json", options.get("EDIT", {}))
    rewrite_tensors(folder / "adapter_model.safetensors", options)


def rewrite_config(path, edit):
    config = json.loads(path.read_text())
    for field in ("target_modules", "exclude_modules"):
        if isinstance(config[field], list):
            config[field].sort()  # PEFT writes a set, in no order
    path.write_text(json.dumps(config | edit, indent=2))


def rewrite_tensors(path, options):
    if "TENSORS" in options:
        shutil.copyfile(path.parents[1] / options["TENSORS"] / path.name, path)
    dtype, rename = options.get("DTYPE"), options.get("KEYS")
    if dtype or rename:
        tensors = {(rename or str)(key): tensor.to(dtype or tensor.dtype) for key, tensor in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})


def placements(peft_model):
    """Where PEFT put an adapter: module path -> rank, alpha, scaling."""
    found = {}
    for path, module in peft_model.base_model.model.named_modules():
        if isinstance(module, LoraLayer):
            for adapter in module.scaling:
                found.setdefault(adapter, {})[path] = dict(
                    r=module.r[adapter], lora_alpha=module.lora_alpha[adapter], scaling=module.scaling[adapter]
                )
    return found
