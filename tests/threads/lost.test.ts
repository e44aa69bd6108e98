import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRuntime, isLorikeetError, type Engine } from '../../src/index.js';
import { collect, rejects, tavern } from '../runtime/tavern.js';
import { pretendCores } from './cores.js';
import { instead, workers } from './workers.js';

const test = suite('threads/lost');
pretendCores(4);

const answer = (engine: Engine) => collect(engine.chat('Where is the treasure?', { adapters: { pirate: 1 }, maxTokens: 8 }));

/** Another engine works as ever: what one has lost is its own. */
async function anotherWorks(): Promise<void> {
  const engine = await tavern({ threads: 2 });
  assert.ok((await answer(engine)).length > 0);
  engine.dispose();
}

test('a thread that ends while nothing is to do: the next call says so, again and again; the engine can be disposed of', async () => {
  const engine = await tavern({ threads: 3 });
  assert.ok((await answer(engine)).length > 0);
  const { worker, ended } = workers.at(-1)!;
  await worker.terminate();
  await ended;
  await rejects(() => answer(engine), 'threads/lost');
  await rejects(() => answer(engine), 'threads/lost');
  await rejects(() => engine.logits(Array.from({ length: 40 }, (_, i) => i + 1)), 'threads/lost');
  engine.dispose();
  await anotherWorks();
});

test('a thread that ends in the middle of answers: everybody hears of it', async () => {
  const engine = await tavern({ threads: 2 });
  const talking = ['pirate', 'ghost', 'goblin'].map(async (voice) => {
    for (let i = 0; i < 1000; i++) {
      await collect(engine.chat('Where is the treasure?', { adapters: { [voice]: 1 } }), () => { if (i === 1 && voice === 'ghost') void workers.at(-1)!.worker.terminate(); });
    }
  });
  for (const outcome of await Promise.allSettled(talking)) {
    if (outcome.status === 'fulfilled') assert.unreachable('it went on');
    else assert.ok(isLorikeetError(outcome.reason, 'threads/lost'), String(outcome.reason));
  }
  engine.dispose();
});

test('sessions of an engine whose thread is lost are disposed of in the middle of a frame', async () => {
  const engine = await tavern({ threads: 2, loop: 'manual' });
  const streams = ['pirate', 'ghost'].map((voice) => engine.session({ adapters: { [voice]: 1 } }).say('Where is the treasure? '.repeat(20), { maxTokens: 20 })[Symbol.asyncIterator]().next());
  engine.step(0.01);
  await workers.at(-1)!.worker.terminate();
  await workers.at(-1)!.ended;
  await rejects(() => engine.step(1000), 'threads/lost');
  engine.dispose();
  for (const { status } of await Promise.allSettled(streams)) assert.is(status, 'rejected');
});

/** Takes a part of the next region of a control block, and never does it. */
const THIEF = `
  const { workerData: { buffer, control }, parentPort } = require('node:worker_threads');
  const ticket = new BigUint64Array(buffer, control, 1);
  parentPort.postMessage('there');
  for (;;) {
    const found = Atomics.load(ticket, 0);
    if ((found & 0xffffn) > 1n && Atomics.compareExchange(ticket, 0, found, found - 1n) === found) break;
  }`;

test('a thread that ends in the middle of its part: the call under way says so when its time is up', async () => {
  const runtime = await createRuntime({ threads: 2 });
  const { kernels, memory } = runtime;
  const control = kernels.heapBase() >>> 0;
  kernels.useThreads(control, 2, 200);
  memory.grow(64);
  const thief = new Worker(THIEF, { eval: true, workerData: { buffer: memory.buffer, control } });
  await new Promise((resolve) => { thief.once('message', resolve); });
  const product = () => { kernels.matmul(2 ** 21, 64, 2 ** 20, 512, 2 ** 18, 0, 0, 200, 64, 512, 0, 0, 64); };
  await rejects(() => { for (let i = 0; i < 100_000; i++) product(); }, 'threads/lost');
  await rejects(product, 'threads/lost');
  runtime.dispose();
  product();
});

for (const [title, file] of [['is not there', new URL('file:///nowhere/thread.js')], ['throws', new URL('./throws.js', import.meta.url)]] as const) {
  test(`a thread whose module ${title}: the engine computes on one, and says why`, async () => {
    instead.file = file;
    const before = workers.length;
    const engine = await tavern({ threads: 2 });
    instead.file = null;
    assert.is(engine.backend.threads, 1);
    assert.match(engine.backend.why['threads'] ?? '', /can't be started.*thread\.js/);
    assert.ok((await answer(engine)).length > 0);
    await workers[before]!.ended;
    engine.dispose();
  });
}

test('a thread whose module lies where the option says', async () => {
  const runtime = await createRuntime({ threads: 2, thread: new URL('../../src/threads/thread.js', import.meta.url) });
  assert.is(runtime.backend.threads, 2);
  runtime.dispose();
});

test.run();
