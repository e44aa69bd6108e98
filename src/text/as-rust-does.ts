import { countOf, invalid, partOf, textOf, type Part } from './part.js';

/** GPT-2's words, which ByteLevel splits by unless told otherwise. */
const GPT2_WORDS = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;
/** What Rust's regexes call \w, and ASCII's punctuation with Unicode's. */
const WORD = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}`;
const PUNCTUATION = String.raw`[\p{P}!-/:-@\[-\x60{-~]`;

/**
 * A tokenizer.json in which @huggingface/tokenizers 0.2.0 finds only what it reads as the Rust library does. What it reads otherwise and its other parts can say is said by those (the text that differs
 * in brackets); the rest is mended in library-parts.ts.
 *
 * - Digits takes decimal digits only; Rust's `is_numeric` takes every numeric character (`²`, `½`, `Ⅷ`, `①`).
 * - ByteLevel's own regex takes U+FEFF for a space, as JavaScript's \s does and Rust's doesn't (`\ufeffa`).
 * - Metaspace doesn't `split` at its mark (`a b` of T5), and an older file's `add_prefix_space: false` is overlooked (`a`).
 * - Split knows the behaviours Isolated and Removed; `invert` drops what lies between the matches, whatever the behaviour (`a1b`).
 * - FixedLength counts UTF-16 units, BertPreTokenizer goes by JavaScript's space (`🦜🦜`).
 * - Punctuation and Whitespace go by \w of ASCII, and by one behaviour (`é!?`); CharDelimiterSplit isn't known.
 * - Replace of a normalizer takes `$` in its content for JavaScript's (`$&`); Strip strips what JavaScript calls space (`\ufeffa`).
 * - TemplateProcessing adds a token by its name in the template, not by what the file says behind that name.
 * - Special tokens that only tokenizer_config.json knows aren't found in a text; transformers adds them (`</s>` of a bare tokenizer.json).
 */
export function asRustDoes(description: Part, config: Part = {}): Part {
  const model = partOf(description['model'], 'model');
  // A word as a whole, or nothing: the library gives `undefined` for the unknown ones.
  if (model['type'] === 'WordLevel') throw invalid('the model "WordLevel" is not known', model['type']);
  return {
    ...description,
    normalizer: rewritten(description['normalizer'], 'normalizers', normalizer),
    pre_tokenizer: rewritten(description['pre_tokenizer'], 'pretokenizers', preTokenizer),
    post_processor: rewritten(description['post_processor'], 'processors', postProcessor),
    added_tokens: addedTokens(description, config),
  };
}

/** A part, or each of a Sequence, rewritten. */
function rewritten(value: unknown, key: string, rewrite: (part: Part) => Part): unknown {
  if (value === null || value === undefined) return null;
  const part = partOf(value, 'a part of it');
  return part['type'] === 'Sequence' && Array.isArray(part[key]) ? { ...part, [key]: (part[key] as unknown[]).map((one) => rewritten(one, key, rewrite)) } : rewrite(part);
}

function preTokenizer(part: Part): Part {
  switch (part['type']) {
    case 'Digits':
      return isolate(part['individual_digits'] === true ? String.raw`\p{N}` : String.raw`\p{N}+`);
    case 'ByteLevel':
      return part['use_regex'] === false || part['add_prefix_space'] === true ? part : sequence(isolate(GPT2_WORDS), { ...part, use_regex: false });
    case 'Split':
      return split(part);
    case 'Punctuation':
      return split({ pattern: { Regex: PUNCTUATION }, behavior: part['behavior'] ?? 'Isolated' });
    case 'Whitespace':
      return split({ pattern: { Regex: `[${WORD}]+|[^${WORD}\\p{White_Space}]+` }, behavior: 'Removed', invert: true });
    case 'WhitespaceSplit':
      return split({ pattern: { Regex: String.raw`\p{White_Space}+` }, behavior: 'Removed' });
    case 'CharDelimiterSplit':
      return split({ pattern: { String: part['delimiter'] }, behavior: 'Removed' });
    case 'BertPreTokenizer':
      return sequence(split({ pattern: { Regex: String.raw`\p{White_Space}` }, behavior: 'Removed' }), isolate(PUNCTUATION));
    case 'FixedLength':
      return isolate(`[\\s\\S]{1,${countOf(part, 'length', 5) || 1}}`);
    case 'Metaspace': {
      const scheme = part['add_prefix_space'] === false ? 'never' : (part['prepend_scheme'] ?? 'always');
      if (!['always', 'first', 'never'].includes(scheme as string)) throw invalid('prepend_scheme must be "always", "first" or "never"', scheme);
      const marked = { ...part, prepend_scheme: scheme, str_rep: null };
      const mark = verbatim(textOf(part, 'replacement', '▁'));
      return part['split'] === false ? marked : sequence(marked, isolate(`${mark}(?:(?!${mark})[\\s\\S])*`));
    }
    default:
      return part;
  }
}

const isolate = (Regex: string): Part => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
const sequence = (...pretokenizers: Part[]): Part => ({ type: 'Sequence', pretokenizers });
const verbatim = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A part's pattern as a regex. */
function sourceOf(part: Part): string {
  const pattern = partOf(part['pattern'], 'pattern');
  const source = typeof pattern['String'] === 'string' ? verbatim(pattern['String']) : pattern['Regex'];
  if (typeof source !== 'string') throw invalid('a pattern must hold a String or a Regex', pattern);
  return source;
}

/** A Split of any behaviour by one that isolates its matches: what is merged becomes part of the match. */
function split(part: Part): Part {
  const source = sourceOf(part);
  const invert = part['invert'] === true;
  const between = `(?:(?!(?:${source}))[\\s\\S])`;
  switch (part['behavior']) {
    case 'Removed':
      return { type: 'Split', pattern: { Regex: source }, behavior: 'Removed', invert };
    case 'Isolated':
      // What lies between is isolated as well, so it is the same from both sides.
      return isolate(source);
    case 'Contiguous':
      return isolate(`(?:${source})+`);
    case 'MergedWithPrevious':
      return isolate(invert ? `(?:${source})${between}+` : `${between}*(?:${source})`);
    case 'MergedWithNext':
      return isolate(invert ? `${between}+(?:${source})` : `(?:${source})${between}*`);
    default:
      throw invalid(`the behaviour ${JSON.stringify(part['behavior'])} is not known`, part['behavior']);
  }
}

function normalizer(part: Part): Part {
  switch (part['type']) {
    case 'Replace':
      sourceOf(part);
      return { ...part, content: textOf(part, 'content').replaceAll('$', '$$$$') };
    case 'Strip': {
      const sides = [...(part['strip_left'] === false ? [] : ['(?<![\\s\\S])\\p{White_Space}+']), ...(part['strip_right'] === false ? [] : ['(?<!\\p{White_Space})\\p{White_Space}+(?![\\s\\S])'])];
      return sides.length === 0 ? { type: 'Sequence', normalizers: [] } : { type: 'Replace', pattern: { Regex: sides.join('|') }, content: '' };
    }
    default:
      return part;
  }
}

/** A template's tokens by their texts, which the library looks up. */
function postProcessor(part: Part): Part {
  if (part['type'] !== 'TemplateProcessing') return part;
  if (!Array.isArray(part['single'])) throw invalid('single must be a list', part['single']);
  const special = partOf(part['special_tokens'] ?? {}, 'special_tokens');
  const single = (part['single'] as unknown[]).flatMap((entry) => {
    const item = partOf(entry, 'an entry of the template');
    if (!item['SpecialToken']) return [item];
    const name = partOf(item['SpecialToken'], 'SpecialToken')['id'] as string;
    const { ids, tokens } = partOf(special[name], `the special token ${JSON.stringify(name)}`);
    if (!Array.isArray(ids) || !Array.isArray(tokens) || ids.length !== tokens.length) throw invalid(`the special token ${JSON.stringify(name)} must have ids and as many tokens`, special[name]);
    return (tokens as unknown[]).map((id) => ({ SpecialToken: { id, type_id: 0 } }));
  });
  return { ...part, single };
}

/** Names under which tokenizer_config.json speaks of special tokens. */
const SPECIAL = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token', 'additional_special_tokens', 'extra_special_tokens'];

/** The added tokens of tokenizer.json, then those that only tokenizer_config.json knows. */
function addedTokens(description: Part, config: Part): Part[] {
  const given = description['added_tokens'] ?? [];
  if (!Array.isArray(given)) throw invalid('added_tokens must be a list', given);
  const added = (given as unknown[]).map((token) => partOf(token, 'an added token'));
  const known = new Set(added.map((token) => token['content']));
  const add = (token: Part): void => {
    if (known.has(token['content']) || token['content'] === '') return;
    known.add(token['content']);
    added.push(token);
  };
  const decoder = config['added_tokens_decoder'];
  if (decoder !== undefined && decoder !== null) for (const [id, token] of Object.entries(partOf(decoder, 'added_tokens_decoder'))) add({ ...partOf(token, 'an added token'), id: Number(id) });
  const model = partOf(description['model'], 'model');
  const { vocab } = model;
  for (const value of SPECIAL.flatMap((key) => config[key])) {
    const token: Part = typeof value === 'string' ? { content: value } : typeof value === 'object' && value !== null ? (value as Part) : {};
    const { content } = token;
    if (typeof content !== 'string' || known.has(content)) continue;
    // One that no vocabulary holds would get a new id, for which the model has no row.
    const id = Array.isArray(vocab) ? (vocab as unknown[][]).findIndex((entry) => entry[0] === content) : Object.hasOwn(partOf(vocab, 'model.vocab'), content) ? (vocab as Record<string, number>)[content]! : -1;
    if (id >= 0) add({ ...token, id, special: true, normalized: token['normalized'] ?? false });
  }
  return added;
}
