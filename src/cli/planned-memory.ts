import type { MemoryReport } from '../arena/runtime.js';
import type { PlanReport } from '../ops/plan.js';
import type { Engine } from '../runtime/engine.js';
import { paintFor } from './colour.js';
import { escapeName } from './escape.js';

/** Kinds of buffers that the table for people shows; `--json` has them all. */
const SHOWN = 10;
/** Columns of the names. */
const NAMES = 14;

/** What `lorikeet bench --memory` tells: bytes by what they are for, and how the scratch of the forward pass is planned. */
export type PlannedMemory = ReturnType<typeof plannedMemory>;

/** `memory` is as it stood with a session at work, and `kvBytes` what that one held. */
export function plannedMemory(engine: Engine, model: string, { adapters, kv, activations, scratch, bytes }: MemoryReport, kvBytes: number, kvDtype: string) {
  const { rows, outputs, plannedBytes, lowerBound, workspaceBytes, ops, buffers } = engine.plan();
  return {
    model, modelType: engine.model.modelType, backend: engine.backend.build, threads: engine.backend.threads,
    modelBytes: engine.model.bytes, adapterBytes: adapters.used, kvBytes, kvDtype, activationBytes: activations.used, scratchBytes: scratch.used, residentBytes: bytes - kv.used - kv.free, memoryBytes: bytes,
    plan: { rows, outputs, ops, plannedBytes, lowerBound, ratio: plannedBytes / lowerBound, workspaceBytes, buffers },
  };
}

/** The same for people. */
export function memoryTable(told: PlannedMemory): string[] {
  const { plan } = told;
  const paint = paintFor(process.stdout);
  const row = (name: string, bytes: number, note = ''): string => `${paint(name.padEnd(NAMES), 'bold')}${megabytes(bytes).padStart(10)}${note === '' ? '' : `  ${note}`}`;
  const kinds = kindsOf(plan.buffers);
  const shown = kinds.slice(0, SHOWN);
  const range = ({ from, to }: Kind): string => `${Math.max(0, from)}–${Math.min(to, plan.ops)}`;
  const wide = Math.max(0, ...shown.map((kind) => range(kind).length));
  return [
    `${paint('model'.padEnd(NAMES), 'bold')}${escapeName(told.model)} (${escapeName(told.modelType)})`,
    row('weights', told.modelBytes),
    row('adapters', told.adapterBytes),
    row('KV cache', told.kvBytes, `${told.kvDtype}, of one session`),
    row('activations', told.activationBytes, `planned buffers, workspace of deltas ${megabytes(plan.workspaceBytes)}, sampling`),
    row('scratch', told.scratchBytes),
    row('linear memory', told.memoryBytes, `${megabytes(told.residentBytes)} of it without KV caches`),
    '',
    row('planned', plan.plannedBytes, `for ${plan.rows} rows, ${plan.outputs} with logits, over ${plan.ops} ops`),
    row('lower bound', plan.lowerBound, `the most that is alive at once; planned is ${plan.ratio.toFixed(3)} times that`),
    ...shown.map((kind) => `${''.padEnd(NAMES)}${megabytes(kind.bytes).padStart(10)}  ops ${range(kind).padEnd(wide)}  ${escapeName(kind.op)} → ${escapeName(kind.lastOp)}${kind.count > 1 ? `, and ${kind.count - 1} like it` : ''}`),
    ...(kinds.length > SHOWN ? [`${''.padEnd(NAMES)}${`${kinds.length - SHOWN} kinds`.padStart(10)}  smaller than these`] : []),
  ];
}

type Kind = PlanReport['buffers'][number] & { count: number };

/** Layers are alike: of buffers between the same modules, but for the layer's number, the first stands for all. */
function kindsOf(buffers: PlanReport['buffers']): Kind[] {
  const kinds = new Map<string, Kind>();
  for (const buffer of [...buffers].sort((a, b) => b.bytes - a.bytes || a.from - b.from)) {
    const name = `${buffer.bytes} ${buffer.op} ${buffer.lastOp}`.replace(/\.\d+\./g, '.');
    const known = kinds.get(name);
    if (known) known.count++;
    else kinds.set(name, { ...buffer, count: 1 });
  }
  return [...kinds.values()];
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(3)} MB`;
