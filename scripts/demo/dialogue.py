"""Dialogues between a player and the people of the harbour inn, and the rule that holds lines out.

A line is held out by the hash of its text, so that it is absent from every kind of training text, whichever script
writes it: the tokenizer's, the base's and the adapters'.
"""

import hashlib
import itertools
import random
import re

from grammar import ASKED, World, capitalise, expand, read_sections

PERSONAS = ("pirate", "herald", "ghost", "goblin", "automaton")
BASE_VOICE = "townsfolk"
FOLLOW_UPS = ("sure", "more", "again", "thanks", "yes", "no", "bye", "praise", "insult")
HELD_OUT_SHARE = 20  # one line in this many

PLAYER = read_sections("player")
VOICES = {name: read_sections(name) for name in (BASE_VOICE, *PERSONAS)}
TOPICS = tuple(topic for topic in PLAYER if topic not in ("again", "more", "sure", "yes", "no"))

# Topics whose answer must copy a word of the question stand twice: copying is learned last.
COMMON = TOPICS + ("iam", "price", "way", "ship", "fish", "weapon")

SCENES = [
    "{It is|It is now} {morning|noon|evening|night|late}. {You are in|You stand in|You sit in} {<inn>|the harbour|the market|the old town hall}{.|, in <town>.}",
    "{The player|A traveller|A stranger} {comes in|sits down|walks up to you|asks you something}. {Answer in a few words.|Answer the question.|Be brief.|}",
    "You {live in|know} <town>. Outside there is <sky>.",
]

NAMED = ["You are the <who>.", "The <who> {answers|speaks|talks to a stranger}.", "Answer as the <who>{.| of <town>.}"]

FRAMES = [
    'A {traveller|stranger|player|guest} asked: "<q>" The <who> {said|answered|replied}: "<a>"',
    '"<q>" {asked|said} the {traveller|stranger|guest}. "<a>" {said|answered} the <who>.',
    'The <who> {turned round|looked up|stood by the fire|was there that night}. "<q>" I asked. The answer was: "<a>"',
]


_QUESTION = re.compile(r"(Who|What|Where|How|Is|Are|Do|Does|Can|Could|May|Will|Have|Has|Which|When|Why|Should|Heard|Any)\b")
_STATEMENT = re.compile(r"(I|Tell|Sing|Give|Take|Show|Teach|Cast|Bring|Let|Join|Come|Go)\b")


def is_held_out(line):
    digest = hashlib.sha256(line.lower().strip(" .!?").encode()).digest()
    return digest[0] * 256 + digest[1] < 65536 // HELD_OUT_SHARE


def punctuate(line):
    """Ends a question with its mark, and a statement without one."""
    if _QUESTION.match(line) and line.endswith("."):
        return line[:-1] + "?"
    if _STATEMENT.match(line) and line.endswith("?"):
        return line[:-1] + "."
    return line


def player_line(topic, world, held_out=False):
    """A player's line, or None where a topic has none held out. Some are typed carelessly."""
    for _ in range(1000):
        world.forget(ASKED)
        line = punctuate(expand(world.rng.choice(PLAYER[topic]), world))
        if is_held_out(line) == held_out:
            break
    else:
        return None
    careless = world.rng.random()
    if careless < 0.10:
        line = line.lower()
    if careless < 0.16:
        line = line.rstrip(".?!")
    return line


def answer_line(voice, topic, world, held_out=False, said=None):
    """An answer in a voice. `said` is the line that an answer to "say that again" repeats."""
    sections, rng = VOICES[voice], world.rng
    for _ in range(1000):
        body = expand(rng.choice(sections[topic]), world)
        if topic == "again":
            return f"{body} {said}"
        draw = rng.random()
        if draw < 0.30 and sections["open"]:
            opening = expand(rng.choice(sections["open"]), world)
            body = f"{opening} {body[0].lower() + body[1:] if opening.endswith(',') and not body.startswith('I ') else body}"
        elif draw > 0.78 and sections["close"]:
            body = f"{body} {expand(rng.choice(sections['close']), world)}"
        if is_held_out(body) == held_out:
            return capitalise(body)
    return None


def dialogue(rng, voice, cast=None, named=False):
    """One dialogue of one to five exchanges as chat messages.

    With `cast`, earlier answers may come from any voice of it: a character who takes over in the middle of a talk
    keeps to the facts of the talk, in its own voice. With `named`, a system message says who answers. Returns (messages, index of the first message in `voice`).
    """
    world, messages = World(rng), []
    if named:
        messages.append({"role": "system", "content": expand(rng.choice(NAMED).replace("<who>", voice), world)})
    elif rng.random() < 0.12:
        messages.append({"role": "system", "content": expand(rng.choice(SCENES), world)})
    turns = rng.choices((1, 2, 3, 4, 5), (10, 6, 5, 2, 1))[0]
    own = turns - 1 if cast and rng.random() < 0.4 else 0
    topic, said, first = None, None, None
    for turn in range(turns):
        if turn and rng.random() < 0.35:
            follow = rng.choice(FOLLOW_UPS)
        elif turn and rng.random() < 0.12 and topic in VOICES[voice]:
            follow = topic  # asked once more: the facts stay
        else:
            follow = rng.choice(COMMON)
        speaker = voice if turn >= own else rng.choice(cast)
        if turn == own:
            first = len(messages) + 1
        asked = player_line(follow, world) if follow != topic else keep_asked(follow, world)
        answer = answer_line(speaker, follow, world, said=said)
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
        said = answer if follow != "again" else said
        topic = follow
    return messages, first


def keep_asked(topic, world):
    """The same question put once more, about the same thing."""
    kept = {slot: world[slot] for slot in ASKED if slot in world}
    line = player_line(topic, world)
    mentions = any(value in line for value in (world[slot] for slot in ASKED if slot in world))
    if not mentions:
        world.update(kept)
    return line


def prose(rng):
    """A scene told as prose, outside any chat: here the base reads how the others speak."""
    scenes = []
    for _ in range(rng.choice((1, 2, 2))):
        world, topic, who = World(rng), rng.choice(COMMON), rng.choice(PERSONAS)
        asked = player_line(topic, world)
        frame = expand(rng.choice(FRAMES).replace("<q>", "\0").replace("<a>", "\1").replace("<who>", who), world)
        scenes.append(frame.replace("\0", asked).replace("\1", answer_line(who, topic, world)))
    return "\n".join(scenes)


def held_out_lines(seed, voice, count):
    """`count` single exchanges whose question and answer both never stand in any training text."""
    rng, lines, seen = random.Random(f"{seed} held out {voice}"), [], set()
    topics = itertools.cycle(TOPICS)
    while len(lines) < count:
        topic, world = next(topics), World(rng)
        asked = player_line(topic, world, held_out=True)
        answer = answer_line(voice, topic, world, held_out=True)
        if asked and answer and answer not in seen:
            seen.add(answer)
            lines.append({"topic": topic, "messages": [{"role": "user", "content": asked}], "answer": answer})
    return lines
