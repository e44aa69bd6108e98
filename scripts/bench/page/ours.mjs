// Ours sits in a worker, since a page may not wait for threads.
function call(worker, method, ...args) {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data: { result, error } }) => { if (error === undefined) resolve(result); else reject(new Error(error)); };
    worker.onerror = (event) => { reject(new Error(event.message)); };
    worker.postMessage({ method, args });
  });
}

const start = () => new Worker(new URL('./ours-worker.mjs', import.meta.url), { type: 'module' });

export async function open(options) {
  const worker = start();
  const facts = await call(worker, 'open', options);
  return { facts, prompt: (text) => call(worker, 'prompt', text), decode: (text, count) => call(worker, 'decode', text, count) };
}

/** Milliseconds from the page's beginning to the first token of an answer. */
export async function cold({ model, question }) {
  const build = await call(start(), 'cold', model, question);
  return { ms: performance.now(), build };
}
