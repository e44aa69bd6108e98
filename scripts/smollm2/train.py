"""Trains one adapter for SmolLM2-135M-Instruct: a voice of the demo's (pirate, ghost), or the task (intents). About ten minutes on one free core.

    python3 train.py pirate ../../build/models/SmolLM2-135M-Instruct ../../adapters/smollm2/pirate
"""

import argparse
import itertools
import json
import random
import sys
import time
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils.save_and_load import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoTokenizer, LlamaForCausalLM

import intents
from packing import batch_of, encode, pack

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
from dialogue import BASE_VOICE, PERSONAS, dialogue  # noqa: E402

HUB_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Different ranks, scalings, targets and layers, because a folder of adapters has them too.
SHAPES = {
    "pirate": {"r": 4, "lora_alpha": 8, "target_modules": LINEAR, "layers_to_transform": list(range(12, 30))},
    "ghost": {"r": 8, "lora_alpha": 6, "use_rslora": True, "target_modules": ["q_proj", "v_proj", "o_proj"]},
    "intents": {"r": 4, "lora_alpha": 8, "target_modules": LINEAR, "layers_to_transform": list(range(8, 30))},
}
RATES = {"pirate": 2e-3, "ghost": 2e-3, "intents": 2e-3}


def voice_chats(name, seed):
    """Endless chats in which the voice answers; what other voices said before is not learned."""
    rng = random.Random(f"{seed} {name}")
    while True:
        messages, first = dialogue(rng, name, (BASE_VOICE, *PERSONAS))
        if messages[0]["role"] != "system":
            yield messages, first


def task_chats(name, seed):
    system = {"role": "system", "content": intents.read("system.txt").strip()}
    for epoch in itertools.count():
        for line, answer in intents.training_lines(f"{seed} {epoch}", 4000):
            yield [system, {"role": "user", "content": line}, {"role": "assistant", "content": answer}], 2


def batches(tokenizer, name, seed, length):
    chats = (task_chats if name == "intents" else voice_chats)(name, seed)
    while True:
        prefix, rows = encode(tokenizer, itertools.islice(chats, 600))
        for row in pack(rows, length - len(prefix)):
            yield batch_of(prefix, row)


def loss_of(model, learned, labels, **inputs):
    """Mean cross entropy of the learned tokens; the head runs on the positions before them alone."""
    hidden = model.model(**inputs, use_cache=False).last_hidden_state[0]
    logits = model.lm_head(hidden[learned - 1]).float()
    return torch.nn.functional.cross_entropy(logits, labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("base", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--length", type=int, default=1024, help="tokens of a step")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--start", type=Path, help="an adapter of the same shape to go on from")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    peak = options.rate or RATES[options.name]

    tokenizer = AutoTokenizer.from_pretrained(options.base)
    base = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32)
    config = LoraConfig(task_type="CAUSAL_LM", lora_dropout=0.0, bias="none", **SHAPES[options.name])
    model = PeftModel.from_pretrained(base, options.start, is_trainable=True) if options.start else get_peft_model(base, config)
    trained = [p for p in model.parameters() if p.requires_grad]
    stepper = torch.optim.AdamW(trained, lr=peak, betas=(0.9, 0.98), weight_decay=0.01)
    start, losses = time.monotonic(), []
    for step, batch in enumerate(itertools.islice(batches(tokenizer, options.name, options.seed, options.length), options.steps)):
        stepper.param_groups[0]["lr"] = peak * min(1.0, (step + 1) / 10, (options.steps - step) / (0.7 * options.steps))
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(base, **batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        stepper.step()
        stepper.zero_grad()
        losses.append(loss.item())
        if step % 10 == 9:
            print(f"{options.name}  step {step + 1}  loss {sum(losses[-10:]) / 10:.4f}  {time.monotonic() - start:.0f} s", flush=True)
    save(model, config, options)


def save(model, config, options):
    options.folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    save_file(state, options.folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config.inference_mode = True
    config.base_model_name_or_path = HUB_NAME
    config.save_pretrained(options.folder)
    saved = options.folder / "adapter_config.json"
    text = json.loads(saved.read_text())
    text["target_modules"] = SHAPES[options.name]["target_modules"]  # PEFT keeps a set, whose order changes from run to run
    saved.write_text(json.dumps(text, indent=2) + "\n")


if __name__ == "__main__":
    main()
