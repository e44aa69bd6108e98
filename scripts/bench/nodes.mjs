// The Node that runs the fastest builds: this one if it has relaxed SIMD without a flag, else the Node 24 that is installed with the peers.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** npm's package of a Node's binary for this machine. */
export const NODE_PACKAGE = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
export const NODE_VERSION = '24';

/** @throws where there is none */
export function newerNode() {
  if (Number(process.versions.node.split('.')[0]) >= Number(NODE_VERSION)) return process.execPath;
  const path = fileURLToPath(new URL(`node_modules/${NODE_PACKAGE}/bin/node${process.platform === 'win32' ? '.exe' : ''}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`no Node ${NODE_VERSION}: the package ${NODE_PACKAGE} isn't installed`);
  return path;
}
