// How often a player's line is turned into the right command, on the held-out lines, with this engine: the base with the prompt, with examples in it, and
// with the adapter. What evaluate.py does with transformers in float32.
//   node scripts/smollm2/accuracy.mjs [MODEL] [--json] [--adapter-only]
// MODEL is a GGUF or a folder; default build/models/SmolLM2-135M-Instruct-Q4_1.gguf (npm run models).
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createEngine } from '../../build/js/src/index.js';

const MAX_TOKENS = 24;
const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file) => readFileSync(new URL(`text/${file}`, import.meta.url), 'utf8');
const pairs = (file) => read(file).split('\n').filter(Boolean).map((line) => line.split('\t'));

/** Intent and slots of an answer as one comparable text each, or null: spaces, capitals and the order of slots are forgiven, more text behind it too. */
export function parse(text) {
  const match = /^\s*([a-z]+)\s*\(([^()]*)\)/.exec(text.toLowerCase());
  if (match === null) return null;
  const slots = match[2].split(',').filter((piece) => piece.trim() !== '').map((piece) => piece.split('='));
  if (slots.some((piece) => piece.length !== 2)) return null;
  return { intent: match[1], slots: slots.map(([slot, value]) => `${slot.trim()}=${value.trim().replace(/^["']+|["']+$/g, '')}`).sort().join(', ') };
}

/** Shares of the held-out lines answered rightly by each way: `{ label: { intent, whole } }`, and every answer. */
export async function accuracy(engine, { adapterOnly = false } = {}) {
  await engine.adapters.load('intents', `${root}adapters/smollm2/intents`);
  const held = pairs('heldout.tsv');
  const examples = pairs('examples.tsv');
  const ways = {
    'base, the prompt alone': { shown: [], adapters: {} },
    [`base, ${examples.length} examples`]: { shown: examples, adapters: {} },
    'base with the adapter': { shown: [], adapters: { intents: 1 } },
  };
  const result = {};
  for (const [label, { shown, adapters }] of Object.entries(ways)) {
    if (adapterOnly && Object.keys(adapters).length === 0) continue;
    const before = shown.flatMap(([asked, answer]) => [{ role: 'user', content: asked }, { role: 'assistant', content: answer }]);
    const session = engine.session({ system: read('system.txt').trim(), adapters, temperature: 0 });
    const system = session.messages[0];
    const counts = { intent: 0, whole: 0, answers: [] };
    for (const [line, wanted] of held) {
      session.messages.splice(0, Infinity, system, ...before); // what all prompts begin with stays in the session's cache
      let said = '';
      for await (const piece of session.say(line, { maxTokens: MAX_TOKENS })) said += piece;
      const [found, right] = [parse(said), parse(wanted)];
      if (found?.intent === right.intent) counts.intent++;
      if (found?.intent === right.intent && found.slots === right.slots) counts.whole++;
      counts.answers.push({ line, wanted, said });
    }
    session.dispose();
    result[label] = { intent: counts.intent / held.length, whole: counts.whole / held.length, answers: counts.answers };
  }
  return { lines: held.length, ways: result };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const json = process.argv.includes('--json');
  const model = process.argv.slice(2).find((argument) => !argument.startsWith('--')) ?? process.env.LORIKEET_SMOLLM2 ?? `${root}build/models/SmolLM2-135M-Instruct-Q4_1.gguf`;
  const engine = await createEngine({ model });
  const { lines, ways } = await accuracy(engine, { adapterOnly: process.argv.includes('--adapter-only') });
  if (json) console.log(JSON.stringify({ lines, ways }));
  else {
    const percent = (share) => `${(share * 100).toFixed(1)} %`;
    console.log(`${lines} held-out lines, greedy, ${model.split(/[\\/]/).at(-1)}\n\n| | intent | intent and slots |\n|---|---:|---:|`);
    for (const [label, { intent, whole }] of Object.entries(ways)) console.log(`| ${label} | ${percent(intent)} | ${percent(whole)} |`);
  }
  engine.dispose();
}
