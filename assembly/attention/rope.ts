// Rotary position embedding in the rotate-half layout of Hugging Face: within a head, element i turns with element i + rotaryDim/2.
// Frequencies and angles follow transformers step by step in f32 (modeling_rope_utils.py, the models' RotaryEmbedding.forward), with
// correctly rounded powers, cosines and sines (taken in f64) where torch's are within 1 ulp.
import { storeLanes } from '../simd/lanes';

const LINEAR: i32 = 1;
const LLAMA3: i32 = 2;

/**
 * dst: dim/2 floats, base^(−2i/dim).
 * kind 0 default; 1 linear: divided by `factor`; 2 llama3: wavelengths above original/low are divided by `factor`, those below original/high
 * kept, the others interpolated.
 */
export function inverseFrequencies(dst: usize, dim: i32, base: f64, kind: i32, factor: f64, low: f64, high: f64, original: f64): void {
  for (let i = 0; i < dim; i += 2, dst += 4) {
    const exponent = <f32>i / <f32>dim;
    let frequency: f32 = 1.0 / <f32>NativeMath.pow(<f64><f32>base, <f64>exponent);
    if (kind == LINEAR) frequency /= <f32>factor;
    else if (kind == LLAMA3) frequency = llama3(frequency, <f32>factor, low, high, original);
    store<f32>(dst, frequency);
  }
}

/** frequencies[i] /= factors[i]: llama.cpp's form of llama3's and other scalings, which a GGUF holds as the tensor rope_freqs. */
export function stretchFrequencies(frequencies: usize, factors: usize, half: i32): void {
  for (let at: usize = 0, end = <usize>half << 2; at < end; at += 4) store<f32>(frequencies + at, load<f32>(frequencies + at) / load<f32>(factors + at));
}

/** `_compute_llama3_parameters`. torch turns scalar / tensor into reciprocal · scalar, so `2π/f` and `original/wavelength` are written so. */
function llama3(frequency: f32, factor: f32, low: f64, high: f64, original: f64): f32 {
  const wavelength: f32 = (<f32>1 / frequency) * <f32>(2.0 * NativeMath.PI);
  if (wavelength > <f32>(original / low)) return frequency / factor;
  if (wavelength < <f32>(original / high)) return frequency;
  const smooth: f32 = ((<f32>1 / wavelength) * <f32>original - <f32>low) / <f32>(high - low);
  return (<f32>1 - smooth) * frequency / factor + smooth * frequency;
}

/** dst [rows][2·half]: cos, then sin, of position·frequency (an f32 product, as torch's), times attentionScaling. positions are i32. */
export function angles(dst: usize, positions: usize, frequencies: usize, rows: i32, half: i32, attentionScaling: f32): void {
  const sines = <usize>half << 2;
  for (let i = 0; i < rows; i++) {
    const position = <f32>load<i32>(positions + (<usize>i << 2));
    for (let j = 0; j < half; j++, dst += 4) {
      const angle = <f64>(position * load<f32>(frequencies + (<usize>j << 2)));
      store<f32>(dst, <f32>NativeMath.cos(angle) * attentionScaling);
      store<f32>(dst + sines, <f32>NativeMath.sin(angle) * attentionScaling);
    }
    dst += sines;
  }
}

/** Turns the first rotaryDim elements of each head of each row, in place. x: rows of heads·headDim floats, ldx apart; table from `angles`, half = rotaryDim/2. */
export function rope(x: usize, ldx: i32, table: usize, rows: i32, heads: i32, headDim: i32, rotaryDim: i32): void {
  const half = rotaryDim >> 1;
  const halfBytes = <usize>half << 2;
  const headBytes = <usize>headDim << 2;
  for (let i = 0; i < rows; i++) {
    let head = x;
    for (let h = 0; h < heads; h++, head += headBytes) {
      let at: usize = 0;
      for (let left = half; left > 0; left -= 4, at += 16) {
        const first = head + at, second = first + halfBytes;
        const cos = v128.load(table + at), sin = v128.load(table + halfBytes + at);
        const a = v128.load(first), b = v128.load(second);
        const turnedA = f32x4.sub(f32x4.mul(a, cos), f32x4.mul(b, sin));
        const turnedB = f32x4.add(f32x4.mul(b, cos), f32x4.mul(a, sin));
        if (left >= 4) {
          v128.store(first, turnedA);
          v128.store(second, turnedB);
        } else {
          storeLanes(first, turnedA, left);
          storeLanes(second, turnedB, left);
        }
      }
    }
    x += <usize>ldx << 2;
    table += halfBytes << 1;
  }
}
