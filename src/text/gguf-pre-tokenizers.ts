// Pre-tokenizers by the name in `tokenizer.ggml.pre`: the regexes, one after another, each of which splits what the ones before it left (Oniguruma's syntax). They are those of
// llama.cpp (src/llama-vocab.cpp), of which the names are, but for `gpt-4o`, `tekken`, `deepseek-llm` and `deepseek-coder`: there llama.cpp stands in for what its regexes lack, and the patterns below are those of the
// models' own tokenizer.json, by which they were trained.

export interface GgufPreTokenizer {
  readonly patterns: readonly string[];
  /** A word that is a token is that token, whatever the merges say. */
  readonly ignoreMerges?: boolean;
  /** Whether the beginning-of-sequence token is added where the file doesn't say. */
  readonly addBos?: boolean;
}

const CONTRACTION = String.raw`(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])`;
const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)`;
const SPACES = String.raw`|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** Of llama 3 (digits in threes) and its kin. */
const words = (digits: string): string => String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?\p{L}+|${digits}| ?[^\s\p{L}\p{N}]+[\r\n]*${SPACES}`;
/** Words whose capitals come first, of o200k and tekken. */
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const cased = (end: string, digits: string): string =>
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${end}|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${end}|${digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*${SPACES}`;
const PUNCTUATION_OR_WORD = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${'`'}{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*${SPACES}`;
const BLOOM = ' ?[^(\\s|.,!?…。，、।۔،)]+';
/** Letters that have a case: the class that DeepSeek LLM's tokenizer.json writes out. */
const DEEPSEEK_LETTERS = 'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃';
const HAN = '[一-龥\u0800-一가-\ud7ff]+';

const gpt2: GgufPreTokenizer = { patterns: [GPT2] };
const digitwise: GgufPreTokenizer = { patterns: [String.raw`\p{N}`, GPT2] };
const llama3: GgufPreTokenizer = { patterns: [words(String.raw`\p{N}{1,3}`)], ignoreMerges: true, addBos: true };
const dbrx: GgufPreTokenizer = { patterns: llama3.patterns };
const qwen2: GgufPreTokenizer = { patterns: [words(String.raw`\p{N}`)] };
const deepseek3: GgufPreTokenizer = { patterns: [String.raw`\p{N}{1,3}`, '[一-龥\u3040-ゟ゠-ヿ]+', PUNCTUATION_OR_WORD] };
const gpt4o: GgufPreTokenizer = { patterns: [cased(`${CONTRACTION}?`, String.raw`\p{N}{1,3}`)] };
const bloom: GgufPreTokenizer = { patterns: [BLOOM] };
const bailing: GgufPreTokenizer = { patterns: [String.raw`'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+`] };

const named: Readonly<Record<string, GgufPreTokenizer>> = {
  default: { patterns: [String.raw`[\p{P}\$\+<=>\^~\|]+`, GPT2, String.raw`\p{N}+`, '[0-9][0-9][0-9]'] },
  'llama-bpe': llama3, llama3, 'llama-v3': llama3, falcon3: llama3, 'falcon-h1': llama3, pixtral: llama3, 'midm-2.0': llama3, lfm2: llama3,
  dbrx, 'smaug-bpe': dbrx, 'chatglm-bpe': dbrx, glm4: dbrx,
  qwen2, 'deepseek-r1-qwen': qwen2, megrez: qwen2, stablelm2: qwen2, hunyuan: qwen2, 'solar-open': qwen2, 'grok-2': qwen2,
  qwen35: { patterns: [String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*${SPACES}`] },
  'gpt-2': gpt2, 'phi-2': gpt2, mpt: gpt2, olmo: gpt2, jais: gpt2, trillion: gpt2, 'granite-docling': gpt2, exaone4: gpt2, gigachat: gpt2, mellum: gpt2, 'modern-bert': gpt2, 'roberta-bpe': gpt2, 'a.x-4.0': gpt2,
  smollm: digitwise, starcoder: digitwise, refact: digitwise, 'command-r': digitwise, codeshell: digitwise, exaone: digitwise, 'minerva-7b': digitwise, mellum2: digitwise,
  falcon: { patterns: [String.raw`[\p{P}\$\+<=>\^~\|${'`'}]+`, GPT2, '[0-9][0-9][0-9]'] },
  'deepseek-llm': { patterns: [String.raw`[\r\n]`, String.raw`\s?[${DEEPSEEK_LETTERS}]+`, String.raw`\s?[!-/:-~！-／：-～‘-‟\u3000-。]+`, String.raw`\s+$`, HAN, String.raw`\p{N}+`] },
  'deepseek-coder': { patterns: [String.raw`[\r\n]`, String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, HAN, String.raw`\p{N}`] },
  'deepseek-v3': deepseek3, 'hunyuan-dense': deepseek3, 'joyai-llm': deepseek3,
  'gpt-4o': gpt4o, llama4: gpt4o, kanana2: gpt4o, 'minimax-m2': gpt4o,
  tekken: { patterns: [cased('', String.raw`\p{N}`)], ignoreMerges: true, addBos: true },
  bloom, 'poro-chat': bloom, 'gpt3-finnish': bloom,
  viking: { patterns: [BLOOM, String.raw`\p{N}`] },
  bailingmoe: bailing, bailingmoe2: bailing, 'llada-moe': bailing,
  'seed-coder': { patterns: [String.raw`${CONTRACTION}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+${SPACES}`] },
  minicpm5: { patterns: [String.raw`\p{N}{1,3}`, words(String.raw`\p{N}+`)], ignoreMerges: true },
};

/** By name. */
export const GGUF_PRE_TOKENIZERS: ReadonlyMap<string, GgufPreTokenizer> = new Map(Object.entries(named));
