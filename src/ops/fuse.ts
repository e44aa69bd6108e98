import { hoistOutputs } from './hoist-outputs.js';
import type { Recording } from './record.js';

/** A recorded pass rewritten so that it does less: the same bits come out. Each rewrite stands in a file of its own, the models know of none. */
export const fuse = (recording: Recording): Recording => hoistOutputs(recording);
