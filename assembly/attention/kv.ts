// The KV cache of one layer: blocks of 32 positions, aligned to absolute positions; `table` holds a u32 pointer for each, entry p/32 for
// position p. Within a block, for each kv head:
//
//   Kᵀ [headDim][32]   element d of the key at position t stands at d·32 + t, so that 32 scores are 8 vectors, summed over d
//   V  [32][headDim]   row t is the value at position t
//
// all f32. A block is 64·headDim·kvHeads floats. What lies beyond the last stored position is never counted, whatever it holds.

export const BLOCK: i32 = 32;

/** Where the block of a position starts. */
// @ts-ignore: decorator
@inline
export function blockOf(table: usize, block: i32): usize {
  return <usize>load<u32>(table + (<usize>block << 2));
}

/** Floats of one head's Kᵀ, or V, in a block, in bytes. */
// @ts-ignore: decorator
@inline
export function halfBytes(headDim: i32): usize {
  return <usize>headDim << 7;
}

/** Stores rows of k and v (kvHeads·headDim floats each, ldk and ldv apart) at position, position + 1, … */
export function kvStore(table: usize, k: usize, ldk: i32, v: usize, ldv: i32, position: i32, rows: i32, kvHeads: i32, headDim: i32): void {
  const half = halfBytes(headDim);
  const row = <usize>headDim << 2;
  for (let i = 0; i < rows; i++) {
    const p = position + i;
    const t = <usize>(p & (BLOCK - 1));
    let keys = blockOf(table, p / BLOCK);
    let from = k;
    for (let h = 0; h < kvHeads; h++) {
      let to = keys + (t << 2);
      for (let d = 0; d < headDim; d++, to += 128, from += 4) store<f32>(to, load<f32>(from));
      memory.copy(keys + half + t * row, v + <usize>h * row, row);
      keys += half << 1;
    }
    k += <usize>ldk << 2;
    v += <usize>ldv << 2;
  }
}
