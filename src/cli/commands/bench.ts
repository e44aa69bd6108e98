import type { Blend } from '../../adapters/adapter.js';
import type { MemoryReport } from '../../arena/runtime.js';
import type { Engine } from '../../runtime/engine.js';
import { ADAPTER_NOTE, ADAPTER_OPTIONS, adapterArguments, adapterOptions, loadAdapters } from '../adapters.js';
import { numbersOf } from '../arguments.js';
import { paintFor } from '../colour.js';
import { usage, type Command } from '../command.js';
import { escapeName } from '../escape.js';
import { interruptible, INTERRUPTED } from '../interrupt.js';
import { MODEL_NOTE, MODEL_OPTIONS, openModel } from '../model.js';
import { print, printJson } from '../output.js';
import { memoryTable, plannedMemory, type PlannedMemory } from '../planned-memory.js';
import { Progress } from '../progress.js';

/** One repetition: the prompt's milliseconds up to its first token, and those of each token after. */
interface Run {
  readonly firstTokenMs: number;
  readonly steps: readonly number[];
  readonly kvBytes: number;
  /** As it stood with the session alive: afterwards its cache would count as free memory of anybody's. */
  readonly memory: MemoryReport;
}

/** Tokens of the warm-up: enough for the engine to have compiled what the measured runs use. */
const WARM_UP = { prompt: 64, generate: 16 };

/** How fast a model is here. */
export const bench: Command = {
  name: 'bench',
  summary: 'Measure loading, prompt and decode speed, and memory, of a model on this machine.',
  usage: 'MODEL [--prompt 512] [--generate 128] [--threads N] [--adapter DIR[=SCALE]]… [--memory] [--json]',
  positionals: ['MODEL'],
  options: {
    prompt: { value: 'N', help: 'Tokens of the prompt (default 512, less where the context is shorter).' },
    generate: { value: 'N', help: 'Tokens to generate (default 128, less where the context is shorter).' },
    repeat: { value: 'N', help: 'Repetitions, of which the median counts (default 3).' },
    memory: { help: 'Instead of measuring speed, tell what the memory is for and how the scratch of a forward pass is planned: bytes planned and the least possible, and the largest buffers with the ops between which they live. Works one prompt of 64 tokens and 16 more, or as --prompt and --generate say.' },
    ...ADAPTER_OPTIONS,
    ...MODEL_OPTIONS,
    json: { help: 'Print one JSON object and nothing else: {promptTokensPerSecond, decodeTokensPerSecond, p50, p95, loadMs, firstTokenMs, residentBytes, backend, threads, …}; with --memory {modelBytes, adapterBytes, kvBytes, activationBytes, plan: {plannedBytes, lowerBound, ratio, buffers, …}, …}.' },
  },
  notes: [
    MODEL_NOTE, ADAPTER_NOTE,
    'The prompts are made-up ids, another prompt each time, so that no cache of prefixes helps. promptTokensPerSecond counts up to the first token; decodeTokensPerSecond those after it, one at a time; p50 and p95 are milliseconds per decoded token. '
    + 'coldStartMs is loading and a first token without any warm-up. residentBytes is the linear memory without the KV cache (kvBytes); modelBytes are the weights in it.',
  ],
  examples: [
    'lorikeet bench models/tavern --prompt 128 --generate 64',
    'lorikeet bench model.gguf --prompt 512 --generate 128 --threads 1 --json',
    'lorikeet bench models/tavern --adapter adapters/pirate',
    'lorikeet bench --memory models/tavern',
  ],

  async run(given) {
    const adapters = adapterArguments(given);
    const options = adapterOptions(given);
    const asked = numbersOf(given, { prompt: 'prompt', generate: 'generate', repeat: 'repeat' });
    for (const [name, value] of Object.entries(asked)) if (!Number.isInteger(value) || value < 1) throw usage(`--${name} expected a whole number of at least 1, found ${value}.`);
    const progress = new Progress();
    return interruptible(async (signal) => {
      const { engine, loadMs } = await openModel(given, progress, signal, { prefixCache: false });
      try {
        const blend = await loadAdapters(engine, adapters, { ...options, signal }, progress);
        if (given.flag('memory')) {
          const told = await memoryOf(engine, given.positionals[0]!, given.value('kv-dtype') ?? 'f32', blend, asked, signal);
          if (given.flag('json')) await printJson(told);
          else await print(`${memoryTable(told).join('\n')}\n`);
          return;
        }
        const sizes = sizesFor(engine, asked);
        const { repeat = 3 } = asked;
        const cold = await run(engine, blend, { prompt: 1, generate: 1 }, 0, signal);
        await run(engine, blend, { prompt: Math.min(WARM_UP.prompt, sizes.prompt), generate: Math.min(WARM_UP.generate, sizes.generate) }, 1, signal);
        const runs: Run[] = [];
        const tell = progress.count('measuring', 'runs');
        for (let i = 0; i < repeat; i++) {
          tell(i, repeat);
          runs.push(await run(engine, blend, sizes, i + 2, signal));
        }
        progress.clear();
        const firsts = runs.map(({ firstTokenMs }) => firstTokenMs);
        const steps = runs.flatMap((each) => each.steps).sort((a, b) => a - b);
        const rates = runs.map((each) => each.steps.length / (sum(each.steps) / 1000));
        const firstTokenMs = median(firsts);
        const { memory, kvBytes } = runs.at(-1)!;
        const { build, threads } = engine.backend;
        const result = {
          model: given.positionals[0]!, modelType: engine.model.modelType, backend: build, threads, prompt: sizes.prompt, generate: sizes.generate, repeat, adapters: blend,
          promptTokensPerSecond: sizes.prompt / (firstTokenMs / 1000), decodeTokensPerSecond: steps.length === 0 ? null : median(rates), p50: at(steps, 0.5), p95: at(steps, 0.95),
          loadMs, coldStartMs: loadMs + cold.firstTokenMs, firstTokenMs,
          residentBytes: memory.bytes - memory.kv.used - memory.kv.free, memoryBytes: memory.bytes, modelBytes: engine.model.bytes, adapterBytes: memory.adapters.used, kvBytes, kvDtype: given.value('kv-dtype') ?? 'f32', dtype: given.value('dtype') ?? null,
          samples: { firstTokenMs: firsts, decodeTokensPerSecond: rates },
        };
        if (given.flag('json')) await printJson(result);
        else await print(`${table(result).join('\n')}\n`);
      } finally {
        progress.clear();
        engine.dispose();
      }
    }, () => INTERRUPTED);
  },
};

type Sizes = Readonly<{ prompt: number; generate: number }>;

/** What is measured; what wasn't asked for is made to fit into the context. */
function sizesFor({ model: { contextLength } }: Engine, asked: Partial<Sizes>): Sizes {
  const room = (beside: number): number => Math.max(1, contextLength - beside);
  const prompt = asked.prompt ?? Math.min(512, room(asked.generate ?? Math.min(128, contextLength >> 2)));
  const generate = asked.generate ?? Math.min(128, room(prompt));
  if (prompt + generate > contextLength) throw usage(`--prompt ${prompt} and --generate ${generate} expected at most the ${contextLength} tokens of the model's context together, found ${prompt + generate}.`, contextLength, prompt + generate);
  return { prompt, generate };
}

/** The memory with one session at work; a model without a cache has none and evaluates the prompt as a whole. */
async function memoryOf(engine: Engine, model: string, kvDtype: string, blend: Blend, asked: Partial<Sizes>, signal: AbortSignal): Promise<PlannedMemory> {
  const { contextLength, vocabSize, kv } = engine.model;
  const sizes = sizesFor(engine, { generate: asked.generate ?? Math.min(WARM_UP.generate, contextLength >> 2), prompt: asked.prompt ?? Math.min(WARM_UP.prompt, contextLength >> 1) });
  if (kv) {
    const { memory, kvBytes } = await run(engine, blend, sizes, 0, signal);
    return plannedMemory(engine, model, memory, kvBytes, kvDtype);
  }
  engine.logits(madeUp(sizes.prompt, 0, vocabSize), { adapters: blend, signal });
  return plannedMemory(engine, model, engine.memory(), 0, kvDtype);
}

/** Works one prompt and generates, in a session of its own. */
async function run(engine: Engine, adapters: Blend, { prompt, generate }: Sizes, seed: number, signal: AbortSignal): Promise<Run> {
  const session = engine.session({ adapters });
  try {
    const times: number[] = [];
    const started = performance.now();
    const stream = session.complete(madeUp(prompt, seed, engine.model.vocabSize), { maxTokens: generate, endTokens: [], signal, onToken: () => { times.push(performance.now()); } });
    for await (const _ of stream); // what it says doesn't matter
    return { firstTokenMs: times[0]! - started, steps: times.slice(1).map((time, i) => time - times[i]!), kvBytes: session.kvBytes, memory: engine.memory() };
  } finally {
    session.dispose();
  }
}

/** Ids that look random and are the same in every run: a linear congruential generator's. */
function madeUp(count: number, seed: number, vocabSize: number): number[] {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % vocabSize;
  });
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const median = (values: readonly number[]): number => at([...values].sort((a, b) => a - b), 0.5)!;
/** The quantile of sorted values; null of none. */
const at = (sorted: readonly number[], share: number): number | null => (sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!);

interface Facts {
  readonly model: string; readonly modelType: string; readonly backend: string; readonly threads: number; readonly prompt: number; readonly generate: number; readonly repeat: number; readonly adapters: Blend;
  readonly promptTokensPerSecond: number; readonly decodeTokensPerSecond: number | null; readonly p50: number | null; readonly p95: number | null; readonly loadMs: number; readonly coldStartMs: number; readonly firstTokenMs: number;
  readonly residentBytes: number; readonly modelBytes: number; readonly adapterBytes: number; readonly kvBytes: number;
}

/** The same facts for people. */
function table(facts: Facts): string[] {
  const number = (value: number | null, digits: number): string => (value === null ? '–' : value.toFixed(digits));
  const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const names = Object.entries(facts.adapters).map(([name, scale]) => `${escapeName(name)}=${scale}`);
  const rows: [string, string][] = [
    ['model', `${escapeName(facts.model)} (${escapeName(facts.modelType)})${names.length === 0 ? '' : ` with ${names.join(', ')}`}`],
    ['backend', `${facts.backend}, ${facts.threads === 1 ? '1 thread' : `${facts.threads} threads`}`],
    ['load', `${number(facts.loadMs, 0)} ms; with a first token ${number(facts.coldStartMs, 0)} ms`],
    ['prompt', `${number(facts.promptTokensPerSecond, 1)} tokens/s (${facts.prompt} tokens in ${number(facts.firstTokenMs, 1)} ms)`],
    ['decode', `${number(facts.decodeTokensPerSecond, 1)} tokens/s (p50 ${number(facts.p50, 2)} ms, p95 ${number(facts.p95, 2)} ms a token; ${facts.generate} tokens)`],
    ['memory', `${megabytes(facts.residentBytes)} without the KV cache: weights ${megabytes(facts.modelBytes)}${facts.adapterBytes > 0 ? `, adapters ${megabytes(facts.adapterBytes)}` : ''}; KV cache ${megabytes(facts.kvBytes)}`],
    ['', `medians of ${facts.repeat} run${facts.repeat === 1 ? '' : 's'}`],
  ];
  const paint = paintFor(process.stdout);
  return rows.map(([name, value]) => `${paint(name.padEnd(9), 'bold')}${value}`);
}
