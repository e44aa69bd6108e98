import { readHeader } from '../../formats/safetensors.js';
import { openFile } from '../../store/open.js';
import { bytesByDtype, elements, rowOf, type TensorRow } from './tensors.js';

/** What a .safetensors file holds. */
export interface InspectedFile {
  readonly kind: 'safetensors';
  readonly path: string;
  readonly bytes: number;
  readonly headerBytes: number;
  readonly parameters: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: readonly TensorRow[];
}

/** Reads a file's header. @throws LorikeetError `store/…`, `safetensors/…` */
export async function inspectFile(path: string): Promise<InspectedFile> {
  const source = await openFile(path);
  try {
    const { tensors: found, metadata, headerBytes } = await readHeader(source);
    const tensors = [...found.values()].map(rowOf);
    return { kind: 'safetensors', path, bytes: source.size, headerBytes, parameters: tensors.reduce((sum, { shape }) => sum + elements(shape), 0), dtypes: bytesByDtype(tensors), metadata: { ...metadata }, tensors };
  } finally {
    await source.close();
  }
}
