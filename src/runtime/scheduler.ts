import type { ResolvedBlend } from '../adapters/adapter.js';
import type { Runtime } from '../arena/runtime.js';
import type { Model } from '../models/model.js';
import { addSegment, clearFrame } from '../ops/frame.js';
import type { PlanReport } from '../ops/plan.js';
import { Program } from '../ops/program.js';
import type { Sampling } from '../sample/options.js';
import { sampleToken } from '../sample/sampler.js';
import type { Sequence } from './sequence.js';
import type { Speculation } from './speculate.js';

/** One answer in the making. */
export interface Job {
  readonly sequence: Sequence;
  readonly sampling: Sampling;
  readonly speculation: Speculation | null;
  /** Tokens that may still be generated. */
  left: number;
  /** Told each token as it is handed out; returns true when the answer is complete. */
  onToken(id: number): boolean;
  /** Asked when none are left: true if it made room for more. Neither of the two throws. */
  refill(): boolean;
  done: boolean;
  /** Why it is done, where it could not go on: there was no memory for a change of blend. */
  failed?: unknown;
  /** Rows of this job in the frame at work. */
  rows: number;
}

/** Rows of a prompt that one frame works. */
const MAX_ROWS = 64;

/**
 * How many rows of a frame can have logits: sequences that get a token each, and drafts. 16 for a room full of characters, but no fewer than 8 where 16 rows of a large vocabulary would take more
 * than 4 MiB (Gemma's: 1 MiB a row).
 */
const MOST_OUTPUTS = 16;
const LEAST_OUTPUTS = 8;
const OUTPUT_BYTES = 4 * 2 ** 20;
const maxOutputs = (outputSize: number): number => Math.max(LEAST_OUTPUTS, Math.min(MOST_OUTPUTS, Math.floor(OUTPUT_BYTES / (4 * outputSize))));

function isSameBlend(a: ResolvedBlend, b: ResolvedBlend): boolean {
  if (a.adapters.length !== b.adapters.length) return false;
  for (let i = 0; i < a.adapters.length; i++) if (a.adapters[i] !== b.adapters[i] || a.weights[i] !== b.weights[i]) return false;
  return true;
}

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
  /** Whose turn it is to be first. */
  #first = 0;
  /** Milliseconds that a row has cost of late: how many rows of a prompt fit into a budget. */
  #rowCost = 0;
  #spent = 0;
  /** Raised by merge and unmerge: a cache computed over another base isn't used. */
  baseGeneration = 0;

  /** @throws LorikeetError `memory/exhausted` */
  constructor(runtime: Runtime, model: Model, maxRows = MAX_ROWS) {
    this.#runtime = runtime;
    this.#model = model;
    this.#program = new Program(runtime, (ops) => model.forward(ops), maxRows, Math.min(maxOutputs(model.outputSize), maxRows));
    try {
      this.#scratch = runtime.activations.alloc(2 * model.outputSize * 4);
    } catch (error) {
      this.#program.dispose();
      throw error;
    }
  }

  /** How the scratch of its frames is planned; of a model without a cache that of its longest evaluation so far. */
  get plan(): PlanReport {
    return (this.#whole ?? this.#program).plan;
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

  /** Takes a job out. A frame at work in which it stands is worked to its end first, so that nobody's cache is half written; one in which nobody else stands is forgotten. */
  remove(job: Job): void {
    job.done = true;
    let others = false;
    let framed = false;
    for (let i = 0; i < this.#framed; i++) {
      if (this.#inFrame[i] === job) framed = true;
      else others ||= !this.#inFrame[i]!.done;
    }
    if (framed && others) {
      try {
        this.#finish(Infinity);
      } catch {
        // Its threads are lost: the others will hear of it when they ask.
      }
    } else if (framed) {
      // What it has written lies behind what its sequence counts as worked.
      this.#program.reset();
      this.#framed = this.#spent = 0;
    }
    const at = this.#jobs.indexOf(job);
    if (at >= 0) this.#takeOut(at);
  }

  #takeOut(at: number): void {
    this.#jobs.splice(at, 1);
    if (at < this.#first) this.#first--;
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
   * @param shared milliseconds that a frame may take while some sequence waits for its next token; this is no limit of the step, since a frame can be left and gone on with
   * @param alone the same where there are only prompts: more rows at once cost less each, but a step ends between two ops, and those get longer
   * @returns true if some sequence got further
   */
  step(deadline = Infinity, shared = Infinity, alone = Infinity): boolean {
    if (this.#framed === 0) {
      if (this.#handOut()) return true;
      if (!this.#compose(shared, alone)) return false;
    }
    return this.#finish(deadline);
  }

  /**
   * Hands out what speculation has ahead, a token for each sequence. Where the blend is another one by now, those tokens were chosen under the former: they are forgotten.
   *
   * @returns true if there was something
   */
  #handOut(): boolean {
    let any = false;
    for (const job of this.#jobs) {
      const { sequence, speculation } = job;
      if (!speculation || speculation.ahead === 0 || job.done) continue;
      if (this.#settle(job)) {
        sequence.advance(1, 0);
        this.#accept(job, speculation);
        any = true;
      } else speculation.drop();
    }
    this.#sweep();
    return any;
  }

  /**
   * Puts together the next frame: first a row for everybody, in turn, then as much of the prompts as fits, then drafts in what is left. Where a frame has too
   * few rows or logits for all, the next one begins with the first that went without.
   */
  #compose(shared: number, alone: number): boolean {
    const { frame } = this.#program;
    clearFrame(frame);
    this.#framed = 0;
    let room = frame.maxRows;
    let placed = 0;
    let outputs = frame.maxOutputs;
    const count = this.#jobs.length;
    const first = count === 0 ? 0 : this.#first % count;
    let without = -1;
    let budget = alone;
    for (const prompts of [false, true]) {
      if (prompts && this.#rowCost > 0) room = Math.min(room, Math.floor(budget / this.#rowCost) - placed);
      for (let i = 0; i < count; i++) {
        const job = this.#jobs[(first + i) % count]!;
        if (!prompts) {
          job.rows = 0;
          if (!job.done) this.#settle(job);
        }
        const { pending } = job.sequence;
        if (pending === 1 && !job.done) budget = shared;
        let rows = job.done ? 0 : Math.max(0, Math.min(prompts ? room : Math.min(room, 1), pending - job.rows));
        // The last row of a sequence wants logits, of which a frame has only so many.
        if (rows > 0 && job.rows + rows === pending && outputs-- <= 0) {
          outputs = 0;
          rows--;
        }
        if (rows === 0 && job.rows === 0 && pending > 0 && !job.done && without < 0) without = (first + i) % count;
        job.rows += rows;
        room -= rows;
        placed += rows;
      }
    }
    this.#first = without < 0 ? first + 1 : without;
    this.#draft(first, Math.min(frame.maxRows - placed, outputs));
    this.#placeAll(first);
    return this.#framed > 0;
  }

  /** Sequences under one blend stand side by side: their rows then go through its adapters together. */
  #placeAll(first: number): void {
    const count = this.#jobs.length;
    for (let i = 0; i < count; i++) {
      const job = this.#jobs[(first + i) % count]!;
      if (job.rows === 0 || this.#isPlaced(job)) continue;
      this.#place(job, job.rows);
      for (let j = i + 1; j < count; j++) {
        const other = this.#jobs[(first + j) % count]!;
        if (other.rows > 0 && isSameBlend(job.sequence.blend, other.sequence.blend) && !this.#isPlaced(other)) this.#place(other, other.rows);
      }
    }
  }

  #isPlaced(job: Job): boolean {
    for (let i = 0; i < this.#framed; i++) if (this.#inFrame[i] === job) return true;
    return false;
  }

  /** Settles what a sequence's cache holds; without memory for it its job is done. True if the blend is the one before. */
  #settle(job: Job): boolean {
    try {
      return job.sequence.followBlend(this.baseGeneration);
    } catch (error) {
      job.failed = error;
      job.done = true;
      return false;
    }
  }

  /** Shares rows that nobody needs among the sequences that would draft and that get a token from this frame. */
  #draft(first: number, room: number): void {
    const count = this.#jobs.length;
    let waiting = 0;
    for (const { speculation, rows, sequence } of this.#jobs) if (speculation && rows > 0 && rows === sequence.pending) waiting++;
    for (let i = 0; i < count && waiting > 0; i++) {
      const { speculation, rows, sequence, left } = this.#jobs[(first + i) % count]!;
      if (!speculation || rows === 0 || rows < sequence.pending) continue;
      // The last token of an answer is never worked: room is reserved for those before it.
      speculation.propose(sequence.tokens, Math.min(Math.ceil(room / waiting--), left - 1));
      room -= speculation.rows;
    }
  }

  #place(job: Job, rows: number): void {
    const { frame } = this.#program;
    const { sequence, speculation } = job;
    const { i32 } = this.#runtime.views;
    const wanted = rows === sequence.pending;
    const drafted = wanted && speculation ? speculation.rows : 0;
    for (let i = 0, at = frame.tokens.rows; i < rows + drafted; i++, at++) {
      i32[frame.ids / 4 + at] = i < rows ? sequence.tokens[sequence.done + i]! : speculation!.draft[i - rows]!;
      i32[frame.positions / 4 + at] = sequence.done + i;
    }
    const segment = sequence.addSegment(frame.tokens, rows + drafted);
    if (wanted) {
      for (let i = 0; i <= drafted; i++) i32[frame.outputRows / 4 + frame.outputs.rows + i] = segment.from + rows - 1 + i;
      sequence.addBlend(addSegment(frame.outputs, 1 + drafted, segment.position + rows - 1));
    }
    this.#inFrame[this.#framed++] = job;
  }

  /** Runs the frame; when it is done, the caches are longer and tokens are chosen. */
  #finish(deadline: number): boolean {
    const started = performance.now();
    const complete = this.#run(deadline);
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
      const logits = this.#program.result.ptr + output * this.#model.outputSize * 4;
      const drafted = job.speculation ? job.speculation.rows : 0;
      output += 1 + drafted;
      if (job.done) continue;
      sequence.writeHistory();
      if (drafted > 0) this.#verify(job, job.speculation!, logits);
      else this.#append(job, this.#choose(job, logits, 0));
    }
    this.#sweep();
    return true;
  }

  /** A frame that can't be worked is forgotten: what it has written lies behind what its sequences count as worked. */
  #run(deadline: number): boolean {
    try {
      return this.#program.run(deadline);
    } catch (error) {
      this.#framed = this.#spent = 0;
      throw error;
    }
  }

  #sweep(): void {
    for (let i = this.#jobs.length - 1; i >= 0; i--) if (this.#jobs[i]!.done) this.#takeOut(i);
  }

  /** A token from the logits of the row that stands `ahead` rows behind the sequence's last one. */
  #choose({ sequence, sampling }: Job, logits: number, ahead: number): number {
    const { outputSize } = this.#model;
    return sampleToken(this.#runtime, logits + ahead * outputSize * 4, outputSize, sampling, sequence.history, sequence.tokens.length + ahead, sequence.samplerState, this.#scratch);
  }

  /** Chooses at the last row and at each draft behind it for as long as the choices are the drafted ones; the first is handed out. */
  #verify(job: Job, speculation: Speculation, logits: number): void {
    const { sequence } = job;
    const { i32, u32 } = this.#runtime.views;
    for (let ahead = 0; ; ahead++) {
      const id = this.#choose(job, logits, ahead);
      if (!speculation.choose(id, u32[sequence.samplerState / 4]!, u32[sequence.samplerState / 4 + 1]!)) break;
      i32[sequence.history / 4 + sequence.tokens.length + ahead] = id; // what the repetition penalty of the next row sees
    }
    speculation.settle();
    this.#accept(job, speculation);
  }

  /** The next token of those ahead, with the generator as it stood after it. */
  #accept(job: Job, speculation: Speculation): void {
    const id = speculation.take();
    const { u32 } = this.#runtime.views;
    u32[job.sequence.samplerState / 4] = speculation.low;
    u32[job.sequence.samplerState / 4 + 1] = speculation.high;
    this.#append(job, id);
  }

  #append(job: Job, id: number): void {
    job.sequence.tokens.push(id);
    job.left--;
    job.done = job.onToken(id) || (job.left <= 0 && !job.refill());
  }

  dispose(): void {
    this.#jobs.length = 0;
    this.#framed = 0;
    this.#program.dispose();
    this.#whole?.dispose();
    this.#runtime.activations.free(this.#scratch);
  }
}
