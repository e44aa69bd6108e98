// Shows many adapters around one base, live: load several, switch, blend, rescale within a conversation, unload, and where the bytes go.
//
//   npm run example 3_dynamic_adapters
//   npm run example 3_dynamic_adapters -- MODEL_DIR ADAPTER_DIR[=WEIGHT] ADAPTER_DIR[=WEIGHT] … --tokens 1,2,3
import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEngine } from '../src/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { tokens: { type: 'string', default: '1,2,3' } } });
const [model = `${root}models/tavern`, ...given] = positionals;
const folders = given.length > 0 ? given : [`${root}adapters/pirate=0.7`, `${root}adapters/ghost=0.5`, `${root}adapters/goblin=0`];

const engine = await createEngine({ model });
const speaks = existsSync(`${model}/tokenizer.json`);
const arena = (): string => { const { used, free } = engine.memory().adapters; return `arena ${used} bytes used, ${free} free`; };

// 1. Several, each in one block of the adapter arena.
const blend: Record<string, number> = {};
for (const entry of folders) {
  const [, folder, weight = '1'] = /^(.*?)(?:=(-?[\d.]+))?$/.exec(entry)!;
  const name = basename(folder!);
  const { bytes } = await engine.adapters.load(name, folder!);
  blend[name] = Number(weight);
  console.log(`load     ${name}: ${bytes} bytes; ${arena()}`);
}
const names = Object.keys(blend);

// 2. Switch: a pointer. `activate` sets what new sessions and passes start with. (A first call also waits for its compilation.)
for (const name of names) {
  const started = performance.now();
  engine.adapters.activate({ [name]: 1 });
  console.log(`switch   to ${name}: ${((performance.now() - started) * 1000).toFixed(1)} µs`);
  if (speaks) await answer('Who are you?');
}

// 3. Blend: the deltas are summed, each with its weight.
engine.adapters.activate(blend);
const tokens = values.tokens.split(',').map(Number);
const logits = engine.logits(tokens).subarray(-engine.model.outputSize);
console.log(`blend    ${names.map((name) => `${name} ${blend[name]}`).join(' + ')}: logits after ${tokens.join(',')}: ${[...logits.subarray(0, 4)].map((x) => x.toFixed(5)).join(' ')} …`);
if (speaks) await answer('Who are you?');

// 4. Rescale on the fly: a number, seen from the next token on. The session works its cache again, so that the result is exact, and says what that took.
if (speaks) {
  const session = engine.session({ adapters: { [names[0]!]: 1 } });
  for (const mood of [0, 0.5, 1]) {
    const started = performance.now();
    engine.adapters.rescale(names[0]!, mood);
    console.log(`rescale  ${names[0]} to ${mood}: ${((performance.now() - started) * 1000).toFixed(1)} µs`);
    process.stdout.write('         ');
    for await (const piece of session.say('How are you?', { maxTokens: 64 })) process.stdout.write(piece);
    console.log(` (${session.stats.recomputed} tokens of the cache anew, ${session.stats.recomputeMs.toFixed(1)} ms)`);
  }
  session.dispose();
}

// 5. Unload: the bytes go back to the free list, and the next load takes them.
for (const name of names) {
  const { returned } = engine.adapters.unload(name);
  console.log(`unload   ${name}: ${returned} bytes returned; ${arena()}`);
}
engine.dispose();

async function answer(line: string): Promise<void> {
  process.stdout.write('         ');
  for await (const piece of engine.chat(line, { maxTokens: 64 })) process.stdout.write(piece);
  console.log();
}
