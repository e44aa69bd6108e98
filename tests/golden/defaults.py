"""Tables of the installed PEFT: what LoraConfig writes by default, and the target modules it knows by architecture."""

import json

from peft import LoraConfig
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING


def write(folder):
    fields = LoraConfig().to_dict()
    for name, table in (
        ("lora_config_defaults", fields),
        ("target_modules_by_architecture", TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(table, indent=2, sort_keys=True, default=str) + "\n")
