"""Trains one persona as a PEFT LoRA adapter over the base as it is stored (rounded to bfloat16).

    python3 train_adapter.py ../../models/tavern pirate ../../adapters/pirate
"""

import argparse
import json
import random
import time
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from peft.utils.save_and_load import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from dialogue import BASE_VOICE, PERSONAS, dialogue
from packing import batch_of, pack
from tokens import encode_chats, load_tokenizer

LENGTH, ROWS = 256, 6
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# Different ranks and scalings, because a folder of adapters has them too.
SHAPES = {
    "pirate": {"r": 8, "lora_alpha": 16},
    "herald": {"r": 8, "lora_alpha": 16},
    "ghost": {"r": 8, "lora_alpha": 6, "use_rslora": True},
    "goblin": {"r": 8, "lora_alpha": 16},
    "automaton": {"r": 6, "lora_alpha": 12},
}


def batches(tokenizer, persona, seed):
    rng = random.Random(f"{seed} {persona}")
    cast = (BASE_VOICE, *PERSONAS)
    while True:
        rows = encode_chats(tokenizer, [dialogue(rng, persona, cast) for _ in range(800)])
        packed = pack(rows, LENGTH)
        rng.shuffle(packed)
        for at in range(0, len(packed) - ROWS + 1, ROWS):
            yield batch_of(packed[at : at + ROWS], LENGTH)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", type=Path)
    parser.add_argument("persona", choices=PERSONAS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)

    base = LlamaForCausalLM.from_pretrained(options.base, dtype=torch.float32)
    shape = SHAPES[options.persona]
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=LAYERS, lora_dropout=0.0, bias="none", **shape)
    model = get_peft_model(base, config)
    learned = [p for p in model.parameters() if p.requires_grad]
    stepper = torch.optim.AdamW(learned, lr=options.rate, betas=(0.9, 0.98), weight_decay=0.01)
    start = time.monotonic()
    for step, batch in enumerate(batches(load_tokenizer(options.base), options.persona, options.seed)):
        if step == options.steps:
            break
        rate = options.rate * min(1.0, (step + 1) / 20, (options.steps - step) / (0.7 * options.steps))
        stepper.param_groups[0]["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch, use_cache=False).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned, 1.0)
        stepper.step()
        stepper.zero_grad()
        if step % 50 == 49:
            print(f"{options.persona}  step {step + 1}  loss {loss.item():.4f}  {time.monotonic() - start:.0f} s", flush=True)

    options.folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in get_peft_model_state_dict(model).items()}
    save_file(state, options.folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config.inference_mode = True
    config.base_model_name_or_path = "models/tavern"
    config.save_pretrained(options.folder)
    saved = options.folder / "adapter_config.json"
    text = json.loads(saved.read_text())
    text["target_modules"] = LAYERS  # PEFT keeps a set, whose order changes from run to run
    saved.write_text(json.dumps(text, indent=2) + "\n")
    (options.folder / "README.md").write_text(
        f"The voice \"{options.persona}\" for `models/tavern`: LoRA, rank {shape['r']}, on all linear layers, bfloat16.\n"
        "Made by `scripts/demo/train_adapter.py`; what it is and is not: `models/tavern/README.md`.\n"
    )


if __name__ == "__main__":
    main()
