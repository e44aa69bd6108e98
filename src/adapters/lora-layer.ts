import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import { parseAdapterConfig } from '../formats/peft.js';
import { parseHeader, readHeaderLength, writeSafetensors, type TensorBytes } from '../formats/safetensors.js';
import { addEntry, addSegment, clearFrame, type Frame, type Segment } from '../ops/frame.js';
import type { Module } from '../ops/module.js';
import type { Ops, Value } from '../ops/ops.js';
import { Program } from '../ops/program.js';
import type { ByteSource } from '../store/source.js';
import { BlockPlan } from '../tensor/block.js';
import { handleMaker, type Handle } from '../tensor/handle.js';
import type { AdapterReport, Blend, ResolvedBlend } from './adapter.js';
import { AdapterBank, type Unloaded } from './bank.js';
import { effectiveScale } from './blend.js';
import { declareDeltas } from './declare.js';
import { createAdapter } from './load.js';
import { matchModules } from './match.js';
import { groupTensors } from './tensors.js';

/** A tensor as a caller has it: floats, or the two bytes of bf16 and f16 as they are. */
export interface TensorInput {
  readonly data: Float32Array | Uint16Array;
  readonly shape: readonly number[];
  /** Needed for Uint16Array: which of the two it holds. */
  readonly dtype?: 'F32' | 'BF16' | 'F16';
}

/** An adapter for one layer; shapes as PEFT's files have them (LoraLinear: A [r, in], B [out, r]). */
export interface LayerAdapter {
  readonly A: TensorInput;
  readonly B: TensorInput;
  readonly alpha: number;
  /** Scale by alpha / √r instead of alpha / r. */
  readonly rslora?: boolean;
  /** lora_bias: added to B's product, [out]. */
  readonly bias?: TensorInput;
  /** DoRA's magnitude: [out], of an embedding [D], of a convolution [1, out, 1]. */
  readonly magnitude?: TensorInput;
}

/** A path inside the file that a layer's tensors are written to and read from in memory. */
export const LAYER_PATH = 'layer';

/** Declares a layer's own weights into a block. */
export type DeclareModule = (plan: BlockPlan, tensor: (name: string) => { source: ByteSource; info: import('../formats/safetensors.js').TensorInfo }) => Module;

/**
 * One layer with adapters, without a model: what LoraLinear, LoraConv1d and LoraEmbedding share. Its weights, its adapters and its buffers lie in the runtime's arenas until
 * {@link dispose}. Everything takes the way of files: tensors become a safetensors file in memory, so that the same checks stand in one place.
 */
export class LoraLayer {
  /** The layer's adapters by name. */
  readonly adapters: AdapterBank;
  readonly module: Module;
  readonly #runtime: Runtime;
  readonly #forward: (ops: Ops) => Value;
  readonly #handles: ReturnType<typeof handleMaker>;
  #block: number;
  #program: Program | null = null;

  protected constructor(runtime: Runtime, tensors: Readonly<Record<string, TensorInput | undefined>>, declare: DeclareModule, forward: (ops: Ops, module: Module) => Value) {
    const file = asFile(tensors);
    const plan = new BlockPlan();
    this.module = declare(plan, (name) => ({ source: file.source, info: file.tensors.get(`${LAYER_PATH}.${name}`)! }));
    this.#block = plan.placeNow(runtime, runtime.weights, file.bytes);
    this.#runtime = runtime;
    this.#forward = (ops) => forward(ops, this.module);
    this.#handles = handleMaker(runtime);
    this.adapters = new AdapterBank(runtime, [this.module], '');
  }

  /**
   * Loads an adapter under a name; one of that name is replaced once this one is in memory.
   *
   * @throws LorikeetError `adapter/shape-mismatch`, `adapter/config-invalid`, `adapter/merged` (DoRA beside a merge), `tensor/…`, `memory/exhausted`
   */
  loadAdapter(name: string, { A, B, alpha, rslora = false, bias, magnitude }: LayerAdapter): AdapterReport {
    this.#alive();
    const { module } = this;
    if (magnitude && this.adapters.merged.length > 0) throw new LorikeetError('adapter/merged', `The DoRA adapter "${name}" is measured against the layer's own weight, and ${this.adapters.merged.join(', ')} is merged into that: expected unmerge() first.`, { found: name });
    const embedding = module.kind === 'embedding';
    const config = parseAdapterConfig(JSON.stringify({
      peft_type: 'LORA', r: A.shape[0], lora_alpha: alpha, use_rslora: rslora, use_dora: magnitude !== undefined, lora_bias: bias !== undefined, target_modules: [LAYER_PATH],
    }, (_, value: unknown) => (typeof value === 'number' && !Number.isFinite(value) ? String(value) : value)));
    const file = asFile(embedding
      ? { lora_embedding_A: A, lora_embedding_B: B, lora_magnitude_vector: magnitude }
      : { 'lora_A.weight': A, 'lora_B.weight': B, 'lora_B.bias': bias, lora_magnitude_vector: magnitude });
    const matches = matchModules([module], config);
    const declared = declareDeltas([module], config, matches, groupTensors([module], config, matches, file.tensors, false), file.source);
    return this.adapters.insert(name, (identity) => {
      const block = declared.plan.placeNow(this.#runtime, this.#runtime.adapters, file.bytes);
      try {
        for (const finish of declared.finishing) void finish(this.#runtime);
      } catch (error) {
        this.#runtime.adapters.free(block);
        throw error;
      }
      return createAdapter(identity, declared, block);
    });
  }

  /** Sets an adapter's own scale, which multiplies the weights that forward is given. */
  rescale(name: string, scale: number): void {
    this.adapters.rescale(name, scale);
  }

  /** Removes an adapter and returns its bytes to the free list. */
  unload(name: string): Unloaded {
    return this.adapters.unload(name);
  }

  /** Runs the layer on rows that `fill` writes, under a blend (default: the active one). */
  protected run(rows: number, outRows: number, blend: Blend | undefined, fill: (program: Program) => void): Handle {
    this.#alive();
    const resolved: ResolvedBlend = this.adapters.resolve(blend ?? this.adapters.active);
    const invoked = resolved.adapters.find(({ invocation }) => invocation !== null);
    if (invoked) throw new LorikeetError('layer/adapter', `"${invoked.name}" is an aLoRA, which applies from its invocation tokens on: expected an adapter that applies everywhere, since a layer sees no tokens.`, { expected: 'no alora_invocation_tokens', found: invoked.name });
    const program = this.#programFor(rows, outRows);
    for (const { rank, temporaries } of resolved.adapters) program.reserve(rank, temporaries);
    const { frame, result } = program;
    clearFrame(frame);
    this.#addSegment(frame, 'tokens', rows, resolved);
    this.#addSegment(frame, 'outputs', outRows, resolved);
    fill(program);
    program.run();
    return this.#handles.make(result.ptr, result.domain === 'outputs' ? outRows : rows, result.width);
  }

  #alive(): void {
    if (this.#block === 0) throw new LorikeetError('layer/disposed', 'The layer is disposed: expected a living one; make another.');
  }

  #addSegment(frame: Frame, domain: 'tokens' | 'outputs', rows: number, { adapters, weights }: ResolvedBlend): void {
    const segment: Segment = addSegment(frame[domain], rows, 0);
    adapters.forEach((adapter, i) => addEntry(segment, adapter.deltas, effectiveScale(adapter, weights[i]!), 0));
  }

  /** The recorded layer with room for so many rows; a longer input makes a longer one. */
  #programFor(rows: number, outRows: number): Program {
    if (this.#program && this.#program.frame.maxRows >= rows && this.#program.frame.maxOutputs >= outRows) return this.#program;
    const longer = new Program(this.#runtime, this.#forward, rows, outRows);
    this.#program?.dispose();
    this.#handles.expire();
    this.#program = longer;
    return longer;
  }

  /** Gives weights, adapters and buffers back. */
  dispose(): void {
    if (this.#block === 0) return;
    this.adapters.dispose();
    this.#program?.dispose();
    this.#program = null;
    this.#handles.expire();
    this.#runtime.weights.free(this.#block);
    this.#block = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Writes given tensors to a safetensors file in memory. */
function asFile(tensors: Readonly<Record<string, TensorInput | undefined>>): { bytes: Uint8Array; source: ByteSource; tensors: ReturnType<typeof parseHeader>['tensors'] } {
  const list: TensorBytes[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    if (!tensor) continue;
    const { data, shape } = tensor;
    const dtype = tensor.dtype ?? (data instanceof Float32Array ? 'F32' : undefined);
    if (dtype === undefined) throw new LorikeetError('tensor/dtype', `"${name}" expected a dtype, BF16 or F16, beside its Uint16Array.`, { expected: ['BF16', 'F16'] });
    const count = shape.reduce((product, d) => product * d, 1);
    if (count !== data.length || shape.some((d) => !Number.isInteger(d) || d < 1)) throw new LorikeetError('tensor/shape', `"${name}" has ${data.length} elements: expected ${JSON.stringify(shape)}, that is ${count}.`, { expected: shape, found: data.length });
    list.push({ name: `${LAYER_PATH}.${name}`, dtype, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) });
  }
  const bytes = writeSafetensors(list);
  const length = readHeaderLength(bytes.subarray(0, 8), bytes.length);
  const source: ByteSource = { name: LAYER_PATH, size: bytes.length, read: (begin, end) => Promise.resolve(bytes.subarray(begin, end)), close: () => Promise.resolve() };
  return { bytes, source, tensors: parseHeader(bytes.subarray(8, 8 + length), bytes.length).tensors };
}

/** Checks the rows of an input: floats, or another layer's result, whose width must be `width`. */
export function inputRows(x: Float32Array | Handle, width: number, what: string): number {
  const rows = x instanceof Float32Array ? x.length / width : x.shape[0];
  if (!Number.isInteger(rows) || rows === 0 || (!(x instanceof Float32Array) && x.shape[1] !== width)) {
    throw new LorikeetError('layer/shape-mismatch', `${what} expected rows of ${width} numbers, found ${x instanceof Float32Array ? `${x.length} numbers` : JSON.stringify(x.shape)}.`, { expected: width, found: x instanceof Float32Array ? x.length : x.shape });
  }
  return rows;
}

/** Copies an input to where a program reads it. */
export function writeInput(runtime: Runtime, target: number, x: Float32Array | Handle, count: number): void {
  if (x instanceof Float32Array) runtime.views.f32.set(x, target / 4);
  else runtime.views.u8.copyWithin(target, x.ptr, x.ptr + count * 4);
}
