import type { Part } from './part.js';

/** GPT-2's words, which ByteLevel splits by unless told otherwise. */
const GPT2_WORDS = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * A tokenizer.json in which @huggingface/tokenizers 0.2.0 finds nothing that it reads otherwise than the Rust library. Two of its pre-tokenizers differ, and both can be said
 * by its Split, whose regexes it translates with care:
 *
 * - Digits takes decimal digits only; Rust's `is_numeric` takes every numeric character (², ½, Ⅷ, ①).
 * - ByteLevel's own regex takes U+FEFF for a space, as JavaScript's \s does and Rust's doesn't. (With `add_prefix_space`, which no Split can say, it stays.)
 *
 * Nothing else differed in the ids of 4,000 strings of many scripts for the tokenizers of SmolLM2, GPT-2, Llama 2 and 3, Qwen2.5, Gemma 1 and 2, Mistral Nemo and DeepSeek V3.
 */
export function asRustDoes(description: Part): Part {
  return { ...description, pre_tokenizer: mended(description.pre_tokenizer) };
}

function mended(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const part = value as Part;
  switch (part.type) {
    case 'Sequence':
      return Array.isArray(part.pretokenizers) ? { ...part, pretokenizers: part.pretokenizers.map(mended) } : part;
    case 'Digits':
      return splitBy(part.individual_digits === true ? String.raw`\p{N}` : String.raw`\p{N}+`);
    case 'ByteLevel':
      return part.use_regex === false || part.add_prefix_space === true ? part : { type: 'Sequence', pretokenizers: [splitBy(GPT2_WORDS), { ...part, use_regex: false }] };
    default:
      return part;
  }
}

const splitBy = (Regex: string): Part => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
