import { readdirSync, readFileSync, statSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEngine, createRuntime, type Blend, type CombineOptions, type Engine, type GenerateOptions } from '../../src/index.js';
import { loadModel } from '../../src/models/model.js';
import type { Kernels } from '../../src/wasm/kernels.js';
import { goldenAdapter, goldenModel } from '../adapters/folders.js';
import { spiedOn, Trap, type Spy } from '../adapters/spies.js';
import { difference, GOLDEN, goldenCases, readTensors, ROOT } from '../models/golden.js';

// TypeScript hands out bytes and does no arithmetic on tensors: with any one kernel replaced by a trap, the paths that need it fail.
// And no path calls the host's transcendental functions, whose last bits differ between engines.

type Kernel = keyof Kernels;

/** Something that an engine does, split into what comes before and what is watched. */
interface Path {
  begin(given?: Partial<Spy>): Promise<{ spy: Spy; work: () => unknown; end?: () => void }>;
}

const engineOf = async (model: string, adapters: readonly string[], given?: Partial<Spy>): Promise<{ engine: Engine; spy: Spy }> => {
  const { made: engine, spy } = await spiedOn(() => createEngine({ model: goldenModel(model) }), given);
  for (const name of adapters) await engine.adapters.load(name, goldenAdapter(model, name), { selective: true });
  return { engine, spy };
};

/** A model's weights on their way into memory. */
const loading = (model: string): Path => ({
  async begin() {
    const { made: runtime, spy } = await spiedOn(() => createRuntime());
    return { spy, work: () => loadModel(runtime, model.endsWith('.gguf') ? `${GOLDEN}gguf/${model}` : goldenModel(model)) };
  },
});

/** An adapter's. */
const adapterOf = (model: string, adapter: string): Path => ({
  async begin() {
    const { engine, spy } = await engineOf(model, []);
    return { spy, work: () => engine.adapters.load('a', goldenAdapter(model, adapter)), end: () => engine.dispose() };
  },
});

/** One golden case, held against PEFT. */
const golden = (model: string, title: string): Path => ({
  async begin() {
    const { adapters, tokens, logits } = goldenCases(model).find(({ name }) => name === title)!;
    const { engine, spy } = await engineOf(model, Object.keys(adapters));
    const expected = readTensors(`${GOLDEN}models/${model}/golden.safetensors`).get(logits)!.data;
    return { spy, work: () => { assert.ok(difference(engine.logits(tokens, { adapters }), expected) < 1e-4); }, end: () => engine.dispose() };
  },
});

const generating = (options: GenerateOptions): Path => ({
  async begin() {
    const { engine, spy } = await engineOf('llama', ['qv']);
    return {
      spy, end: () => engine.dispose(),
      async work() {
        const session = engine.session({ adapters: { qv: 1 }, seed: 3 });
        for await (const _ of session.complete([5, 3, 17], { maxTokens: 8, endTokens: [], ...options }));
        assert.is(session.tokens.length, 11);
        session.dispose();
      },
    };
  },
});

const doing = (model: string, adapters: readonly string[], work: (engine: Engine) => unknown): Path => ({
  async begin() {
    const { engine, spy } = await engineOf(model, adapters);
    return { spy, work: () => work(engine), end: () => engine.dispose() };
  },
});
const merging = (model: string, blend: Blend): Path => doing(model, Object.keys(blend), ({ adapters }) => { adapters.merge(blend); adapters.unmerge(); });
const exporting = (model: string, adapter: string): Path => doing(model, [adapter], ({ adapters }) => adapters.files(adapter));
const combining = (options: CombineOptions): Path => ({
  async begin() {
    const { engine, spy } = await engineOf('kitchen_sink', ['everything']);
    await engine.adapters.load('twin', goldenAdapter('kitchen_sink', 'everything'));
    return { spy, work: () => engine.adapters.combine('mood', { everything: 0.7, twin: -0.4 }, options), end: () => engine.dispose() };
  },
});

const PATHS = {
  'a runtime': { async begin(given) { const spy: Spy = { trap: null, called: null, heap: undefined as never, ...given }; return { spy, work: () => spiedOn(() => createRuntime(), spy) }; } },
  'an engine': { async begin() { const spy: Spy = { trap: null, called: null, heap: undefined as never }; return { spy, work: () => spiedOn(() => createEngine({ model: goldenModel('llama') }), spy) }; } },
  'load llama3': loading('llama3'), 'load GGUF': loading('llama3.gguf'), 'load gpt2': loading('gpt2'), 'load kitchen_sink': loading('kitchen_sink'),
  'load an adapter': adapterOf('llama', 'all'), 'load an embedding': adapterOf('llama', 'embed'), 'load DoRA': adapterOf('llama', 'dora'), 'load DoRA of an embedding': adapterOf('llama', 'dora_embed'), 'load tokens': adapterOf('llama', 'tokens'),
  'llama': golden('llama', 'base'), 'llama LoRA': golden('llama', 'qv+all'), 'llama DoRA': golden('llama', 'dora+qv'), 'llama embedding': golden('llama', 'embed'), 'llama tokens': golden('llama', 'tokens'), 'tied tokens': golden('llama_tied', 'tokens'),
  'qwen3': golden('qwen3', 'all'), 'gpt2': golden('gpt2', 'all'), 'gemma2': golden('gemma2', 'all'), 'gemma3': golden('gemma3', 'dora_embed'), 'kitchen sink': golden('kitchen_sink', 'base'), 'kitchen sink LoRA': golden('kitchen_sink', 'everything'), 'kitchen sink DoRA': golden('kitchen_sink', 'dora'),
  'blocks': {
    async begin(given) {
      const { made: engine, spy } = await spiedOn(() => createEngine({ model: `${GOLDEN}gguf/blocks32.gguf` }), given);
      return { spy, work: () => engine.logits([3, 17, 40]), end: () => engine.dispose() };
    },
  },
  'log probabilities': doing('llama', ['qv'], (engine) => engine.logProbabilities([5, 3, 17], { adapters: { qv: 1 } })),
  'greedy text': generating({}), 'sampled text': generating({ temperature: 0.8, topK: 20, topP: 0.9, minP: 0.01 }), 'text without repetition': generating({ repetitionPenalty: 1.3 }),
  'merge': merging('llama', { qv: 1 }), 'merge DoRA': merging('llama', { dora: 1 }), 'merge DoRA of an embedding': merging('llama', { dora_embed: 1 }), 'merge biases': merging('gpt2', { lora_bias: 1 }),
  'export': exporting('llama', 'f16'), 'export an embedding': exporting('llama', 'embed'),
  'combine cat': combining({ method: 'cat' }), 'combine linear': combining({ method: 'linear' }), 'combine svd': combining({ method: 'svd' }), 'combine ties': combining({ method: 'ties', density: 0.5 }),
  'combine dare': combining({ method: 'dare_linear', density: 0.5 }), 'combine pruned': combining({ method: 'magnitude_prune', density: 0.5 }), 'combine ties_svd': combining({ method: 'ties_svd', density: 0.5 }),
} satisfies Record<string, Path>;

/** Every export, and a path that fails without it. */
const NEEDED_BY: Readonly<Partial<Record<Kernel, keyof typeof PATHS>>> = {
  heapBase: 'a runtime', kvBlockBytes: 'an engine',
  pack: 'load llama3', packColumns: 'load gpt2', packConv: 'load kitchen_sink', widen: 'load llama3', allFinite: 'load llama3', inverseFrequencies: 'load llama3', stretchFrequencies: 'load GGUF',
  equalBytes: 'load an embedding', doraNorms: 'load DoRA', doraColumnNorms: 'load DoRA of an embedding', scale: 'load tokens',
  quantizeRows: 'blocks', matmulQuantized: 'blocks',
  matmul: 'llama', gather: 'llama', rmsNorm: 'llama', gate: 'llama', add: 'llama', angles: 'llama', rope: 'llama', kvStore: 'llama', attention: 'llama', copyRows: 'llama',
  softcap: 'gemma2', layerNorm: 'gpt2', activate: 'gpt2', conv1d: 'kitchen sink',
  loraMatmul: 'llama LoRA', loraGather: 'llama embedding', loraConv1d: 'kitchen sink LoRA',
  doraFactor: 'llama DoRA', doraBase: 'llama DoRA', addScaledColumns: 'llama DoRA', fill: 'llama DoRA', accumulate: 'llama DoRA',
  replaceRows: 'llama tokens', scatterColumns: 'tied tokens',
  argmax: 'greedy text', penalize: 'text without repetition', seed: 'sampled text', sample: 'sampled text', logProbability: 'log probabilities',
  unpack: 'merge', packRounded: 'merge', addLowRank: 'merge', scaleRows: 'merge DoRA', scaleColumns: 'merge DoRA of an embedding',
  narrow: 'export', transpose: 'export an embedding',
  copyScaled: 'combine cat', svd: 'combine svd', orthonormalize: 'combine svd', disjointMerge: 'combine ties', prune: 'combine pruned', bernoulli: 'combine dare', drop: 'combine dare',
};

/** Called where a single binary is given: tests/wasm/load.test.ts. */
const BY_GIVEN: readonly Kernel[] = ['buildFeatures'];
/** Called where a model doesn't fit into a cache: tests/models/panels-at-once.test.ts. */
const BY_SIZE: readonly Kernel[] = ['preferPanels'];
/** Kernels that stand by themselves, held by tests/kernels: no file of src calls them. */
const UNUSED: readonly Kernel[] = ['softmax', 'addScaledRow'];

/** The host's functions whose results differ between engines. */
const HOST_MATH = ['acos', 'acosh', 'asin', 'asinh', 'atan', 'atan2', 'atanh', 'cbrt', 'cos', 'cosh', 'exp', 'expm1', 'hypot', 'log', 'log10', 'log1p', 'log2', 'pow', 'random', 'sin', 'sinh', 'tan', 'tanh'] as const;

async function withoutHostMath(work: () => unknown): Promise<void> {
  const own = Object.fromEntries(HOST_MATH.map((name) => [name, Math[name]]));
  for (const name of HOST_MATH) Math[name] = () => { throw new Error(`Math.${name} was called`); };
  try {
    await work();
  } finally {
    Object.assign(Math, own);
  }
}

const test = suite('traps');

const used = new Map<string, Set<string>>();
for (const [name, path] of Object.entries(PATHS) as [string, Path][]) {
  test(`${name}: works without the host's transcendental functions`, async () => {
    const called = new Set<string>();
    const { spy, work, end } = await path.begin();
    spy.called = called;
    await withoutHostMath(work);
    used.set(name, called);
    end?.();
  });
}

for (const [kernel, name] of Object.entries(NEEDED_BY) as [Kernel, keyof typeof PATHS][]) {
  test(`${kernel}: ${name} fails without it`, async () => {
    assert.ok(used.get(name)!.has(kernel), `${name} doesn't call it: ${[...used.get(name)!].join(', ')}`);
    const path: Path = PATHS[name];
    const { spy, work, end } = await path.begin({ trap: name === 'a runtime' ? kernel : null });
    spy.trap = kernel;
    let caught: unknown = null;
    try {
      await work();
    } catch (error) {
      caught = error;
    }
    spy.trap = null;
    assert.ok(caught instanceof Trap && caught.kernel === kernel, String(caught));
    end?.();
  });
}

const declared = [...readFileSync(`${ROOT}src/wasm/kernels.ts`, 'utf8').matchAll(/^ {2}(\w+)\(/gm)].map(([, name]) => name!).sort();

test('the paths cover every kernel, but for those that no file of src calls', () => {
  assert.equal([...Object.keys(NEEDED_BY), ...BY_GIVEN, ...BY_SIZE, ...UNUSED].sort(), declared);
  const files = (folder: string): string[] => readdirSync(folder).flatMap((name) => (statSync(`${folder}/${name}`).isDirectory() ? files(`${folder}/${name}`) : [`${folder}/${name}`]));
  for (const file of files(`${ROOT}src`)) {
    if (file.endsWith('wasm/kernels.ts')) continue;
    for (const kernel of UNUSED) assert.not.match(readFileSync(file, 'utf8'), new RegExp(`kernels\\.${kernel}\\(`), `${file} calls ${kernel}: give it a path`);
  }
});

test("the interface names the binary's exports, all of them and no other", async () => {
  const module = await WebAssembly.compile(readFileSync(`${ROOT}build/simd.wasm`));
  const forThreads = [...readFileSync(`${ROOT}src/wasm/thread-exports.ts`, 'utf8').matchAll(/^ {2}(\w+)\(/gm)].map(([, name]) => name!);
  assert.equal(WebAssembly.Module.exports(module).map(({ name }) => name).sort(), [...declared, ...forThreads].sort());
  assert.ok(WebAssembly.Module.exports(module).every(({ kind }) => kind === 'function'));
  assert.equal(WebAssembly.Module.imports(module), [{ module: 'env', name: 'memory', kind: 'memory' }]);
});
test.run();
