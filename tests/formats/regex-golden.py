"""Writes regex-golden.json: what Python's re says of many patterns over many texts.

    python3 tests/formats/regex-golden.py

For each pattern: an error, or for each text whether it is fully matched, and the named groups of re.match. Every text is short and every pattern tame,
so Python's backtracking ends. The drawn patterns come from a seeded grammar.
"""

import json
import pathlib
import random
import re
import warnings

warnings.filterwarnings("ignore")  # FutureWarning: possible nested set

TEXTS = ["", "a", "b", "ab", "ba", "aab", "abab", "a.b", "a\n", "\n", "ab\n", "a-b", "a_1", "11", "-", "]", "[", "{", "}", "a{2}", "^", "é", "É1", "٣", "\u00a0", "😀", "a😀b",
         "model.layers.0.self_attn.q_proj", "model.layers.12.mlp.down_proj", "transformer.h.3.attn.c_attn", "lm_head"]

PATTERNS = [
    "", "a", ".", "a|b", "|a", "a|", "()", "(a|)", "a*", "a+", "a?", "a*?", "a+?", "a??", "a{2}", "a{1,2}", "a{,2}", "a{1,}", "a{,}", "a{2}?", "(ab)*", "(ab){2}", "(a|b)*", "(a*)*", "(a*)+b", "(a|a)*b", "((a))",
    "[ab]", "[^ab]", "[a-c]", "[]a]", "[^]a]", "[a-]", "[-a]", "[a\\-c]", "[\\d_]", "[\\w.]+", "[^\\d]+", "[\\]]", "[\\\\]", "[\\b]", "[.]", "[a^]", "[{}]", "[(|)]", "[\\n]", "[\\x61]", "[é]", "[\\u00e9]",
    "\\d+", "\\D", "\\w+", "\\W", "\\s", "\\S+", "\\.", "\\-", "\\n", "\\t", "\\x61", "\\u0061", "\\0", "\\_", "\\ ", "\\^", "\\$", "\\b", "\\ba", "a\\b", "\\Ba", "a\\B", "a\\b.b", "\\A", "\\Aa", "a\\Z", "a\\Zb",
    "^a", "a$", "a$\\n", "^", "$", "^$", "a^b", "$a", "(^a|b)", "(?:a)", "(?:ab|ba)+", "(?P<x>a)b?", "(?P<x>a)|(?P<y>b)", "(?P<x>a*)(?P<y>a?b)", "(?P<x>a*?)(?P<y>a*)", "(?P<x>(?P<y>a)b)*", "(?:(?P<x>a)|b)*",
    "{", "}", "a{", "a{b}", "a{}", "a{1", "a{1,b}", "a{ 1}", "{2}", "]", "a]", ".*\\..*", ".*\\n", "a.", "\\d+|\\D+",
    ".*\\.(q|v)_proj", "model\\.layers\\.\\d+\\..*", ".*\\.(?P<idx>\\d+)\\..*", ".*?\\.[^.]*\\.(?P<idx>\\d+)\\.", "(.*\\.)?(q_proj)$", "(?:^|.*?\\.)layers\\.(?P<idx>\\d+)\\.", "(^|.*\\.)lm_head($|\\..*)", ".*(?:attn|mlp).*", "[a-z_.0-9]+", "model.layers.0.*",
    "(?=a)", "(?!a)b", "(?!a).*", "(?=.*b)a.*", "(?<=a)b", "a(?<=a)b", "(?<!a)b", ".*(?<!b)", ".*(?<=_proj)", "(?!.*mlp).*_proj", ".*\\.(?!mlp)\\w+\\.\\w+", "^(?!lm_head$).*$", "(?:(?!layers).)*", "(?=(?!b).)a.", "(?!(?=a)).*",
    "(?=a|.b)..", "(?<=ab|ba).", "..(?<=ab|ba).", "(?=a*b)a+", "(?=.*$)a", ".*(?=\\n)\\n", "(?=\\bmodel)[^.]+(?=\\.)\\.layers.*", "(?=)a", "(?!)|a", "(?<=^)a", "a(?<!^)b", "(?=a{2})aab", ".*(?<=\\.\\d\\d\\.mlp)\\..*", ".*?(?P<idx>\\d+)(?=\\.)",
    "(?=(a))ab", "(?=a)*ab", "(?<=(?=a).)b|ab", "a(?<=(?<!b)a)b",
    "(?i)A", "(?i)AB|\\d+", "(?i)[A-B]+", "(?i)[^A]", "(?i)é", "(?i).*Q_PROJ", "(?i)(?!A)B", "(?i)LM_HEAD", "(?i)\\x41", "(?i)",
    # refused by Python
    "(?<=a*)b", "(?<=a|ab)b", "(?<!a?)b", "(?=a", "(?<=a", "a(?i)b",
    "(", ")", "a)", "(a", "[", "[a", "[]", "[z-a]", "[\\d-x]", "a**", "a{2}{3}", "*", "+a", "?", "(*a)", "|*", "^*", "$+", "\\b*", "a{3,2}", "(?P<1>a)", "(?P<x>a)(?P<x>b)", "(?P<x", "\\", "a\\", "\\q", "\\y", "\\xg1", "\\x1", "(?", "(?P", "(?Px)", "(?<x>a)", "[a-\\d]",
]
# Python reads these, this matcher refuses them by design.
REFUSED = ["(?=(?P<x>a))b", "(a)\\1", "(?P<x>a)(?P=x)", "(?>a+)b", "a++", "a*+", "a?+", "a{2}+", "(?s)a", "(?i:a)", "(?im)a", "(?#c)a", "(a)?(?(1)b|c)", "\\01", "\\101", "a{1001}", "\\U00000061", "\\N{DIGIT ONE}"]


def draw(rng, depth=0):
    """A tame pattern: repetitions don't nest, so backtracking stays short."""
    parts = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(10)
        if kind < 4:
            atom = rng.choice(["a", "b", "\\.", "1", "_", ".", "\\d", "\\w", "[ab]", "[^a]", "\\b", "^", "$", "\\Z"])
        elif kind == 4 and depth < 3 and rng.random() < 0.3:
            inside = re.sub(r"\?P<\w+>", "?:", draw(rng, depth + 1))
            atom = rng.choice([f"(?={inside})", f"(?!{inside})", "(?<=a)", "(?<=ab)", "(?<=[ab])", "(?<=a|b)", "(?<=.a)", "(?<!b)"])
        elif kind < 7 and depth < 3:
            inner = draw(rng, depth + 1)
            names = rng.randrange(100000)
            atom = rng.choice([f"({inner})", f"(?:{inner})", f"(?P<g{names}>{inner})", f"({inner}|{draw(rng, depth + 1)})"])
        else:
            atom = rng.choice(["ab", "proj", "layers", "[a-z]", "\\W"])
        if atom[-1] not in "^$" and atom not in ("\\b", "\\Z") and rng.random() < 0.35:
            atom = (atom if len(atom) == 1 or atom[0] in "([\\" else f"(?:{atom})") + rng.choice(["*", "+", "?", "{2}", "{1,2}", "{,2}", "*?", "+?", "??"])
        parts.append(atom)
    return "".join(parts)


def judge(pattern):
    try:
        compiled = re.compile(pattern)
    except re.error:
        return None
    full = [i for i, text in enumerate(TEXTS) if compiled.fullmatch(text)]
    matches = {i: m.groupdict() for i, text in enumerate(TEXTS) if (m := compiled.match(text))}
    return dict(full=full, match=matches)


rng = random.Random(1)
drawn = [draw(rng) for _ in range(400)]
cases = {pattern: judge(pattern) for pattern in PATTERNS + drawn}
lines = ",\n  ".join(f"{json.dumps(p)}: {json.dumps(c)}" for p, c in cases.items())
target = pathlib.Path(__file__).with_name("regex-golden.json")
target.write_text(f'{{"texts": {json.dumps(TEXTS)},\n "refused": {json.dumps(REFUSED)},\n "cases": {{\n  {lines}}}}}\n')
print(len(cases), "patterns,", sum(c is None for c in cases.values()), "errors")
