import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GOLDEN, ROOT } from '../models/golden.js';
import { failedPlainly, lorikeet, succeeded, temporaryFolder } from './run.js';

const folder = temporaryFolder();
const place = (name: string): string => join(folder, name);
const TAVERN = `${ROOT}models/tavern`;
const TOKENS = ['--tokens', '1,4,595,305,267,910,36,2,5'];

const test = suite('lorikeet quantize');

test('one JSON object, and a file that the other commands take', async () => {
  const ran = await lorikeet(['quantize', TAVERN, place('tavern.gguf'), '--type', 'q8_0', '--json']);
  succeeded(ran);
  const { out, type, tensors, bytes, from } = JSON.parse(ran.stdout) as Record<string, unknown>;
  assert.equal({ out, type, tensors, bytes, from }, { out: place('tavern.gguf'), type: 'q8_0', tensors: 56, bytes: statSync(place('tavern.gguf')).size, from: { BF16: 43 } });
  succeeded(await lorikeet(['logits', place('tavern.gguf'), ...TOKENS, '--out', place('a.safetensors')]));
  succeeded(await lorikeet(['logits', TAVERN, '--dtype', 'q8_0', ...TOKENS, '--out', place('b.safetensors')]));
  assert.ok(readFileSync(place('a.safetensors')).equals(readFileSync(place('b.safetensors'))), 'loading by dtype gives the same logits');
});

test('without --json nothing is said; the type is taken in capitals, too', async () => {
  const ran = await lorikeet(['quantize', TAVERN, place('quiet.gguf'), '--type', 'Q4_0', '--head-type', 'Q8_0']);
  succeeded(ran);
  assert.is(ran.stdout, '');
});

test('blocks that are rounded again are told', async () => {
  const ran = await lorikeet(['quantize', place('tavern.gguf'), place('again.gguf'), '--type', 'q4_1', '--json']);
  assert.is(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /holds Q8_0: what was lost by that stays lost/);
  assert.equal((JSON.parse(ran.stdout) as { from: unknown }).from, { Q8_0: 43 });
});

test('errors leave what stood at OUT', async () => {
  const out = place('kept.gguf');
  writeFileSync(out, 'kept');
  const unknown = place('unknown');
  await lorikeet(['quantize', TAVERN, place('x.gguf'), '--type', 'f32']);
  for (const [args, code] of [
    [[TAVERN, out], 'cli/usage'],
    [[TAVERN, out, '--type', 'q4_k'], 'model/dtype'],
    [[TAVERN, out, '--type', 'q8_0', '--head-type', 'int8'], 'model/dtype'],
    [[place('tavern.gguf'), out, '--type', 'q8_0', '--pre', 'gpt-2'], 'cli/usage'],
    [[`${GOLDEN}models/kitchen_sink`, out, '--type', 'q8_0'], 'model/unsupported'],
    [[`${GOLDEN}models/gemma3`, out, '--type', 'q8_0'], 'quantize/unsupported'],
    [[unknown, out, '--type', 'q8_0'], 'store/not-found'],
    [[TAVERN, join(unknown, 'out.gguf'), '--type', 'q8_0'], 'cli/output'],
  ] as const) {
    failedPlainly(await lorikeet(['quantize', ...args]), code);
    assert.is(readFileSync(out, 'utf8'), 'kept');
  }
  assert.not.ok(existsSync(unknown));
});

test.run();
