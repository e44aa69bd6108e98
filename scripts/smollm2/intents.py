"""The task: a player's free line -> one command of a closed set, as `give(item=ring, person=witch)`.

text/slots.txt     the values and the words for them        text/system.txt    the prompt, the same for every model that is compared
text/intents.txt   templates of the lines trained on        text/examples.tsv  the examples of the few-shot prompt
text/heldout.tsv   lines written by hand, of other phrasings: none of them, nor its phrase with other slots, is ever trained on
"""

import random
import re
from pathlib import Path

TEXT = Path(__file__).parent / "text"
_INNERMOST = re.compile(r"\{([^{}]*)\}")
_SLOT = re.compile(r"<([a-z]+)>")
_COMMAND = re.compile(r"\s*([a-z]+)\s*\(([^()]*)\)")
# What stands where, for typos: neighbours of a key on an English keyboard.
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def read(name):
    return (TEXT / name).read_text("utf-8")


def pairs(name):
    """[(line, command)] of a file of lines, a tab, and commands."""
    return [tuple(line.split("\t")) for line in read(name).splitlines() if line]


def read_slots():
    """{slot: {value: [word, ...]}}"""
    slots = {}
    for line in read("slots.txt").splitlines():
        if line.startswith("= "):
            head, words = line[2:].split(": ")
            slot, value = head.split(" ")
            slots.setdefault(slot, {})[value] = words.split("|")
    return slots


def read_templates():
    """{intent: (slots, [template, ...])}"""
    sections = {}
    for line in read("intents.txt").splitlines():
        if line.startswith("# "):
            name, *slots = line[2:].split(" ")
            current = sections.setdefault(name, (slots, []))[1]
            if name.startswith("Templates"):
                current = []
                del sections[name]
        elif line:
            current.append(line)
    return sections


SLOTS = read_slots()
TEMPLATES = read_templates()
WRAPPERS = TEMPLATES.pop("wrappers")[1]
VALUES = {word: (slot, value) for slot, values in SLOTS.items() for value, words in values.items() for word in words}


def choose(rng, text):
    while "{" in text:
        text = _INNERMOST.sub(lambda m: rng.choice(m[1].split("|")), text)
    return text


def command(intent, slots):
    return f"{intent}({', '.join(f'{slot}={value}' for slot, value in slots)})"


def parse(text):
    """(intent, {slot: value}) of an answer, or None: spaces, capitals and the order of slots are forgiven, more text behind it too."""
    match = _COMMAND.match(text.lower())
    if match is None:
        return None
    pieces = [piece.split("=") for piece in match[2].split(",") if piece.strip()]
    if any(len(piece) != 2 for piece in pieces):
        return None
    return match[1], {slot.strip(): value.strip().strip("\"'") for slot, value in pieces}


def bare(line):
    """A line without its slot words, capitals and punctuation: its phrase."""
    text = " ".join(re.findall(r"[a-z']+", line.lower()))
    for word in sorted(VALUES, key=len, reverse=True):
        text = re.sub(rf"\b{word}\b", f"<{VALUES[word][0]}>", text)
    return text


def misspell(rng, text):
    """One slip of the fingers."""
    at = rng.randrange(len(text))
    letter = text[at]
    if not letter.isalpha():
        return text
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + letter + text[at:]
    if kind == 2 and at + 1 < len(text):
        return text[:at] + text[at + 1] + letter + text[at + 2 :]
    row = next((row for row in _ROWS if letter in row), None)
    if row is None:
        return text
    near = row[max(0, row.index(letter) - 1) : row.index(letter) + 2].replace(letter, "")
    return text[:at] + rng.choice(near) + text[at + 1 :]


def draw(rng):
    """One (line, command)."""
    intent = rng.choices(list(TEMPLATES), [4 if slots else 3 for slots, _ in TEMPLATES.values()])[0]
    names, templates = TEMPLATES[intent]
    template = rng.choice(templates)
    template, _, fixed = template.partition(" -> ")
    request = template.startswith("!")
    values = {name: rng.choice(list(SLOTS[name])) for name in names}
    if fixed:
        values[names[0]] = fixed
    text = choose(rng, template.removeprefix("!"))
    text = _SLOT.sub(lambda m: rng.choice(SLOTS[m[1]][values[m[1]]]), text)
    if request:
        for wrapper in rng.sample(WRAPPERS, rng.choice((0, 0, 1, 1, 2))):
            text = choose(rng, wrapper).replace("~", text)
    text = re.sub(r"\ba (?=[aeio])", "an ", re.sub(r"\s+", " ", text).strip())
    if rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    if rng.random() < 0.5 and text[-1].isalpha():
        text += rng.choice(".!.") if not request else rng.choice("..!?")
    for _ in range(rng.choices((0, 1, 2), (65, 27, 8))[0]):
        text = misspell(rng, text)
    return text, command(intent, [(name, values[name]) for name in names])


def training_lines(seed, count):
    """`count` different (line, command), none of a phrase that is held out or shown as an example."""
    rng, lines = random.Random(seed), {}
    barred = {bare(line) for line, _ in (*pairs("heldout.tsv"), *pairs("examples.tsv"))}
    while len(lines) < count:
        line, answer = draw(rng)
        if bare(line) not in barred:
            lines.setdefault(line, answer)
    return list(lines.items())


def held_out():
    """[(line, (intent, slots))]; each checked against the closed set."""
    lines = []
    for line, answer in pairs("heldout.tsv"):
        intent, slots = parse(answer)
        if list(slots) != TEMPLATES[intent][0] or any(value not in SLOTS[slot] for slot, value in slots.items()):
            raise ValueError(f'text/heldout.tsv: "{line}" is answered outside the closed set: {answer}')
        lines.append((line, (intent, slots)))
    return lines
