import type { Runtime } from '../arena/runtime.js';
import { createFrame, joinSegments, type Frame, type Workspace } from './frame.js';
import { fuse } from './fuse.js';
import type { Op, Ops, Value } from './ops.js';
import { describeBuffers, planBuffers, type Plan, type PlanReport } from './plan.js';
import { record, type Recording } from './record.js';
import { runConv1d } from './run-conv1d.js';
import { runEmbed } from './run-embed.js';
import { runLinear } from './run-linear.js';
import { runNorm } from './run-norm.js';

/** Floats of scratch that the attention kernel asks for on each thread: see the head of assembly/attention/attention.ts. */
export const attentionScratch = ({ headDim }: { headDim: number }): number => 128 * Math.ceil(headDim / 8) * 8 + 1664;

/**
 * A recorded forward pass over planned buffers, replayed once for each frame. The buffers live in the activations arena until {@link dispose}.
 *
 * A run can stop between two ops and go on later ({@link run}'s deadline), so that a long prompt or a large model leaves a game its frame.
 */
export class Program {
  readonly frame: Frame;
  readonly result: Value;
  readonly inputs: readonly Value[];
  readonly #recording: Recording;
  readonly #plan: Plan;
  readonly #ops: readonly Op[];
  readonly #runtime: Runtime;
  readonly #workspace: Workspace = { ptr: 0, bytes: 0 };
  /** Floats of a convolution's unrolled rows, and of what DoRA keeps apart of one op: an output head's few rows are wide, those of a prompt many. */
  readonly #unrolled: number;
  readonly #apart: number;
  #block: number;
  #at = 0;

  /** @param rewrite what is done to the recorded list: tests run it as it was recorded, too */
  constructor(runtime: Runtime, forward: (ops: Ops) => Value, maxRows: number, maxOutputs: number, rewrite = fuse) {
    const recording = rewrite(record(forward, (spec) => runtime.backend.threads * attentionScratch(spec)));
    const plan = planBuffers(recording, maxRows, maxOutputs);
    const indexBytes = Math.ceil(((2 * maxRows + maxOutputs) * 4) / 64) * 64;
    this.#runtime = runtime;
    this.#ops = recording.ops;
    this.result = recording.result;
    this.inputs = recording.inputs;
    this.#recording = recording;
    this.#plan = plan;
    const rows = Math.max(maxRows, maxOutputs);
    this.#unrolled = Math.max(0, ...recording.ops.map((op) => (op.op === 'conv1d' ? rows * op.module.kernel * op.module.inChannels : 0)));
    this.#apart = Math.max(0, ...recording.ops.map((op) => (op.op === 'linear' || op.op === 'embed' || op.op === 'conv1d' ? 2 * ((op.y.domain === 'outputs' ? maxOutputs : rows) + 1) * op.y.width : 0)));
    this.#block = runtime.activations.alloc(indexBytes + plan.bytes);
    this.frame = createFrame(this.#block, this.#block + maxRows * 4, this.#block + 2 * maxRows * 4, maxRows, maxOutputs);
    const base = this.#block + indexBytes;
    for (const [value, offset] of plan.offsets) value.ptr = base + offset;
    for (const op of recording.ops) for (const value of [...op.reads, ...op.writes]) value.ptr = value.root.ptr + value.column * 4;
    this.result.ptr = this.result.root.ptr + this.result.column * 4;
    try {
      this.reserve(0, false);
    } catch (error) {
      runtime.activations.free(this.#block);
      throw error;
    }
  }

  /**
   * Makes sure that adapters of up to `rank` find scratch, with `temporaries` also DoRA, which keeps apart a base product and one adapter's share of it. Called when a blend is put to
   * use, before the first step.
   *
   *     workspace = [ base | u | c | g ] with DoRA, then [ unrolled rows of a convolution ], then [ rows, rank ]
   *
   * @throws LorikeetError `memory/exhausted`; the program stays as it was
   */
  reserve(rank: number, temporaries: boolean): void {
    const rows = Math.max(this.frame.maxRows, this.frame.maxOutputs);
    const bytes = Math.max(64, 4 * (rows * rank + this.#unrolled + (temporaries ? this.#apart : 0)));
    if (bytes <= this.#workspace.bytes) return;
    const { activations } = this.#runtime;
    const ptr = activations.alloc(bytes);
    if (this.#workspace.ptr) activations.free(this.#workspace.ptr);
    this.#workspace.ptr = ptr;
    this.#workspace.bytes = bytes;
  }

  /** The list, for tests and for those who want to look. */
  get ops(): readonly Op[] {
    return this.#ops;
  }

  /** How its scratch is planned. */
  get plan(): PlanReport {
    const { maxRows: rows, maxOutputs: outputs } = this.frame;
    const { bytes: plannedBytes, lowerBound } = this.#plan;
    return { rows, outputs, plannedBytes, lowerBound, workspaceBytes: this.#workspace.bytes, ops: this.#ops.length, buffers: describeBuffers(this.#recording, this.#plan) };
  }

  /**
   * Runs the frame, or goes on with one that was stopped, until it is done or the clock passes `deadline` (checked between ops).
   *
   * @returns true when the result stands in `result.ptr`
   * @throws LorikeetError `threads/lost`; the run begins anew then
   */
  run(deadline = Infinity): boolean {
    const ops = this.#ops;
    if (this.#at === 0) {
      joinSegments(this.frame.tokens);
      joinSegments(this.frame.outputs);
    }
    let complete = true;
    try {
      while (complete && this.#at < ops.length) {
        this.#runOp(ops[this.#at++]!);
        complete = deadline === Infinity || this.#at >= ops.length || performance.now() < deadline;
      }
    } catch (error) {
      this.#at = 0; // what an op left half done is worked anew with all before it
      throw error;
    }
    if (complete) this.#at = 0;
    return complete;
  }

  /** Forgets a stopped run. */
  reset(): void {
    this.#at = 0;
  }

  #runOp(op: Op): void {
    const { kernels } = this.#runtime;
    const { frame } = this;
    switch (op.op) {
      case 'linear': return runLinear(kernels, op, frame, this.#workspace);
      case 'quantize': return kernels.quantizeRows(op.y.ptr, op.x.ptr, op.x.ld, frame[op.x.domain as 'tokens'].rows, op.x.width);
      case 'embed': return runEmbed(kernels, op, frame, this.#workspace);
      case 'conv1d': return runConv1d(kernels, op, frame, this.#workspace);
      case 'norm': return runNorm(kernels, op, frame);
      case 'angles': return kernels.angles(op.y.ptr, frame.positions, op.frequencies, frame.tokens.rows, op.y.width / 2, op.scaling);
      case 'rope': return kernels.rope(op.x.ptr, op.x.ld, op.angles.ptr, frame.tokens.rows, op.heads, op.headDim, op.rotaryDim);
      case 'attention': {
        const { layer, heads, kvHeads, headDim, scale, softcap, window } = op.spec;
        const { segments, count } = frame.tokens;
        for (let i = 0; i < count; i++) {
          const { from, rows, position, table, tableStride, kvDtype } = segments[i]!;
          const layerTable = table + layer * tableStride;
          kernels.kvStore(layerTable, op.k.ptr + from * op.k.ld * 4, op.k.ld, op.v.ptr + from * op.v.ld * 4, op.v.ld, position, rows, kvHeads, headDim, kvDtype);
          kernels.attention(op.y.ptr + from * op.y.ld * 4, op.y.ld, op.q.ptr + from * op.q.ld * 4, op.q.ld, layerTable, position, rows, heads, kvHeads, headDim,
            scale, softcap, window, kvDtype, op.scratch.ptr, 0, kvHeads);
        }
        return;
      }
      case 'activate': return kernels.activate(op.y.ptr, op.x.ptr, frame[op.y.domain as 'tokens'].rows * op.x.width, op.kind);
      case 'gate': {
        const { y, g, u, kind } = op;
        const { rows } = frame[y.domain as 'tokens'];
        if (g.ld === g.width && u.ld === u.width) return kernels.gate(y.ptr, g.ptr, u.ptr, rows * y.width, kind);
        for (let i = 0; i < rows; i++) kernels.gate(y.ptr + i * y.ld * 4, g.ptr + i * g.ld * 4, u.ptr + i * u.ld * 4, y.width, kind); // halves of one product
        return;
      }
      case 'add': return kernels.add(op.y.ptr, op.a.ptr, op.b.ptr, frame[op.y.domain as 'tokens'].rows * op.a.width);
      case 'softcap': return kernels.softcap(op.y.ptr, op.x.ptr, op.cap, frame[op.y.domain as 'tokens'].rows * op.x.width);
      case 'outputs': return kernels.copyRows(op.y.ptr, op.y.ld, op.x.ptr, op.x.ld, frame.outputRows, frame.outputs.rows, op.x.width);
    }
  }

  /** Gives the buffers back. */
  dispose(): void {
    if (this.#block === 0) return;
    this.#runtime.activations.free(this.#block);
    if (this.#workspace.ptr) this.#runtime.activations.free(this.#workspace.ptr);
    this.#block = this.#workspace.ptr = this.#workspace.bytes = 0;
  }
}
