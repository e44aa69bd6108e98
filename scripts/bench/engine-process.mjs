// An engine in a process of its own, by the same calls: { facts, prompt, decode, dispose }.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * @param kind ours or native
 * @param options.node the Node that runs it; default: this one
 * @throws what the engine says where it can't be opened
 */
export async function openEngine(kind, { node = process.execPath, ...options }) {
  const child = fork(fileURLToPath(new URL('engine-child.mjs', import.meta.url)), [kind, JSON.stringify(options)], { execPath: node, execArgv: [], stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  let [errors, pending] = ['', null];
  child.stderr.on('data', (data) => { errors += data; });
  child.on('message', ({ result, error }) => { if (error === undefined) pending.resolve(result); else pending.reject(new Error(error)); });
  child.on('close', (code) => pending?.reject(new Error(`The process of ${kind} ended with code ${code}:\n${errors}`)));
  const answer = () => new Promise((resolve, reject) => { pending = { resolve, reject }; });
  const call = (method) => (...args) => {
    child.send({ method, args });
    return answer();
  };
  try {
    return { facts: await answer(), prompt: call('prompt'), decode: call('decode'), dispose: () => { child.disconnect(); } };
  } catch (error) {
    child.kill();
    throw error;
  }
}
