// The blocks of 32 positions (over all layers) that caches are made of, counted by their users.
//
// A full block whose contents are pure, that is, computed wholly under one effective blend behind a pure parent, is keyed: by its parent, its 32 token ids and that blend.
// The keyed blocks are a tree below a root that stands for the empty sequence; a path from the root is a prefix, and a child is compared token by token, so that nothing
// is ever taken for what it isn't.
//
//   in use   users > 0: stands in the tables of that many caches; if it is keyed it is never written again
//   idle     users = 0, keyed: nobody's, but may be found; the oldest goes first when `prefixCache` is reached or memory is needed
//   free     given back to the arena
//
// A cache gives its blocks back from its end, so a child is older than its parent among the idle: the oldest has no children but where a sliding window let go of its
// parent first. What goes takes the keys of those below it along: they couldn't be reached any more.
import type { Runtime } from '../arena/runtime.js';
import { LorikeetError } from '../errors.js';
import type { KvShape } from './architecture.js';
import type { BlockBlend } from './kv-signature.js';

/** Positions in one block: fixed, since attention reduces block by block and its bits must not depend on anything else. */
export const KV_BLOCK = 32;

/** Codes in the kernels' ABI. */
const KV_DTYPES = { f32: 0, f16: 2, q8: 3 } as const;

/**
 * What keys and values are kept in: `f32` as they were computed; `f16` in half the bytes, each element within 2⁻¹¹ of itself; `q8` in little more than a quarter, within 1/254 of the largest of 32
 * neighbours in a key, of a head in a value.
 */
export type KvDtype = keyof typeof KV_DTYPES;

/** Most bytes of idle blocks, where the caller doesn't say: not more than one conversation of the model's full length, nor than what a phone has to spare. */
const IDLE_BYTES = 64 * 2 ** 20;

/** Options of {@link KvPool}. */
export interface KvPoolOptions {
  /** Default `f32`. */
  dtype?: KvDtype | undefined;
  /** Most bytes of blocks that nobody uses and that may be found again; 0: only living sessions share; false: nothing is shared. */
  prefixCache?: number | false | undefined;
}

/** One block, or the root. Only the pool writes it. */
export interface KvBlock {
  /** Byte offset; 0 once it is given back. */
  ptr: number;
  users: number;
  /** null: not keyed. */
  parent: KvBlock | null;
  tokens: readonly number[];
  blend: BlockBlend | null;
  readonly children: KvBlock[];
  /** Neighbours among the idle. */
  older: KvBlock | null;
  newer: KvBlock | null;
}

const block = (ptr: number): KvBlock => ({ ptr, users: 1, parent: null, tokens: [], blend: null, children: [], older: null, newer: null });

export class KvPool {
  /** The parent of every sequence's first block. */
  readonly root: KvBlock = block(0);
  readonly dtype: KvDtype;
  /** Its code in the kernels' ABI. */
  readonly code: number;
  readonly layers: number;
  /** The longest window of a layer; 0 if some layer sees everything. */
  readonly window: number;
  /** Bytes of one layer's part of a block, and of a block. */
  readonly layerBytes: number;
  readonly blockBytes: number;
  readonly runtime: Runtime;
  /** Whether blocks are keyed at all. */
  readonly shares: boolean;
  readonly #most: number;
  #oldest: KvBlock | null = null;
  #newest: KvBlock | null = null;
  #idle = 0;

  /** @throws LorikeetError `kv/dtype`, `kv/prefix-cache` */
  constructor(runtime: Runtime, shape: KvShape, contextLength: number, { dtype = 'f32', prefixCache }: KvPoolOptions = {}) {
    if (!Object.hasOwn(KV_DTYPES, dtype)) throw new LorikeetError('kv/dtype', `"kvDtype" expected one of ${Object.keys(KV_DTYPES).join(', ')}, got ${String(dtype)}.`, { expected: Object.keys(KV_DTYPES), found: dtype });
    if (prefixCache !== undefined && prefixCache !== false && !(typeof prefixCache === 'number' && prefixCache >= 0)) {
      throw new LorikeetError('kv/prefix-cache', `"prefixCache" expected a number of bytes from 0 on, or false, got ${String(prefixCache)}.`, { expected: 'bytes or false', found: prefixCache });
    }
    this.runtime = runtime;
    this.dtype = dtype;
    this.code = KV_DTYPES[dtype];
    this.layers = shape.layers;
    this.window = shape.window;
    this.layerBytes = runtime.kernels.kvBlockBytes(shape.kvHeads, shape.headDim, this.code);
    this.blockBytes = this.layerBytes * shape.layers;
    this.shares = prefixCache !== false;
    this.#most = prefixCache === false ? 0 : prefixCache ?? Math.min(IDLE_BYTES, Math.ceil(contextLength / KV_BLOCK) * this.blockBytes);
    if (this.#most > 0) runtime.heap.onPressure = () => this.#dropOldest();
  }

  /** Bytes of blocks that nobody uses and that may still be found. */
  get idleBytes(): number {
    return this.#idle * this.blockBytes;
  }

  /** Their number. */
  get idleBlocks(): number {
    return this.#idle;
  }

  /** A block of its own for a cache. @throws LorikeetError `memory/exhausted` once nothing idle is left to give up */
  take(): KvBlock {
    return block(this.runtime.kv.alloc(this.blockBytes));
  }

  /** A block of its own with the contents of another. @throws LorikeetError `memory/exhausted` */
  copyOf({ ptr }: KvBlock): KvBlock {
    const copy = this.take();
    this.runtime.views.u8.copyWithin(copy.ptr, ptr, ptr + this.blockBytes);
    return copy;
  }

  /** Ends one use. */
  release(used: KvBlock): void {
    if (--used.users > 0) return;
    if (used.parent === null) return this.#free(used);
    used.older = this.#newest;
    if (this.#newest) this.#newest.newer = used;
    else this.#oldest = used;
    this.#newest = used;
    this.#idle++;
    while (this.idleBytes > this.#most) this.#dropOldest();
  }

  /** The keyed block of the 32 tokens from `from` on behind a parent, or null. */
  find(parent: KvBlock, tokens: readonly number[], from: number, blend: BlockBlend): KvBlock | null {
    const { children } = parent;
    for (let i = 0; i < children.length; i++) {
      const child = children[i]!;
      let at = 0;
      while (at < KV_BLOCK && child.tokens[at] === tokens[from + at]) at++;
      if (at === KV_BLOCK && (child.blend === blend || child.blend!.text === blend.text)) return child;
    }
    return null;
  }

  /** Begins a use of a block that was found. */
  share(found: KvBlock): void {
    if (found.users++ === 0) this.#wake(found);
  }

  /**
   * Keys a block that is full; its parent is keyed, or the root. Where one with that key stands already the result is that one, in use once more, and `full` is given back.
   */
  register(full: KvBlock, parent: KvBlock, tokens: readonly number[], from: number, blend: BlockBlend): KvBlock {
    const known = this.find(parent, tokens, from, blend);
    if (known) {
      this.share(known);
      this.release(full);
      return known;
    }
    full.parent = parent;
    full.tokens = tokens.slice(from, from + KV_BLOCK);
    full.blend = blend;
    parent.children.push(full);
    return full;
  }

  /** True if a block is keyed, or the root: others may be keyed behind it. */
  isKeyed(of: KvBlock): boolean {
    return of.parent !== null || of === this.root;
  }

  /** Forgets what was computed with an adapter that is gone. */
  dropAdapter(id: number): void {
    this.#dropWhere(this.root, ({ blend }) => blend!.adapters.includes(id));
  }

  /** Forgets everything: the base has changed. */
  dropAll(): void {
    this.#dropWhere(this.root, () => true);
  }

  #dropWhere(parent: KvBlock, gone: (of: KvBlock) => boolean): void {
    for (const child of [...parent.children]) {
      if (gone(child)) this.#drop(child);
      else this.#dropWhere(child, gone);
    }
  }

  #dropOldest(): boolean {
    if (!this.#oldest) return false;
    this.#drop(this.#oldest);
    return true;
  }

  /** Takes the key of a block and of all below it; what nobody uses is given back. */
  #drop(keyed: KvBlock): void {
    for (const child of keyed.children.splice(0)) this.#drop(child);
    const siblings = keyed.parent!.children;
    const at = siblings.indexOf(keyed);
    if (at >= 0) siblings.splice(at, 1);
    keyed.parent = keyed.blend = null;
    if (keyed.users > 0) return;
    this.#wake(keyed);
    this.#free(keyed);
  }

  /** Takes a block out of the idle. */
  #wake(idle: KvBlock): void {
    if (idle.older) idle.older.newer = idle.newer;
    else this.#oldest = idle.newer;
    if (idle.newer) idle.newer.older = idle.older;
    else this.#newest = idle.older;
    idle.older = idle.newer = null;
    this.#idle--;
  }

  #free(unused: KvBlock): void {
    this.runtime.kv.free(unused.ptr);
    unused.ptr = 0;
  }

  /** Gives every idle block back. Caches must be disposed. */
  dispose(): void {
    this.dropAll();
    if (this.#most > 0) this.runtime.heap.onPressure = undefined;
  }
}
