// Shows one LoRA adapter beside the base: load a PEFT folder as it is, read the report, use it, use half of it, and go without.
//
//   npm run example 2_single_lora
//   npm run example 2_single_lora -- MODEL_DIR ADAPTER_DIR --tokens 1,2,3
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEngine, type Blend } from '../src/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const { values, positionals } = parseArgs({ allowPositionals: true, options: { tokens: { type: 'string', default: '1,2,3' } } });
const [model = `${root}models/tavern`, adapter = `${root}adapters/pirate`] = positionals;

const engine = await createEngine({ model });
const report = await engine.adapters.load('voice', adapter);

// What was applied where: nothing of the file is left out in silence.
const [first] = report.applied;
console.log(`${report.applied.length} modules, ${report.bytes} bytes; ${first!.module}: ${first!.kinds.join(', ')}, rank ${first!.rank}, scale ${first!.scale}`);
for (const warning of report.warnings) console.log(`warning: ${warning}`);

// The blend is an argument of the pass: the base, the adapter, half of it. The base's weights are never touched.
const tokens = values.tokens.split(',').map(Number);
const blends: Record<string, Blend> = { base: {}, adapter: { voice: 1 }, half: { voice: 0.5 } };
for (const [name, adapters] of Object.entries(blends)) {
  const logits = engine.logits(tokens, { adapters }).subarray(-engine.model.outputSize);
  console.log(`${name.padEnd(8)} logits after ${tokens.join(',')}: ${[...logits.subarray(0, 4)].map((x) => x.toFixed(5)).join(' ')} …`);
}

if (existsSync(`${model}/tokenizer.json`)) {
  console.log('\nWhere is the treasure?');
  for (const [name, adapters] of Object.entries(blends)) {
    process.stdout.write(`${name.padEnd(8)} `);
    for await (const piece of engine.chat('Where is the treasure?', { adapters, maxTokens: 64 })) process.stdout.write(piece);
    console.log();
  }
}
engine.dispose();
