// The free blocks of an arena, ordered so that one that fits is found in O(log n): a treap whose nodes are the blocks themselves.
// Under `best-fit` the order is (size, offset) and the answer the smallest that fits; under `first-fit` it is the offset, each node knows
// the largest size below it, and the answer is the lowest that fits. Ties go to the lowest offset, so a trace has one outcome.

export type FitPolicy = 'best-fit' | 'first-fit';

/** A piece of a span, in use or free, with its neighbours in memory and, while free, its place in the index. */
export interface Block {
  offset: number;
  size: number;
  free: boolean;
  before: Block | null;
  after: Block | null;
  left: Block | null;
  right: Block | null;
  priority: number;
  /** The largest size in the subtree. */
  largest: number;
}

export function createBlock(offset: number, size: number, before: Block | null, after: Block | null): Block {
  return { offset, size, free: true, before, after, left: null, right: null, priority: 0, largest: size };
}

export class FreeIndex {
  readonly policy: FitPolicy;
  #root: Block | null = null;
  #count = 0;
  #random = 0x9e3779b9;
  #lower: Block | null = null; // the two results of #split
  #upper: Block | null = null;

  constructor(policy: FitPolicy) {
    this.policy = policy;
  }

  get count(): number {
    return this.#count;
  }

  /** The size of the largest free block, 0 without any. */
  get largest(): number {
    return this.#root?.largest ?? 0;
  }

  /** The block that the policy takes for `size` bytes, or null. */
  find(size: number): Block | null {
    let node = this.#root;
    if (node === null || node.largest < size) return null;
    if (this.policy === 'best-fit') {
      let best: Block | null = null;
      while (node !== null) {
        if (node.size >= size) {
          best = node;
          node = node.left;
        } else node = node.right;
      }
      return best;
    }
    for (;;) {
      if (node.left !== null && node.left.largest >= size) node = node.left;
      else if (node.size >= size) return node;
      else node = node.right!; // node.largest >= size, and neither the node nor its left has it
    }
  }

  insert(block: Block): void {
    this.#random ^= this.#random << 13;
    this.#random ^= this.#random >>> 17;
    this.#random ^= this.#random << 5;
    block.priority = this.#random;
    block.left = block.right = null;
    block.largest = block.size;
    block.free = true;
    this.#root = this.#insertInto(this.#root, block);
    this.#count++;
  }

  /** Takes a block out. Its size and offset must still be those it was inserted with. */
  remove(block: Block): void {
    this.#root = this.#removeFrom(this.#root, block);
    this.#count--;
    block.left = block.right = null;
    block.free = false;
  }

  #insertInto(node: Block | null, block: Block): Block {
    if (node === null) return block;
    if (block.priority > node.priority) {
      this.#split(node, block);
      block.left = this.#lower;
      block.right = this.#upper;
      return refresh(block);
    }
    if (this.#precedes(block, node)) node.left = this.#insertInto(node.left, block);
    else node.right = this.#insertInto(node.right, block);
    return refresh(node);
  }

  #removeFrom(node: Block | null, block: Block): Block | null {
    if (node === null) throw new Error('a free block is missing from its index');
    if (node === block) return this.#join(node.left, node.right);
    if (this.#precedes(block, node)) node.left = this.#removeFrom(node.left, block);
    else node.right = this.#removeFrom(node.right, block);
    return refresh(node);
  }

  /** Parts a subtree into what precedes `at` (#lower) and the rest (#upper). */
  #split(node: Block | null, at: Block): void {
    if (node === null) {
      this.#lower = this.#upper = null;
    } else if (this.#precedes(node, at)) {
      this.#split(node.right, at);
      node.right = this.#lower;
      this.#lower = refresh(node);
    } else {
      this.#split(node.left, at);
      node.left = this.#upper;
      this.#upper = refresh(node);
    }
  }

  /** One subtree from two, all of `lower` preceding all of `upper`. */
  #join(lower: Block | null, upper: Block | null): Block | null {
    if (lower === null) return upper;
    if (upper === null) return lower;
    if (lower.priority > upper.priority) {
      lower.right = this.#join(lower.right, upper);
      return refresh(lower);
    }
    upper.left = this.#join(lower, upper.left);
    return refresh(upper);
  }

  #precedes(a: Block, b: Block): boolean {
    return this.policy === 'best-fit' && a.size !== b.size ? a.size < b.size : a.offset < b.offset;
  }
}

function refresh(node: Block): Block {
  node.largest = Math.max(node.size, node.left?.largest ?? 0, node.right?.largest ?? 0);
  return node;
}
