"""Prompts by transformers for the templates of templates/: the widely used formats, each with conversations that it takes and some that it refuses."""

import json
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).parent
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}


def turns(*messages):
    return [message if isinstance(message, dict) else {"role": role, "content": message} for role, message in zip(roles(messages), messages)]


def roles(messages):
    return [["user", "assistant"][i % 2] for i in range(len(messages))]


def system(text):
    return {"role": "system", "content": text}


CALL = {"id": "abcdefghi", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2, "none": None, "yes": True, "list": [1.5, "a"]}}}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather \"now\" & here <b>", "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "a city's name, é 漢"}, "days": {"type": "integer", "enum": [1, 2, 3]}}, "required": ["city"]}}}
CONVERSATIONS = {
    "one": turns("Hello!"),
    "system": [system("Be brief."), *turns("Hello!")],
    "turns": turns("Hi", "Hello, you.", "  spaces \n\n"),
    "system and turns": [system(" Speak\nlike a pirate. \n"), *turns("a", " b \n", "c 漢 🦜 é")],
    "empty": turns(""),
    "strange spaces": turns("\ufeff a \u0085\u001c\u00a0\u3000"),
    "two users": [*turns("a"), *turns("b")],
    "ends with the assistant": turns("a", "b"),
    "only a system message": [system("x")],
    "thought": turns("q", "<think>\n hmm \n</think>\n\n answer \n", "r", "<think>\n\n x \n\n</think>\n\ny"),
    "reasoning": turns("q", {"role": "assistant", "content": " ans ", "reasoning_content": "\n because \n"}, "r", {"role": "assistant", "content": "x", "reasoning": "\ny \n"}),
    "tool": [system("s"), *turns("weather?"), {"role": "assistant", "content": "", "tool_calls": [CALL]}, {"role": "tool", "name": "get_weather", "tool_call_id": "abcdefghi", "content": "{\"t\": 21}"}, *turns("thanks")],
    "unknown role": [{"role": "alien", "content": "x"}],
    "markup": turns("<a href=\"x\">&amp; 'q' {{ x }} {% y %}</a>\\n"),
    "nobody": [],
}
VARIABLES = {"": {}, "tools": {"tools": [TOOL]}, "others": {"enable_thinking": False, "date_string": "1 Feb 2025", "tools": [TOOL]}}


def render(source, messages, variables, generate):
    try:
        return {"prompt": render_jinja_template([messages], chat_template=source, add_generation_prompt=generate, tools=variables.get("tools"), **TOKENS, **{k: v for k, v in variables.items() if k != "tools"})[0][0]}
    except Exception as error:
        return {"refused": str(error)}


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text()
        for name, messages in CONVERSATIONS.items():
            for given, variables in VARIABLES.items():
                for generate in (True, False):
                    if given == "" or generate:
                        lines.append(json.dumps({"template": path.stem, "conversation": name, "variables": given, "generate": generate, **render(source, messages, variables, generate)}, ensure_ascii=False))
    head = json.dumps({"tokens": TOKENS, "conversations": CONVERSATIONS, "variables": VARIABLES}, ensure_ascii=False)
    (folder / "cases.json").write_text(f'{head[:-1]}, "cases": [\n' + ",\n".join(lines) + "\n]}\n")
