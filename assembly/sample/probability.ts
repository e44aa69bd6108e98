import { argmax } from './argmax';

/** log softmax(x)[id], in f64. */
export function logProbability(x: usize, n: i32, id: i32): f64 {
  const top = <f64>load<f32>(x + (<usize>argmax(x, n) << 2));
  let total: f64 = 0;
  for (let p = x, end = x + (<usize>n << 2); p < end; p += 4) total += NativeMath.exp(<f64>load<f32>(p) - top);
  return <f64>load<f32>(x + (<usize>id << 2)) - top - NativeMath.log(total);
}
