import type { Runtime } from '../arena/runtime.js';
import type { Model } from '../models/model.js';
import { addSegment, clearFrame } from '../ops/frame.js';
import { Program } from '../ops/program.js';
import type { Sampling } from '../sample/options.js';
import { sampleToken } from '../sample/sampler.js';
import type { Sequence } from './sequence.js';

/** One answer in the making. */
export interface Job {
  readonly sequence: Sequence;
  readonly sampling: Sampling;
  /** Tokens that may still be generated. */
  left: number;
  /** Told each token as it is chosen; returns true when the answer is complete. */
  onToken(id: number): boolean;
  done: boolean;
  /** Why it is done, where it could not go on: there was no memory for a change of blend. */
  failed?: unknown;
  /** Rows of this job in the frame at work. */
  rows: number;
}

/** Rows of a prompt that one frame works, and how many rows can have logits. */
const MAX_ROWS = 64;
const MAX_OUTPUTS = 8;

/**
 * Works the waiting sequences, several in one frame: each has a segment with its own blend, and its bits don't depend on who else is there.
 * A frame can be left between two ops when the clock says so, and gone on with in the next step.
 */
export class Scheduler {
  readonly #program: Program;
  /** For models without a cache, which take a whole sequence at once: grows with the longest. */
  #whole: Program | null = null;
  #reserved = { rank: 0, temporaries: false };
  readonly #runtime: Runtime;
  readonly #model: Model;
  readonly #scratch: number;
  readonly #jobs: Job[] = [];
  readonly #inFrame: Job[] = [];
  #framed = 0;
  /** Frames so far: whose turn it is to be first. */
  #turn = 0;
  /** Milliseconds that a row has cost of late: how many rows of a prompt fit into a budget. */
  #rowCost = 0;
  #spent = 0;
  /** Raised by merge and unmerge: a cache computed over another base isn't used. */
  baseGeneration = 0;

  /** @throws LorikeetError `memory/exhausted` */
  constructor(runtime: Runtime, model: Model, maxRows = MAX_ROWS) {
    this.#runtime = runtime;
    this.#model = model;
    this.#program = new Program(runtime, (ops) => model.forward(ops), maxRows, Math.min(MAX_OUTPUTS, maxRows));
    try {
      this.#scratch = runtime.activations.alloc(2 * model.outputSize * 4);
    } catch (error) {
      this.#program.dispose();
      throw error;
    }
  }

  /** A free program with room for one evaluation of `rows` rows: in pieces, or in one where the model sees the whole sequence. */
  programFor(rows: number): Program {
    this.drain();
    if (this.#model.kv) return this.#program;
    if (!this.#whole || this.#whole.frame.maxRows < rows) {
      const larger = new Program(this.#runtime, (ops) => this.#model.forward(ops), rows, rows);
      this.#whole?.dispose();
      this.#whole = larger;
    }
    this.#whole.reserve(this.#reserved.rank, this.#reserved.temporaries);
    return this.#whole;
  }

  /**
   * Scratch for adapters of up to this rank.
   *
   * @throws LorikeetError `memory/exhausted`
   */
  reserve(rank: number, temporaries: boolean): void {
    this.#reserved = { rank: Math.max(rank, this.#reserved.rank), temporaries: temporaries || this.#reserved.temporaries };
    this.#program.reserve(this.#reserved.rank, this.#reserved.temporaries);
  }

  add(job: Job): void {
    this.#jobs.push(job);
  }

  /** Takes a job out; if it stands in the frame at work, that frame is worked to its end first, so that nobody's cache is half written. */
  remove(job: Job): void {
    job.done = true;
    if (this.#framed > 0 && this.#inFrame.includes(job)) this.#finish(Infinity);
    const at = this.#jobs.indexOf(job);
    if (at >= 0) this.#jobs.splice(at, 1);
  }

  /** True while some job has something to do. */
  get busy(): boolean {
    return this.#jobs.length > 0;
  }

  /** Works the frame at hand to its end, so that the program is free for other work. */
  drain(): void {
    if (this.#framed > 0) this.#finish(Infinity);
  }

  /**
   * Works until `deadline` (as performance.now() counts) or until one frame is done, whichever is later to be possible.
   *
   * @returns true if some sequence got further by a frame
   */
  step(deadline = Infinity): boolean {
    if (this.#framed === 0 && !this.#compose(deadline)) return false;
    return this.#finish(deadline);
  }

  /**
   * Puts together the next frame: first a row for everybody, in turn, then as much of the prompts as fits. Whose turn it is to be first moves on with every frame, so that nobody waits
   * for ever where a frame has few rows.
   */
  #compose(deadline: number): boolean {
    const { frame } = this.#program;
    clearFrame(frame);
    this.#framed = 0;
    let room = frame.maxRows;
    if (deadline !== Infinity && this.#rowCost > 0) room = Math.max(1, Math.min(room, Math.floor((deadline - performance.now()) / this.#rowCost)));
    let outputs = frame.maxOutputs;
    const count = this.#jobs.length;
    const first = count === 0 ? 0 : this.#turn++ % count;
    for (const prompts of [false, true]) {
      for (let i = 0; i < count; i++) {
        const job = this.#jobs[(first + i) % count]!;
        if (!prompts) {
          job.rows = 0;
          if (!job.done) this.#settle(job);
        }
        const { pending } = job.sequence;
        let rows = job.done ? 0 : Math.min(prompts ? room : Math.min(room, 1), pending - job.rows);
        // The last row of a sequence wants logits, of which a frame has only so many.
        if (rows > 0 && job.rows + rows === pending && outputs-- <= 0) {
          outputs = 0;
          rows--;
        }
        job.rows += rows;
        room -= rows;
      }
    }
    for (let i = 0; i < count; i++) {
      const job = this.#jobs[(first + i) % count]!;
      if (job.rows > 0) this.#place(job, job.rows);
    }
    return this.#framed > 0;
  }

  #settle(job: Job): void {
    try {
      job.sequence.followBlend(this.baseGeneration);
    } catch (error) {
      job.failed = error;
      job.done = true;
    }
  }

  #place(job: Job, rows: number): void {
    const { frame } = this.#program;
    const { sequence } = job;
    const { i32 } = this.#runtime.views;
    for (let i = 0, at = frame.tokens.rows; i < rows; i++, at++) {
      i32[frame.ids / 4 + at] = sequence.tokens[sequence.done + i]!;
      i32[frame.positions / 4 + at] = sequence.done + i;
    }
    const segment = sequence.addSegment(frame.tokens, rows);
    if (rows === sequence.pending) {
      i32[frame.outputRows / 4 + frame.outputs.rows] = segment.from + rows - 1;
      sequence.addBlend(addSegment(frame.outputs, 1, segment.position + rows - 1));
    }
    this.#inFrame[this.#framed++] = job;
  }

  /** Runs the frame; when it is done, the caches are longer and tokens are chosen. */
  #finish(deadline: number): boolean {
    const started = performance.now();
    const complete = this.#program.run(deadline);
    this.#spent += performance.now() - started;
    if (!complete) return false;
    const cost = this.#spent / this.#program.frame.tokens.rows;
    this.#rowCost = this.#rowCost === 0 ? cost : (this.#rowCost + cost) / 2;
    this.#spent = 0;
    const framed = this.#framed;
    this.#framed = 0;
    let output = 0;
    for (let i = 0; i < framed; i++) {
      const job = this.#inFrame[i]!;
      const { sequence } = job;
      sequence.advance(job.rows, cost);
      if (sequence.pending > 0) continue;
      const logits = this.#program.result.ptr + output++ * this.#model.outputSize * 4;
      if (!job.done) this.#choose(job, logits);
    }
    for (let i = this.#jobs.length - 1; i >= 0; i--) if (this.#jobs[i]!.done) this.#jobs.splice(i, 1);
    return true;
  }

  #choose(job: Job, logits: number): void {
    const { sequence } = job;
    sequence.writeHistory();
    const id = sampleToken(this.#runtime, logits, this.#model.outputSize, job.sampling, sequence.history, sequence.tokens.length, sequence.samplerState, this.#scratch);
    sequence.tokens.push(id);
    job.left--;
    job.done = job.onToken(id) || job.left <= 0;
  }

  dispose(): void {
    this.#jobs.length = 0;
    this.#framed = 0;
    this.#program.dispose();
    this.#whole?.dispose();
    this.#runtime.activations.free(this.#scratch);
  }
}
