import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime } from '../../src/arena/runtime.js';
import type { StoredTensor } from '../../src/models/checkpoint.js';
import { describeModel, loadModel } from '../../src/models/model.js';
import { fuse } from '../../src/ops/fuse.js';
import type { Op, Value } from '../../src/ops/ops.js';
import { planBuffers, type Plan } from '../../src/ops/plan.js';
import { attentionScratch, Program } from '../../src/ops/program.js';
import { record, type Recording } from '../../src/ops/record.js';
import { goldenModel } from '../adapters/folders.js';
import { GOLDEN, goldenModels } from '../models/golden.js';

// Two values that are alive at one op never share a byte. Checked apart from the planner: by the ops' own reads and writes.

const TOKENS = 64;
const OUTPUTS = 8;
const bytesOf = ({ domain, width }: Value): number => ({ tokens: TOKENS, outputs: OUTPUTS, once: 1 })[domain] * width * 4;

/** From the first op that touches a buffer (an input: before the first) to the last (the result: behind the last). */
function lifetimes({ ops, inputs, result }: Recording): Map<Value, { first: number; last: number }> {
  const lives = new Map<Value, { first: number; last: number }>();
  const see = (value: Value, at: number): void => {
    const life = lives.get(value.root);
    if (life === undefined) lives.set(value.root, { first: at, last: at });
    else {
      life.first = Math.min(life.first, at);
      life.last = Math.max(life.last, at);
    }
  };
  ops.forEach(({ reads, writes }, at) => [...reads, ...writes].forEach((value) => see(value, at)));
  inputs.forEach((value) => see(value, -1));
  see(result, ops.length);
  return lives;
}

function check(recording: Recording, plan: Plan): void {
  const lives = [...lifetimes(recording)].map(([value, life]) => ({ ...life, begin: plan.offsets.get(value)!, end: plan.offsets.get(value)! + bytesOf(value) }));
  for (const a of lives) {
    assert.ok(Number.isInteger(a.begin) && a.begin % 64 === 0 && a.begin >= 0 && a.end <= plan.bytes);
    for (const b of lives) {
      if (a === b || a.first > b.last || b.first > a.last) continue;
      assert.ok(a.end <= b.begin || b.end <= a.begin, `bytes ${a.begin}–${a.end} (ops ${a.first}–${a.last}) and ${b.begin}–${b.end} (ops ${b.first}–${b.last})`);
    }
  }
  let least = 0;
  for (let at = -1; at <= recording.ops.length; at++) {
    let sum = 0;
    for (const life of lives) if (life.first <= at && at <= life.last) sum += Math.ceil((life.end - life.begin) / 64) * 64;
    least = Math.max(least, sum);
  }
  assert.is(plan.lowerBound, least);
  assert.ok(plan.bytes >= least);
}

const test = suite('plan');

test('random graphs', () => {
  let state = 12345;
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
  let worst = 1;
  for (let graph = 0; graph < 400; graph++) {
    const ops: Op[] = [];
    const values: Value[] = [];
    let ids = 0;
    const value = (width: number, domain: Value['domain']): Value => {
      const made = { id: ids++, width, domain, column: 0, ptr: 0, ld: width } as { -readonly [K in keyof Value]: Value[K] };
      made.root = made;
      return made;
    };
    const slice = (of: Value): Value => ({ ...of, root: of.root, width: 1 + random(of.width), column: 0 });
    const inputs = Array.from({ length: random(3) }, () => value(1 + random(300), 'tokens'));
    values.push(...inputs);
    for (let i = 0, count = 1 + random(60); i < count; i++) {
      const reads = Array.from({ length: Math.min(values.length, random(4)) }, () => {
        const of = values[random(2) === 0 ? random(values.length) : values.length - 1 - random(Math.min(4, values.length))]!; // now and then one of long ago
        return random(4) === 0 ? slice(of) : of;
      });
      const y = value(1 + random(random(5) === 0 ? 2000 : 100), (['tokens', 'tokens', 'outputs', 'once'] as const)[random(4)]!);
      const writes = random(6) === 0 && reads.length > 0 ? [reads[0]!] : random(5) === 0 ? [y, value(64, 'once')] : [y];
      values.push(...writes.filter((v) => v.root === v && !values.includes(v)));
      ops.push({ op: 'add', reads, writes, y: writes[0]!, a: y, b: y });
    }
    const recording: Recording = { ops, inputs, result: ops.at(-1)!.writes[0]! };
    const plan = planBuffers(recording, TOKENS, OUTPUTS);
    check(recording, plan);
    worst = Math.max(worst, plan.bytes / plan.lowerBound);
  }
  console.log(`random graphs: at most ${worst.toFixed(3)} times the lower bound`);
});

for (const name of [...goldenModels(), 'blocks32.gguf', 'kquants.gguf', 'tavern']) {
  test(`${name}: no overlap, at most 1.1 times what is alive at once`, async () => {
    const runtime = await createRuntime();
    const model = await loadModel(runtime, name === 'tavern' ? 'models/tavern' : name.endsWith('.gguf') ? `${GOLDEN}gguf/${name}` : goldenModel(name));
    const program = new Program(runtime, (ops) => model.forward(ops), TOKENS, OUTPUTS);
    const { ops, inputs, result } = program;
    const recording: Recording = { ops, inputs, result };
    const plan = planBuffers(recording, TOKENS, OUTPUTS);
    check(recording, plan);
    console.log(`${name}: ${plan.bytes} bytes planned, ${plan.lowerBound} alive at once (${(plan.bytes / plan.lowerBound).toFixed(3)})`);
    assert.ok(plan.bytes <= 1.1 * plan.lowerBound);
    assert.is(program.plan.plannedBytes, plan.bytes);
    // The program puts every value where the plan says, behind its ids, positions and rows of outputs.
    const base = program.frame.ids + Math.ceil(((2 * TOKENS + OUTPUTS) * 4) / 64) * 64;
    for (const op of ops) for (const value of [...op.reads, ...op.writes]) assert.is(value.ptr, base + plan.offsets.get(value.root)! + value.column * 4);
    // What the attention kernel asks for: see ARCHITECTURE.md.
    for (const op of ops) if (op.op === 'attention') assert.ok(op.scratch.width >= Math.max(32, op.spec.heads / op.spec.kvHeads) * (Math.ceil(op.spec.headDim / 8) * 8 + 34));
    program.dispose();
    assert.is(runtime.activations.report().used, 0);
  });
}
/** SmolLM2-135M without its weights: what the planner asks for is shapes. */
function smollm2(dtype: 'Q4_1' | 'F32'): Recording {
  const config = { model_type: 'llama', vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3, max_position_embeddings: 8192, rms_norm_eps: 1e-5, rope_theta: 100000, hidden_act: 'silu', tie_word_embeddings: true };
  const shapes: Record<string, readonly number[]> = { 'model.embed_tokens': [49152, 576], 'model.norm': [576] };
  for (let i = 0; i < 30; i++) {
    for (const [name, shape] of Object.entries({
      'self_attn.q_proj': [576, 576], 'self_attn.k_proj': [192, 576], 'self_attn.v_proj': [192, 576], 'self_attn.o_proj': [576, 576],
      'mlp.gate_proj': [1536, 576], 'mlp.up_proj': [1536, 576], 'mlp.down_proj': [576, 1536], input_layernorm: [576], post_attention_layernorm: [576],
    })) shapes[`model.layers.${i}.${name}`] = shape;
  }
  const source = { name: 'shapes', size: 0, read: () => Promise.reject(new Error('nothing is read')), close: () => Promise.resolve() };
  const tensors = new Map(Object.entries(shapes).map(([path, shape]): [string, StoredTensor] => [`${path}.weight`, { source, info: { name: `${path}.weight`, dtype: shape.length === 2 ? dtype : 'F32', shape, begin: 0, end: 0 } }]));
  const { architecture } = describeModel({ config, tensors, metadata: null, folder: null, close: () => Promise.resolve() });
  return fuse(record((ops) => architecture.forward(ops), attentionScratch));
}

for (const dtype of ['Q4_1', 'F32'] as const) {
  for (const [rows, outputs] of [[1, 1], [64, 16], [64, 1], [512, 1], [512, 512]] as const) {
    test(`SmolLM2's shape in ${dtype}, ${rows} rows, ${outputs} of them with logits: at most 1.1 times what is alive at once`, () => {
      const plan = planBuffers(smollm2(dtype), rows, outputs);
      assert.ok(plan.bytes <= 1.1 * plan.lowerBound, `${plan.bytes} of ${plan.lowerBound}`);
    });
  }
}

test.run();
