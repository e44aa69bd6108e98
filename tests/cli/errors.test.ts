import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readHeaderLength, writeSafetensors } from '../../src/formats/safetensors.js';
import { GOLDEN, ROOT } from '../models/golden.js';
import { CLI, failedPlainly, lorikeet, SOURCES, temporaryFolder } from './run.js';

const MODELS = `${GOLDEN}models`;
const KITCHEN = `${MODELS}/kitchen_sink`;
const folder = temporaryFolder();

/** A copy of a golden folder, changed. */
function copy(from: string, name: string, change: (place: string) => void): string {
  const place = join(folder, name);
  cpSync(from, place, { recursive: true });
  change(place);
  return place;
}
const index = (map: Record<string, string>) => (place: string) => writeFileSync(join(place, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
/** Sets floats of the data to NaN. */
const poison = (path: string): void => {
  const bytes = readFileSync(path);
  bytes.fill(0xff, 8 + readHeaderLength(bytes.subarray(0, 8), bytes.length) + 16, 8 + readHeaderLength(bytes.subarray(0, 8), bytes.length) + 32);
  writeFileSync(path, bytes);
};
const EVIL = 'x\u001b[31m\u001b]0;title\u0007\u202e\u009b';

const models = {
  empty: (mkdirSync(join(folder, 'empty')), join(folder, 'empty')),
  notJson: copy(KITCHEN, 'not-json', (place) => writeFileSync(join(place, 'config.json'), '{"model_type": kitchen_sink}')),
  notUtf8: copy(KITCHEN, 'not-utf8', (place) => writeFileSync(join(place, 'config.json'), new Uint8Array([0x7b, 0xff, 0x7d]))),
  unknown: copy(KITCHEN, 'unknown', (place) => writeFileSync(join(place, 'config.json'), JSON.stringify({ model_type: EVIL }))),
  cut: copy(KITCHEN, 'cut', (place) => truncateSync(join(place, 'model.safetensors'), 4000)),
  tiny: copy(KITCHEN, 'tiny', (place) => truncateSync(join(place, 'model.safetensors'), 5)),
  evil: copy(KITCHEN, 'evil', (place) => {
    const bytes = Buffer.from(writeSafetensors([{ name: EVIL, dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }]));
    writeFileSync(join(place, 'model.safetensors'), bytes.subarray(0, bytes.length - 1));
  }),
  poisoned: copy(KITCHEN, 'poisoned', (place) => poison(join(place, 'model.safetensors'))),
  climbing: copy(KITCHEN, 'climbing', index({ 'embedding.weight': '../kitchen/model.safetensors' })),
  absolute: copy(KITCHEN, 'absolute', index({ 'embedding.weight': '/etc/passwd' })),
  windows: copy(KITCHEN, 'windows', index({ 'embedding.weight': 'C:\\windows\\win.ini' })),
  linked: copy(KITCHEN, 'linked', (place) => {
    symlinkSync(MODELS, join(place, 'sub'));
    index({ 'embedding.weight': 'sub/kitchen_sink/model.safetensors' })(place);
  }),
};
const adapters = {
  notJson: copy(`${KITCHEN}/adapters/everything`, 'a-not-json', (place) => writeFileSync(join(place, 'adapter_config.json'), '{')),
  cut: copy(`${KITCHEN}/adapters/everything`, 'a-cut', (place) => truncateSync(join(place, 'adapter_model.safetensors'), 1000)),
  poisoned: copy(`${KITCHEN}/adapters/everything`, 'a-poisoned', (place) => poison(join(place, 'adapter_model.safetensors'))),
};

const out = temporaryFolder();
writeFileSync(join(out, 'kept.safetensors'), 'before');
const ids = ['--tokens', '1,2,3'];
const to = ['--out', join(out, 'new.safetensors')];
const over = ['--out', join(out, 'kept.safetensors')];
const everything = `${KITCHEN}/adapters/everything`;

/** What is done wrong, the command line, the code of the error. */
const CASES: readonly (readonly [string, readonly string[], string])[] = [
  ['an unknown command', ['logitz'], 'cli/usage'],
  ['an unknown command full of controls', [`lo\u001b[31mgits`], 'cli/usage'],
  ['an option before the command', ['--tokens', '1'], 'cli/usage'],
  ['an unknown option', ['logits', KITCHEN, ...ids, '--outt', 'x'], 'cli/usage'],
  ['an unknown short option', ['logits', KITCHEN, '-t', '1'], 'cli/usage'],
  ['no model', ['logits', ...ids, ...to], 'cli/usage'],
  ['no tokens', ['logits', KITCHEN, ...to], 'cli/usage'],
  ['no output', ['logits', KITCHEN, ...ids], 'cli/usage'],
  ['an empty output', ['logits', KITCHEN, ...ids, '--out', ''], 'cli/output'],
  ['an argument too many', ['logits', KITCHEN, 'more', ...ids, ...to], 'cli/usage'],
  ['a value forgotten', ['logits', KITCHEN, '--tokens', '--out', 'x'], 'cli/usage'],
  ['a value forgotten at the end', ['logits', KITCHEN, ...ids, '--out'], 'cli/usage'],
  ['an option given twice', ['logits', KITCHEN, ...ids, ...ids, ...to], 'cli/usage'],
  ['a switch with a value', ['inspect', KITCHEN, '--json=1'], 'cli/usage'],
  ['tokens that are no numbers', ['logits', KITCHEN, '--tokens', '1,two', ...over], 'tokens/invalid'],
  ['negative tokens', ['logits', KITCHEN, '--tokens', '-1', ...over], 'tokens/invalid'],
  ['an empty token', ['logits', KITCHEN, '--tokens', '1,,2', ...over], 'tokens/invalid'],
  ['no token', ['logits', KITCHEN, '--tokens', '', ...over], 'tokens/invalid'],
  ['a token beyond the vocabulary', ['logits', KITCHEN, '--tokens', '1,67', ...over], 'tokens/unknown'],
  ['more tokens than the context', ['logits', `${MODELS}/llama`, '--tokens', Array(2000).fill(1).join(','), ...over], 'context/full'],
  ['a folder that is not there', ['logits', join(folder, 'nowhere'), ...ids, ...over], 'store/not-found'],
  ['a file for a folder', ['logits', `${KITCHEN}/config.json`, ...ids, ...over], 'store/unreadable'],
  ['a folder without a model', ['logits', models.empty, ...ids, ...over], 'store/not-found'],
  ['a configuration that is no JSON', ['logits', models.notJson, ...ids, ...over], 'config/not-json'],
  ['a configuration that is no UTF-8', ['logits', models.notUtf8, ...ids, ...over], 'store/not-utf8'],
  ['an unknown architecture', ['logits', models.unknown, ...ids, ...over], 'model/unsupported'],
  ['a cut safetensors', ['logits', models.cut, ...ids, ...over], 'safetensors/offset-beyond-file'],
  ['a safetensors of five bytes', ['logits', models.tiny, ...ids, ...over], 'safetensors/header-too-short'],
  ['weights that are not finite', ['logits', models.poisoned, ...ids, ...over], 'tensor/not-finite'],
  ['a tensor whose name would set colours', ['logits', models.evil, ...ids, ...over], 'safetensors/offset-beyond-file'],
  ['shards that climb out', ['logits', models.climbing, ...ids, ...over], 'store/escape'],
  ['shards at the root', ['logits', models.absolute, ...ids, ...over], 'store/escape'],
  ['shards on a drive', ['logits', models.windows, ...ids, ...over], 'store/escape'],
  ['shards behind a link', ['logits', models.linked, ...ids, ...over], 'store/escape'],
  ['an adapter that is not there', ['logits', KITCHEN, ...ids, '--adapter', join(folder, 'nowhere'), ...over], 'store/not-found'],
  ['an adapter of another base', ['logits', KITCHEN, ...ids, '--adapter', `${MODELS}/llama/adapters/qv`, ...over], 'adapter/no-target'],
  ['an adapter that holds more than it targets', ['logits', KITCHEN, ...ids, '--adapter', `${KITCHEN}/adapters/only_linear`, ...over], 'adapter/unexpected-tensor'],
  ['an adapter without JSON', ['logits', KITCHEN, ...ids, '--adapter', adapters.notJson, ...over], 'adapter/config-invalid'],
  ['a cut adapter', ['logits', KITCHEN, ...ids, '--adapter', adapters.cut, ...over], 'safetensors/offset-beyond-file'],
  ['an adapter that is not finite', ['logits', KITCHEN, ...ids, '--adapter', adapters.poisoned, ...over], 'tensor/not-finite'],
  ['a scale of NaN', ['logits', KITCHEN, ...ids, '--adapter', `${everything}=NaN`, ...over], 'adapter/scale'],
  ['an infinite scale', ['logits', KITCHEN, ...ids, '--adapter', `${everything}=-inf`, ...over], 'adapter/scale'],
  ['a scale too large', ['logits', KITCHEN, ...ids, '--adapter', `${everything}=1e999`, ...over], 'adapter/scale'],
  ['a scale that is no number', ['logits', KITCHEN, ...ids, '--adapter', `${everything}=loud`, ...over], 'adapter/scale'],
  ['a scale left out', ['logits', KITCHEN, ...ids, '--adapter', `${everything}=`, ...over], 'adapter/scale'],
  ['a scale without a folder', ['logits', KITCHEN, ...ids, '--adapter', '=0.5', ...over], 'cli/usage'],
  ['two adapters that replace the same weight', ['logits', KITCHEN, ...ids, '--adapter', `${KITCHEN}/adapters/save_conv1d`, '--adapter', `${KITCHEN}/adapters/save_conv1d`, ...over], 'adapter/conflict'],
  ['no target in the narrowing', ['logits', KITCHEN, ...ids, '--adapter', everything, '--target-modules', ' , ', ...over], 'cli/usage'],
  ['a narrowing that is no pattern', ['logits', KITCHEN, ...ids, '--adapter', everything, '--target-modules', '/(/', ...over], 'adapter/config-regex'],
  ['an output in a missing folder', ['logits', KITCHEN, ...ids, '--out', join(out, 'missing', 'x.safetensors')], 'cli/output'],
  ['an output that is a folder', ['logits', KITCHEN, ...ids, '--out', out], 'cli/output'],
  ['an output below a file', ['logits', KITCHEN, ...ids, '--out', join(out, 'kept.safetensors', 'x')], 'cli/output'],
  ['inspect: nothing there', ['inspect', join(folder, 'nowhere')], 'store/not-found'],
  ['inspect: an empty folder', ['inspect', models.empty], 'cli/unknown-folder'],
  ['inspect: not a safetensors file', ['inspect', `${KITCHEN}/config.json`], 'safetensors/header-too-large'],
  ['inspect: a cut file', ['inspect', `${models.cut}/model.safetensors`], 'safetensors/offset-beyond-file'],
  ['inspect: a cut file as JSON', ['inspect', `${models.cut}/model.safetensors`, '--json'], 'safetensors/offset-beyond-file'],
  ['inspect: a cut file of evil names', ['inspect', `${models.evil}/model.safetensors`], 'safetensors/offset-beyond-file'],
  ['inspect: a model without JSON', ['inspect', models.notJson], 'config/not-json'],
  ['inspect: shards that climb out', ['inspect', models.climbing], 'store/escape'],
  ['inspect: an adapter without JSON', ['inspect', adapters.notJson], 'adapter/config-invalid'],
  ['inspect: a cut adapter', ['inspect', adapters.cut], 'safetensors/offset-beyond-file'],
  ['inspect: --model for a model', ['inspect', KITCHEN, '--model', KITCHEN], 'cli/usage'],
  ['inspect: --selective without a model', ['inspect', everything, '--selective'], 'cli/usage'],
  ['inspect: a model to check against that is none', ['inspect', everything, '--model', models.empty], 'store/not-found'],
  ['generate: no prompt', ['generate', `${ROOT}models/tavern`], 'cli/usage'],
  ['generate: two prompts', ['generate', `${ROOT}models/tavern`, '--prompt', 'x', ...ids], 'cli/usage'],
  ['generate: a chat of ids', ['generate', `${ROOT}models/tavern`, '--chat', ...ids], 'cli/usage'],
  ['generate: text for a model without a tokenizer', ['generate', `${MODELS}/llama`, '--prompt', 'x'], 'text/no-tokenizer'],
  ['generate: a model that cannot', ['generate', KITCHEN, ...ids], 'model/no-cache'],
  ['generate: a prompt of the whole context', ['generate', `${MODELS}/llama`, '--tokens', Array(64).fill(1).join(',')], 'context/full'],
  ['generate: a temperature below 0', ['generate', `${MODELS}/llama`, ...ids, '--temperature', '-1'], 'sample/option'],
  ['generate: a temperature in words', ['generate', `${MODELS}/llama`, ...ids, '--temperature', 'warm'], 'cli/usage'],
  ['generate: half a top-k', ['generate', `${MODELS}/llama`, ...ids, '--top-k', '1.5'], 'sample/option'],
  ['generate: a seed below 0', ['generate', `${MODELS}/llama`, ...ids, '--seed', '-1'], 'sample/seed'],
  ['generate: no tokens at all', ['generate', `${MODELS}/llama`, ...ids, '--max-tokens', '0'], 'session/max-tokens'],
];

const errors = suite('lorikeet, errors');
for (const [title, args, code] of CASES) {
  errors(title, async () => {
    failedPlainly(await lorikeet(args), code);
    assert.equal(readdirSync(out), ['kept.safetensors']);
    assert.is(readFileSync(join(out, 'kept.safetensors'), 'utf8'), 'before');
  });
}
errors('a hint at what was meant', async () => {
  assert.match((await lorikeet(['logitz'])).stderr, /did you mean logits\?/);
  assert.match((await lorikeet(['logits', KITCHEN, '--token', '1'])).stderr, /did you mean --tokens\?/);
  assert.match((await lorikeet(['logits', KITCHEN])).stderr, /lorikeet logits --help/);
});
errors('of several folders, the one that is meant is named', async () => {
  const { stderr } = await lorikeet(['logits', KITCHEN, ...ids, '--adapter', everything, '--adapter', adapters.cut, ...to]);
  assert.ok(stderr.startsWith(`lorikeet: ${adapters.cut}: Tensor `), stderr);
});
errors('the names of options are those of the command line', async () => {
  assert.match((await lorikeet(['generate', `${MODELS}/llama`, ...ids, '--top-p', '2'])).stderr, /^lorikeet: --top-p expected/);
  assert.match((await lorikeet(['logits', KITCHEN, ...ids, '--adapter', `${KITCHEN}/adapters/only_linear`, ...to])).stderr, /pass --selective/);
});
errors('LORIKEET_DEBUG shows where', async () => {
  const { code, stderr } = await lorikeet(['inspect', join(folder, 'nowhere')], { env: { LORIKEET_DEBUG: '1' } });
  assert.is(code, 1);
  assert.ok(stderr.includes('    at '));
});
errors.run();

const help = suite('lorikeet, help');
const COMMANDS = ['chat', 'generate', 'pull', 'inspect', 'quantize', 'bench', 'perplexity', 'logits', 'tokenize', 'template'];
help('names every command, and for each its options and examples', async () => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await lorikeet(args);
    assert.equal([code, stderr], [0, '']);
    for (const command of COMMANDS) assert.ok(stdout.includes(`  ${command} `));
  }
  const OPTIONS: Readonly<Record<string, readonly string[]>> = {
    logits: ['tokens', 'out', 'dtype', 'adapter', 'selective', 'target-modules', 'json'],
    inspect: ['model', 'selective', 'target-modules', 'all', 'json'],
    generate: ['prompt', 'tokens', 'chat', 'system', 'adapter', 'selective', 'target-modules', 'max-tokens', 'temperature', 'top-k', 'top-p', 'min-p', 'repetition-penalty', 'seed', 'stop', 'threads', 'json', 'no-color'],
    chat: ['system', 'adapter', 'max-tokens', 'temperature', 'seed', 'json'],
    bench: ['prompt', 'generate', 'repeat', 'memory', 'threads', 'adapter', 'json'],
    perplexity: ['file', 'chunk', 'adapter', 'json'],
    pull: ['file', 'revision', 'sha256', 'cache', 'json'],
  };
  for (const command of COMMANDS) {
    const { code, stdout } = await lorikeet([command, '--help']);
    assert.is(code, 0);
    assert.is((await lorikeet(['help', command])).stdout, stdout);
    for (const option of OPTIONS[command] ?? []) assert.match(stdout, new RegExp(`^ {2}--${option}\\b`, 'm'));
    assert.match(stdout, new RegExp(`Examples:\\n  .*lorikeet ${command}`));
    assert.ok(stdout.split('\n').every((line) => line.length <= 130));
  }
});
help('wins over what else is wrong', async () => assert.is((await lorikeet(['logits', '--tokens', '1', '--help'])).code, 0));
help('without a command it goes to stderr', async () => {
  const { code, stdout, stderr } = await lorikeet([]);
  assert.equal([code, stdout], [1, '']);
  assert.match(stderr, /Usage: lorikeet COMMAND/);
});
help('the version is the package\'s, from the sources too', async () => {
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { version: string };
  assert.is((await lorikeet(['--version'])).stdout, `${version}\n`);
  assert.is((await lorikeet(['--version'], { cli: SOURCES })).stdout, `${version}\n`);
  assert.ok(readFileSync(CLI, 'utf8').startsWith('#!/usr/bin/env node\n'));
});
help.run();
