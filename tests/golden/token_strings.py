"""Strings that tell tokenizers apart: many scripts, emoji, every kind of space and digit, control characters, combining marks, code, special tokens."""

import random
import unicodedata

WORDS = """the of and a dragon treasure harbour don't I'll we've THEY'RE it's Isn't x y foo_bar fooBar HTTPServer naïve café coöperate Straße İstanbul
ΑΣ ΣΑΣ Ελλάδα ς привет мир Ёлка україна שלום עולם مرحبا بالعالم السلام नमस्ते दुनिया বাংলা ไทย สวัสดี ភាសាខ្មែរ မြန်မာ ქართული հայերեն አማርኛ 日本語 東京 ひらがな カタカナ ｶﾀｶﾅ
中文 汉字 漢字 한국어 안녕하세요 각 ᄒ 𠀀 𠮷 Việt Tiếng ŁódźǅǄ ſ K ﬁ ﬃ Å 'ſ 'K 'S 'T 'LL 'Ve ’s l’été""".split()
EMOJI = "😀 🦜 👩‍👩‍👧 👨🏽‍💻 🏴‍☠️ 🇩🇪 🇺🇸🇫🇷 👍🏿 ❤️ ☠ ☺️ 1️⃣ #️⃣ 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🫠 ♾️ ©".split(" ")
SPACES = [" ", " ", " ", "  ", "   ", "\t", "\t\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r", " \n", "\n ", " \t ", "\u00a0", "\u3000", "\u2003", "\u2009", "\u200a", "\u202f", "\u205f", "\u1680", "\u2028", "\u2029",
          "\u0085", "\u000b", "\u000c", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u180e", "\u001c", "\u001f"]
DIGITS = "0 7 12 123 1234 12345678 3.14 1,000 ² ³ ¹ x² ½ ¾ Ⅷ ⅻ ① ⑳ ㊿ ٣ ٤٥٦ ۷۸ ९ १२३ ０１２ ９ 𝟘𝟙 〇 五 ๓ ௧ 𐄇 1e-5 0x1F 1st 2nd".split(" ")
MARKS = ["e\u0301", "é", "o\u0308", "A\u030a", "\u0301", "\u0e33", "\u0f73", "ക്ഷ", "क्‍ष", "\u1100\u1161\u11a8", "q\u0307\u0323", "Z\u0351\u036b\u0343", "\u064b", "\u05b0", "\ufe0f", "\u20e3"]
CONTROL = ["\x00", "\x01", "\x07", "\x08", "\x1b[0m", "\x7f", "\x80", "\x9f", "\u061c", "\u200e", "\u202e", "\ufff9", "\ufffd", "\ufffe", "\U000e0001", "\U0010ffff", "\ue000"]
CODE = ["def f(x):\n    return x**2\n", "if (a && b || !c) { i++; }", "<div class=\"x\">&nbsp;</div>", "https://example.com/a/b?c=d&e=%20#f", "user@example.org", "C:\\temp\\x.txt", "{\"a\": [1, 2.5e3, null]}", "\tfor i in range(10):", "/* c */ // d", "$x = $$y;",
        "SELECT * FROM t WHERE id=1;", "a->b", "x!=y", "...", "!!!", "?!", "--", "——", "«q»", "“q”", "…", "¿qué?", "€5", "£", "_", "__init__", "a_b", "#tag", "@you", "100%", "^", "`", "~", "\\n", "|", "<", ">", "▁", "▁▁a", "Ġ", "Ġa", "Ċ", "<0x0A>", "<unk>", "##ing"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>", "<unk>", "[INST]", "<|begin_of_text|>", "<|eot_id|>", "<end_of_turn>", "<pad>", "[MASK]", "<|im_", "|>", "<lone>", "<LEFT>", "<right>", "<both>", "Thé", "ok"]
LONG = ["a", " ", "\n", "=", "-", "ab", "0", "é", "漢", "🦜", "\t", "!", ". ", "a\u0301"]
SCRIPTS = [(0x20, 0x7e), (0xa0, 0x17f), (0x180, 0x24f), (0x370, 0x3ff), (0x400, 0x4ff), (0x530, 0x58f), (0x590, 0x5ff), (0x600, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f), (0x1100, 0x11ff), (0x1e00, 0x1fff), (0x2000, 0x206f),
           (0x2070, 0x218f), (0x2190, 0x27bf), (0x3000, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfb00, 0xfdff), (0xfe00, 0xffef), (0x10000, 0x100ff), (0x1d400, 0x1d7ff), (0x1f300, 0x1f6ff), (0x20000, 0x2a6df)]
POOLS = [(WORDS, 8), (SPACES, 8), (EMOJI, 2), (DIGITS, 3), (MARKS, 2), (CONTROL, 1), (CODE, 3), (SPECIAL, 2)]


def character(draw):
    low, high = draw.choice(SCRIPTS)
    code = draw.randint(low, high)
    # A character that is not assigned today is a letter tomorrow: libraries differ by the age of their tables.
    return chr(code) if unicodedata.category(chr(code)) != "Cn" else "x"


def fragment(draw):
    kind = draw.random()
    if kind < 0.04:
        return draw.choice(LONG) * draw.randint(2, 40)
    if kind < 0.14:
        return "".join(character(draw) for _ in range(draw.randint(1, 6)))
    pool = draw.choices([p for p, _ in POOLS], [w for _, w in POOLS])[0]
    text = draw.choice(pool)
    form = draw.random()
    if form < 0.03:
        return unicodedata.normalize("NFD", text)
    if form < 0.06:
        return unicodedata.normalize("NFC", text)
    if form < 0.09:
        return text.upper()
    return text


def strings(count, seed):
    """The empty string, every fragment alone, then mixtures."""
    draw = random.Random(seed)
    made = [""] + [text for pool, _ in POOLS for text in pool]
    while len(made) < count:
        parts = [fragment(draw) for _ in range(draw.randint(1, 10))]
        made.append((" " if draw.random() < 0.3 else "").join(parts))
    return made[:count]
