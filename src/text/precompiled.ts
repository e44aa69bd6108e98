/**
 * The `precompiled_charsmap` of sentencepiece: a table from characters (and short sequences) to what they are normalized to.
 *
 *     u32 bytes of the trie │ trie: u32 units of a double-array (darts-clone) │ texts, each ended by a zero byte
 *
 * A unit: bits 0–7 and 31 the label, bit 8 whether a value hangs on it, bits 10–30 the offset to its children (times 256 if bit 9 is set). A value's unit: bits 0–30.
 */
import { invalid } from './part.js';

/** Of longer sequences only the single characters are looked up, as the Rust library does. */
const GROUP_BYTES = 6;

export function createCharsMap(base64: string): (text: string) => string {
  let bytes: Uint8Array;
  try {
    bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  } catch (cause) {
    throw invalid('precompiled_charsmap is not base64', base64.slice(0, 40), cause);
  }
  if (bytes.length < 4) throw invalid('precompiled_charsmap is cut off', bytes.length);
  const view = new DataView(bytes.buffer);
  const trieBytes = view.getUint32(0, true);
  if (trieBytes % 4 !== 0 || 4 + trieBytes > bytes.length) throw invalid('precompiled_charsmap is cut off', trieBytes);
  const unit = (at: number): number => (at < trieBytes / 4 ? view.getUint32(4 + 4 * at, true) : 0);
  const offset = (value: number): number => (value >>> 10) << ((value & 0x200) >>> 6);
  const texts = bytes.subarray(4 + trieBytes);
  const encoder = new TextEncoder();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** What the first entry that begins this text stands for, or undefined. */
  const mapped = (text: string): string | undefined => {
    let node = offset(unit(0));
    for (const byte of encoder.encode(text)) {
      node ^= byte;
      const value = unit(node);
      if ((value & 0x800000ff) !== byte) return undefined;
      node ^= offset(value);
      if ((value >>> 8) & 1) {
        const from = unit(node) & 0x7fffffff;
        const end = texts.indexOf(0, from);
        return decoder.decode(texts.subarray(from, end < 0 ? texts.length : end));
      }
    }
    return undefined;
  };
  const segmenter = new Intl.Segmenter('und', { granularity: 'grapheme' });
  return (text) => {
    let out = '';
    for (const { segment } of segmenter.segment(text)) {
      const whole = encoder.encode(segment).length < GROUP_BYTES ? mapped(segment) : undefined;
      if (whole !== undefined) out += whole;
      else for (const character of segment) out += mapped(character) ?? character;
    }
    return out;
  };
}
