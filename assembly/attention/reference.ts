export function inverseFrequencies(dst: usize, dim: i32, base: f64, kind: i32, factor: f64, low: f64, high: f64, original: f64): void {
  for (let i = 0; i < dim / 2; i++) {
    let f = NativeMath.pow(base, -2.0 * <f64>i / <f64>dim);
    if (kind == 1) f /= factor;
    if (kind == 2) {
      const wavelength = 2.0 * NativeMath.PI / f;
      if (wavelength > original / low) f /= factor;
      else if (wavelength >= original / high) {
        const smooth = (original / wavelength - low) / (high - low);
        f = (1.0 - smooth) * f / factor + smooth * f;
      }
    }
    store<f32>(dst + <usize>i * 4, <f32>f);
  }
}

export function stretchFrequencies(frequencies: usize, factors: usize, half: i32): void {
  for (let i = 0; i < half; i++) store<f32>(frequencies + <usize>i * 4, load<f32>(frequencies + <usize>i * 4) / load<f32>(factors + <usize>i * 4));
}

export function angles(dst: usize, positions: usize, frequencies: usize, rows: i32, half: i32, attentionScaling: f32): void {
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < half; j++) {
      const angle: f32 = <f32>load<i32>(positions + <usize>i * 4) * load<f32>(frequencies + <usize>j * 4);
      const at = dst + (<usize>i * 2 * <usize>half + <usize>j) * 4;
      store<f32>(at, <f32>NativeMath.cos(<f64>angle) * attentionScaling);
      store<f32>(at + <usize>half * 4, <f32>NativeMath.sin(<f64>angle) * attentionScaling);
    }
  }
}

export function rope(x: usize, ldx: i32, table: usize, rows: i32, heads: i32, headDim: i32, rotaryDim: i32): void {
  const half = rotaryDim / 2;
  for (let i = 0; i < rows; i++) {
    for (let h = 0; h < heads; h++) {
      for (let j = 0; j < half; j++) {
        const at = x + (<usize>i * <usize>ldx + <usize>h * <usize>headDim + <usize>j) * 4;
        const other = at + <usize>half * 4;
        const a = load<f32>(at), b = load<f32>(other);
        const cos = load<f32>(table + (<usize>i * <usize>rotaryDim + <usize>j) * 4);
        const sin = load<f32>(table + (<usize>i * <usize>rotaryDim + <usize>half + <usize>j) * 4);
        store<f32>(at, a * cos - b * sin);
        store<f32>(other, b * cos + a * sin);
      }
    }
  }
}

/** Where element d of the key (part 0) or value (part 1) of a kv head at a position stands. */
function place(table: usize, position: i32, kvHead: i32, headDim: i32, part: i32, d: i32): usize {
  const block = <usize>load<u32>(table + <usize>(position / 32) * 4);
  const t = <usize>(position % 32);
  const start = block + <usize>kvHead * <usize>headDim * 64 * 4 + <usize>part * <usize>headDim * 32 * 4;
  return start + (part ? t * <usize>headDim + <usize>d : <usize>d * 32 + t) * 4;
}

export function kvStore(table: usize, k: usize, ldk: i32, v: usize, ldv: i32, position: i32, rows: i32, kvHeads: i32, headDim: i32): void {
  for (let i = 0; i < rows; i++) {
    for (let h = 0; h < kvHeads; h++) {
      for (let d = 0; d < headDim; d++) {
        const column = <usize>h * <usize>headDim + <usize>d;
        store<f32>(place(table, position + i, h, headDim, 0, d), load<f32>(k + (<usize>i * <usize>ldk + column) * 4));
        store<f32>(place(table, position + i, h, headDim, 1, d), load<f32>(v + (<usize>i * <usize>ldv + column) * 4));
      }
    }
  }
}

function score(q: usize, table: usize, position: i32, kvHead: i32, headDim: i32, scale: f64): f64 {
  let s: f64 = 0;
  for (let d = 0; d < headDim; d++) s += <f64>load<f32>(q + <usize>d * 4) * <f64>load<f32>(place(table, position, kvHead, headDim, 0, d));
  return s * scale;
}

/** The row of sums of `attention`: up to 256 f64. */
const SUMS: usize = memory.data(256 * 8, 16);

/** The textbook softmax over all keys a row sees, in f64; `scratch` is not used; headDim at most 256. */
export function attention(y: usize, ldy: i32, q: usize, ldq: i32, table: usize, position: i32, rows: i32, heads: i32, kvHeads: i32, headDim: i32, scale: f32,
    window: i32, scratch: usize, from: i32, to: i32): void {
  const group = heads / kvHeads;
  for (let i = 0; i < rows; i++) {
    const last = position + i;
    const first = window ? max<i32>(0, last - window + 1) : 0;
    for (let h = from * group; h < to * group; h++) {
      const query = q + (<usize>i * <usize>ldq + <usize>h * <usize>headDim) * 4;
      const out = y + (<usize>i * <usize>ldy + <usize>h * <usize>headDim) * 4;
      let top: f64 = -Infinity, total: f64 = 0;
      for (let t = first; t <= last; t++) top = max<f64>(top, score(query, table, t, h / group, headDim, <f64>scale));
      for (let d = 0; d < headDim; d++) store<f64>(SUMS + <usize>d * 8, 0);
      for (let t = first; t <= last; t++) {
        const p = NativeMath.exp(score(query, table, t, h / group, headDim, <f64>scale) - top);
        total += p;
        for (let d = 0; d < headDim; d++) {
          const sum = SUMS + <usize>d * 8;
          store<f64>(sum, load<f64>(sum) + p * <f64>load<f32>(place(table, t, h / group, headDim, 1, d)));
        }
      }
      for (let d = 0; d < headDim; d++) store<f32>(out + <usize>d * 4, <f32>(load<f64>(SUMS + <usize>d * 8) / total));
    }
  }
}
