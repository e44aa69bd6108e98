import os from 'node:os';
import { syncBuiltinESMExports } from 'node:module';

/** Lets this process take the machine for one of `count` cores, so that engines of more threads than it has can be tested. */
export function pretendCores(count: number): void {
  os.availableParallelism = () => count;
  syncBuiltinESMExports();
}
