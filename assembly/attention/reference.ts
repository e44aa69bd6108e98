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

// The cache as kv.ts draws it, element by element. part 0: keys, 1: values.

/** Bytes of the scales of a part of a head. */
function scaleBytes(headDim: i32, dtype: i32, part: i32): usize {
  if (dtype == 0) return 0;
  return dtype == 3 && part == 0 ? <usize>((headDim + 31) / 32) * 128 : 128;
}

function partBytes(headDim: i32, dtype: i32, part: i32): usize {
  const columns = part == 1 ? (headDim + 7) / 8 * 8 : dtype == 3 ? (headDim + 1) / 2 * 2 : headDim;
  return scaleBytes(headDim, dtype, part) + <usize>columns * (dtype == 0 ? 128 : dtype == 2 ? 64 : 32);
}

export function kvBlockBytes(kvHeads: i32, headDim: i32, dtype: i32): i32 {
  return kvHeads * <i32>(partBytes(headDim, dtype, 0) + partBytes(headDim, dtype, 1));
}

/** Where a part of a kv head begins in the block of a position. */
function partOf(table: usize, position: i32, kvHead: i32, headDim: i32, dtype: i32, part: i32): usize {
  const head = partBytes(headDim, dtype, 0) + partBytes(headDim, dtype, 1);
  return <usize>load<u32>(table + <usize>(position / 32) * 4) + <usize>kvHead * head + (part ? partBytes(headDim, dtype, 0) : 0);
}

/** Where element d stands, behind the scales of its part. */
function place(at: usize, position: i32, headDim: i32, dtype: i32, part: i32, d: i32): usize {
  const t = position % 32, start = at + scaleBytes(headDim, dtype, part);
  let index: i32;
  if (dtype == 3 && part == 1) index = ((d / 8 * 16 + t / 2) * 8 + d % 8) * 2 + t % 2;
  else if (dtype == 3) {
    const group = d / 32, pairs = (min<i32>(32, headDim - group * 32) + 1) / 2;
    index = group * 32 * 32 + ((t / 8 * pairs + d % 32 / 2) * 8 + t % 8) * 2 + d % 2;
  } else if (part == 1) index = (d / 8 * 32 + t) * 8 + d % 8;
  else index = (t / 8 * headDim + d) * 8 + t % 8;
  return start + <usize>index * (dtype == 0 ? 4 : dtype == 2 ? 2 : 1);
}

/** Where the scale of element d stands. */
function scaleOf(at: usize, position: i32, dtype: i32, part: i32, d: i32): usize {
  return at + <usize>(position % 32) * 4 + (dtype == 3 && part == 0 ? <usize>(d / 32) * 128 : 0);
}

/** What the cache holds of element d of the key or value of a kv head at a position. */
function element(table: usize, position: i32, kvHead: i32, headDim: i32, dtype: i32, part: i32, d: i32): f64 {
  const at = partOf(table, position, kvHead, headDim, dtype, part);
  const p = place(at, position, headDim, dtype, part, d);
  if (dtype == 0) return <f64>load<f32>(p);
  const scale = <f64>load<f32>(scaleOf(at, position, dtype, part, d));
  if (dtype == 3) return scale * <f64>load<i8>(p);
  const h = <u32>load<u16>(p), exponent = h >> 10 & 31;
  const magnitude = exponent == 0 ? 0.0 : (1.0 + <f64>(h & 1023) / 1024.0) * reinterpret<f64>(<u64>(exponent + 1008) << 52);
  return scale * (h & 0x8000 ? -magnitude : magnitude);
}

/** The half nearest to |x| in 0 … 2^15, ties to even; below 2^-14: 0. */
function half(x: f64): u32 {
  const magnitude = NativeMath.abs(x), sign: u32 = x < 0 ? 0x8000 : 0;
  if (magnitude < 6.103515625e-5) return 0;
  let exponent = 0;
  while (magnitude >= NativeMath.pow(2.0, <f64>(exponent + 1))) exponent++;
  while (magnitude < NativeMath.pow(2.0, <f64>exponent)) exponent--;
  const steps = <u32>even((magnitude / NativeMath.pow(2.0, <f64>exponent) - 1.0) * 1024.0);
  return sign | (<u32>(exponent + 15) * 1024 + steps);
}

/** The nearest integer, ties to even. */
function even(x: f64): f64 {
  const below = NativeMath.floor(x), over = x - below;
  if (over < 0.5 || over == 0.5 && below % 2.0 == 0.0) return below;
  return below + 1.0;
}

function largestOf(x: usize, count: i32): f32 {
  let largest: f32 = 0;
  for (let d = 0; d < count; d++) {
    const value = Mathf.abs(load<f32>(x + <usize>d * 4));
    if (value != value) return NaN;
    if (value > largest) largest = value;
  }
  return largest;
}

/** Stores `count` elements from x, element d of the part first, that share a scale. */
function storeShare(at: usize, x: usize, position: i32, headDim: i32, dtype: i32, part: i32, first: i32, count: i32): void {
  const largest = largestOf(x, count);
  const usable = largest >= 1e-30 && largest < Infinity;
  let scale: f32 = largest < Infinity ? 0 : NaN, inverse: f32 = 0;
  if (usable && dtype == 3) {
    scale = largest / 127;
    inverse = <f32>127 / largest;
  } else if (usable) {
    scale = 1;
    while (largest / scale >= 32768) scale *= 2;
    while (largest / scale < 16384) scale /= 2;
    inverse = 1 / scale;
  }
  store<f32>(scaleOf(at, position, dtype, part, first), scale);
  for (let d = 0; d < count; d++) {
    const scaled: f32 = usable ? load<f32>(x + <usize>d * 4) * inverse : 0;
    const p = place(at, position, headDim, dtype, part, first + d);
    if (dtype == 3) store<i8>(p, <i8>even(<f64>scaled));
    else store<u16>(p, <u16>half(<f64>scaled));
  }
}

function storePart(at: usize, x: usize, position: i32, headDim: i32, dtype: i32, part: i32): void {
  if (dtype == 0) {
    for (let d = 0; d < headDim; d++) store<f32>(place(at, position, headDim, 0, part, d), load<f32>(x + <usize>d * 4));
  } else if (dtype == 3 && part == 0) {
    for (let d = 0; d < headDim; d += 32) storeShare(at, x + <usize>d * 4, position, headDim, 3, 0, d, min<i32>(32, headDim - d));
    if (headDim % 2) store<i8>(place(at, position, headDim, 3, 0, headDim), 0);
  } else {
    storeShare(at, x, position, headDim, dtype, part, 0, headDim);
  }
  // the rest of a panel of values
  for (let d = headDim; part == 1 && d % 8; d++) {
    const p = place(at, position, headDim, dtype, 1, d);
    if (dtype == 0) store<f32>(p, 0);
    else if (dtype == 2) store<u16>(p, 0);
    else store<i8>(p, 0);
  }
}

export function kvStore(table: usize, k: usize, ldk: i32, v: usize, ldv: i32, position: i32, rows: i32, kvHeads: i32, headDim: i32, dtype: i32): void {
  for (let i = 0; i < rows; i++) {
    for (let h = 0; h < kvHeads; h++) {
      const column = <usize>h * <usize>headDim;
      storePart(partOf(table, position + i, h, headDim, dtype, 0), k + (<usize>i * <usize>ldk + column) * 4, position + i, headDim, dtype, 0);
      storePart(partOf(table, position + i, h, headDim, dtype, 1), v + (<usize>i * <usize>ldv + column) * 4, position + i, headDim, dtype, 1);
    }
  }
}

function score(q: usize, table: usize, position: i32, kvHead: i32, headDim: i32, dtype: i32, scale: f64, softcap: f64): f64 {
  let s: f64 = 0;
  for (let d = 0; d < headDim; d++) s += <f64>load<f32>(q + <usize>d * 4) * element(table, position, kvHead, headDim, dtype, 0, d);
  s *= scale;
  return softcap > 0 ? softcap * NativeMath.tanh(s / softcap) : s;
}

/** The row of sums of `attention`: up to 256 f64. */
const SUMS: usize = memory.data(256 * 8, 16);
/** The scores of one row: up to 512 f64. */
const SCORES: usize = memory.data(512 * 8, 16);

/** The textbook softmax over what the cache holds of all keys a row sees, in f64; `scratch` is not used; headDim at most 256, keys at most 512. */
export function attention(y: usize, ldy: i32, q: usize, ldq: i32, table: usize, position: i32, rows: i32, heads: i32, kvHeads: i32, headDim: i32, scale: f32,
    softcap: f32, window: i32, dtype: i32, scratch: usize, from: i32, to: i32): void {
  const group = heads / kvHeads;
  for (let i = 0; i < rows; i++) {
    const last = position + i;
    const first = window ? max<i32>(0, last - window + 1) : 0;
    for (let h = from * group; h < to * group; h++) {
      const query = q + (<usize>i * <usize>ldq + <usize>h * <usize>headDim) * 4;
      const out = y + (<usize>i * <usize>ldy + <usize>h * <usize>headDim) * 4;
      let top: f64 = -Infinity, total: f64 = 0;
      for (let t = first; t <= last; t++) {
        const s = score(query, table, t, h / group, headDim, dtype, <f64>scale, <f64>softcap);
        store<f64>(SCORES + <usize>(t - first) * 8, s);
        top = max<f64>(top, s);
      }
      for (let d = 0; d < headDim; d++) store<f64>(SUMS + <usize>d * 8, 0);
      for (let t = first; t <= last; t++) {
        const p = NativeMath.exp(load<f64>(SCORES + <usize>(t - first) * 8) - top);
        total += p;
        for (let d = 0; d < headDim; d++) {
          const sum = SUMS + <usize>d * 8;
          store<f64>(sum, load<f64>(sum) + p * element(table, t, h / group, headDim, dtype, 1, d));
        }
      }
      for (let d = 0; d < headDim; d++) store<f32>(out + <usize>d * 4, <f32>(load<f64>(SUMS + <usize>d * 8) / total));
    }
  }
}
