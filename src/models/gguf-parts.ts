import { LorikeetError } from '../errors.js';
import { readGguf, type GgufHeader, type GgufMetadata, type GgufTensor } from '../formats/gguf.js';
import type { OpenedFile } from '../store/open.js';
import type { ByteSource } from '../store/source.js';

/** A GGUF file, or all parts of one that was split, as one. */
export interface GgufParts {
  /** Of the first part; the others hold their number only. */
  readonly metadata: GgufMetadata;
  readonly types: GgufHeader['types'];
  readonly tensors: GgufHeader['tensors'];
  /** Which file each tensor lies in. */
  sourceOf(tensor: GgufTensor): ByteSource;
  readonly sources: readonly ByteSource[];
}

/** llama.cpp names the parts so: `model-00001-of-00003.gguf`. */
const PART = /^(.*)-([0-9]{5})-of-([0-9]{5})(\.gguf)$/i;

/**
 * Reads the header of a GGUF file and, where it is the first of several (`split.count`), those of the parts beside it.
 *
 * @throws LorikeetError `gguf/…`, `gguf/split` (not the first part, a part that is missing or of another model), `store/…`; every source is closed then
 */
export async function openGgufParts({ source, name, sibling }: OpenedFile): Promise<GgufParts> {
  const sources = [source];
  try {
    const first = await readGguf(source);
    const count = first.metadata.get('split.count') ?? 0;
    if (typeof count !== 'number' || count <= 1) return { ...first, sources, sourceOf: () => source };
    const number = first.metadata.get('split.no');
    if (number !== 0) throw split(`The file is part ${String(number)} of ${count}: expected the first one, which knows the others.`, 0, number);
    const [, stem, , total, end] = PART.exec(name) ?? [];
    if (stem === undefined || Number(total) !== count || sibling === null) {
      throw split(`The file is the first of ${count} parts: expected a path or address that ends with -00001-of-${pad(count)}.gguf, so that the others can be found, found ${JSON.stringify(name)}; or join them with llama-gguf-split --merge.`, `-00001-of-${pad(count)}.gguf`, name);
    }
    const tensors = new Map(first.tensors);
    const places = new Map<GgufTensor, ByteSource>([...tensors.values()].map((tensor) => [tensor, source]));
    for (let i = 1; i < count; i++) {
      const part = await sibling(`${stem}-${pad(i + 1)}-of-${total}${end}`);
      sources.push(part);
      const { metadata, tensors: more } = await readGguf(part);
      if (metadata.get('split.no') !== i || metadata.get('split.count') !== count) throw split(`${JSON.stringify(part.name)} is part ${String(metadata.get('split.no'))} of ${String(metadata.get('split.count'))}: expected part ${i} of ${count}, as its name says.`, [i, count], metadata.get('split.no'));
      for (const tensor of more.values()) {
        if (tensors.has(tensor.name)) throw new LorikeetError('gguf/duplicate-tensor', `The tensor ${JSON.stringify(tensor.name)} stands in two parts: expected it once.`, { expected: 1, found: 2 });
        tensors.set(tensor.name, tensor);
        places.set(tensor, part);
      }
    }
    const promised = first.metadata.get('split.tensors.count');
    if (promised !== undefined && promised !== tensors.size) throw split(`The ${count} parts hold ${tensors.size} tensors: expected the ${String(promised)} that the first one promises.`, promised, tensors.size);
    return { metadata: first.metadata, types: first.types, tensors, sources, sourceOf: (tensor) => places.get(tensor)! };
  } catch (error) {
    await closeParts({ sources });
    throw error;
  }
}

export async function closeParts({ sources }: Pick<GgufParts, 'sources'>): Promise<void> {
  for (const source of sources) await source.close();
}

const pad = (number: number): string => String(number).padStart(5, '0');

const split = (message: string, expected: unknown, found: unknown): LorikeetError => new LorikeetError('gguf/split', message, { expected, found });
