import { createEngine } from '../runtime/engine.js';
import { isLorikeetError } from '../errors.js';
import { blend } from './acts/blend.js';
import { crowd } from './acts/crowd.js';
import { load } from './acts/load.js';
import { merge } from './acts/merge.js';
import { midSentence } from './acts/mid-sentence.js';
import { mood } from './acts/mood.js';
import { unload } from './acts/unload.js';
import { voices } from './acts/voices.js';
import { packageFolder } from './cast.js';
import { mebibytes, milliseconds } from './facts.js';
import { Terminal } from './terminal.js';

/** `npm start`: one small model, five voices, one process. Everything shown is computed while it is shown. */
async function main(): Promise<void> {
  const terminal = new Terminal(process.stdout);
  const folder = packageFolder();

  terminal.title('lorikeet: one base model');
  terminal.code("const engine = await createEngine({ model: 'models/tavern' });");
  const started = performance.now();
  const engine = await createEngine({ model: `${folder}models/tavern` });
  const { weights, bytes } = engine.memory();
  const { build, threads } = engine.backend;
  terminal.note(`models/tavern, ${engine.model.modelType}: the townsfolk of a small harbour town.`);
  terminal.facts([`loaded in ${milliseconds(performance.now() - started)}`, `weights ${mebibytes(weights.used)} of ${mebibytes(bytes)}`, `${build} build, ${threads} thread${threads === 1 ? '' : 's'}`]);
  const ids = engine.tokenizer.encode('Where is the treasure?');
  const untouched = engine.logits(ids);

  const stage = { engine, folder };
  terminal.title('Five adapters beside it');
  terminal.code("await engine.adapters.load('pirate', 'adapters/pirate');");
  await load(stage, terminal);
  terminal.title('The same line, six voices');
  terminal.code('engine.adapters.activate({ pirate: 1 });');
  await voices(stage, terminal);
  terminal.title('A voice that changes in mid-sentence: herald, goblin, pirate');
  terminal.code('session.adapters = { goblin: 1 };');
  await midSentence(stage, terminal);
  terminal.title('Blends of two');
  terminal.code('engine.adapters.activate({ pirate: 0.7, herald: 0.5 });');
  await blend(stage, terminal);
  terminal.title('A slider over one conversation: how much of a pirate?');
  terminal.code("engine.adapters.rescale('pirate', 0.6);");
  await mood(stage, terminal);
  terminal.title('All five at once, in one batch');
  terminal.code('voices.map((name) => engine.session({ adapters: { [name]: 1 } }));');
  await crowd(stage, terminal);
  terminal.title('Merged into the base, and out again');
  terminal.code('engine.adapters.merge({ herald: 1 }); engine.adapters.unmerge();');
  await merge(stage, terminal);
  terminal.title('Everybody leaves');
  terminal.code("engine.adapters.unload('ghost');");
  await unload(stage, terminal, untouched, ids);
  engine.dispose();
}

// `npm start | head` closes the pipe: no reason to complain.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

try {
  await main();
} catch (error) {
  if (!isLorikeetError(error)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
