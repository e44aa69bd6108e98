// How the threads of one memory work on one region together. Each thread is an instance of this module over the memory; the first is the host's, which
// calls kernels, the others call `work` once. What they share is a control block that the host sets aside, words of it on cache lines of their own:
//
//     0  TICKET    i64   number of the region << 16 | parts of it that nobody has taken yet (STOP: the threads shall return)
//   128  SLEEPERS  i32   threads that wait for the ticket to change
//        LOST      i32   1: a thread is gone, every further region ends in `threadLost`
//        WAITING   i32   1: the first thread waits for DONE to change
//   256  DONE      i32   parts that the other threads have done
//        SLEEPS    i32   how often one of them went to sleep: for tests and those who want to look
//   384  TASK      i32   which kernel (tasks.ts)
//        PARTS     i32   into how many parts
//        arguments       4 bytes each
//
// A region: the first thread writes task and arguments, then a new ticket, and wakes who sleeps. Then everybody, the first thread too, takes parts from
// the ticket until there are none; so a thread that comes late, or never, costs time but holds nobody up, and a slower core takes fewer. A part is taken by
// compare-and-swap of number and rest together: whoever has one knows that its region isn't over, so the arguments are its own. The first thread goes on when
// all parts are done. Which thread does a part shows in no bit: parts are ranges of outputs or rows, computed as in one range.
//
// Who finds nothing to do spins, then sleeps (memory.atomic.wait). AssemblyScript's atomics are all sequentially consistent: the first thread writes the
// ticket and then reads SLEEPERS, a thread adds itself there and then looks at the ticket again, so one of them sees the other. The same with DONE and WAITING.
import { useWorkspace } from '../simd/block';
import { THREADS } from '../simd/features';
import { perform } from './tasks';

const SLEEPERS: usize = 128;
const LOST: usize = 132;
const WAITING: usize = 136;
const DONE: usize = 256;
const SLEEPS: usize = 260;
const TASK: usize = 384;
const PARTS: usize = 388;
const ARGUMENTS: usize = 392;
/** Bytes of the control block: room for 30 arguments. */
const CONTROL_BYTES: usize = 512;

const REST: u64 = 0xffff;
const STOP: u64 = 0xffff;

/** Looks at the ticket before a thread sleeps: about a tenth of a millisecond, longer than the first thread needs between two regions of a forward pass. */
const SPINS: i32 = 40000;

/** Parts of a region for each thread: more balance threads of unequal speed better, and each costs a cache line that changes hands. */
const PARTS_PER_THREAD: i32 = 4;

let control: usize = 0;
let threads: i32 = 1;
/** Nanoseconds that a part may take when all the others are done. */
let patience: i64 = 0;

/** Throws `threads/lost` through the kernel that is under way. */
@external("env", "threadLost")
declare function threadLost(): void;

/** Bytes of the control block, which starts as zeros. */
export function controlBytes(): usize {
  return CONTROL_BYTES;
}

/**
 * From now on regions are worked by `count` threads, this one and those that call `work` with the same control block; 1: by this one alone. One that has taken a part and
 * not done it `milliseconds` after all others are done is taken for lost.
 */
export function useThreads(at: usize, count: i32, milliseconds: i32): void {
  control = at;
  threads = count;
  patience = <i64>milliseconds * 1000000;
}

/** A thread is gone: each region from here on throws `threads/lost`. */
export function loseThreads(): void {
  store<i32>(control, 1, LOST);
}

/** Lets every thread return from `work`. */
export function stopThreads(): void {
  if (THREADS) {
    threads = 1;
    atomic.store<u64>(control, atomic.load<u64>(control) | STOP);
    atomic.notify(control, -1);
  }
}

/** A thread's life: does parts until told to stop. `thread` is 1, 2, …; `workspace` its own, of `workspaceBytes`. */
export function work(at: usize, thread: i32, workspace: usize): void {
  if (THREADS) {
    useWorkspace(workspace);
    control = at;
    for (;;) {
      const ticket = nextTicket();
      if ((ticket & REST) == STOP) return;
      let done = 0;
      for (let part = take(ticket); part >= 0; part = take(atomic.load<u64>(control))) {
        perform(load<i32>(control, TASK), part, load<i32>(control, PARTS), thread);
        atomic.add<i32>(control, 1, DONE);
        done++;
      }
      if (done && atomic.load<i32>(control, WAITING)) atomic.notify(control + DONE, 1);
    }
  }
}

/** Waits for a ticket with parts left. */
function nextTicket(): u64 {
  let spin = SPINS, ticket = atomic.load<u64>(control);
  while ((ticket & REST) == 0) {
    if (--spin == 0) {
      atomic.add<i32>(control, 1, SLEEPS);
      atomic.add<i32>(control, 1, SLEEPERS);
      atomic.wait<u64>(control, ticket, -1);
      atomic.sub<i32>(control, 1, SLEEPERS);
      spin = SPINS;
    }
    ticket = atomic.load<u64>(control);
  }
  return ticket;
}

/** Takes a part: its number, or −1 when there is none left. */
function take(ticket: u64): i32 {
  while ((ticket & REST) && (ticket & REST) != STOP) {
    const found = atomic.cmpxchg<u64>(control, ticket, ticket - 1);
    if (found == ticket) return <i32>(ticket & REST) - 1;
    ticket = found;
  }
  return -1;
}

/** True where there are others to share with: `operations` (multiply-adds, or what costs as much) are worth a region from `least` on. */
// @ts-ignore: decorator
@inline export function shared(operations: i64, least: i64): bool {
  return threads > 1 && operations >= least;
}

/** How many threads work a region. */
// @ts-ignore: decorator
@inline export function threadCount(): i32 {
  return threads;
}

/** Parts for `units` that can't be split further. */
export function partsOf(units: i32): i32 {
  return min(units, threads * PARTS_PER_THREAD);
}

/** Where the arguments of the region are written and read, 4 bytes each. */
// @ts-ignore: decorator
@inline export function args(): usize {
  return control + ARGUMENTS;
}

/** Works a region whose arguments are written: returns when all `parts` (1 … 65534) are done. */
export function fork(task: i32, parts: i32): void {
  if (load<i32>(control, LOST)) threadLost();
  store<i32>(control, task, TASK);
  store<i32>(control, parts, PARTS);
  store<i32>(control, 0, DONE);
  atomic.store<u64>(control, ((load<u64>(control) | REST) + 1) | <u64>parts);
  if (atomic.load<i32>(control, SLEEPERS)) atomic.notify(control, threads - 1);
  let others = parts;
  for (let part = take(atomic.load<u64>(control)); part >= 0; part = take(atomic.load<u64>(control))) {
    perform(task, part, parts, 0);
    others--;
  }
  join(others);
}

/** Waits until the others have done `parts`: as long as one of them gets further within PATIENCE. */
function join(parts: i32): void {
  for (let spin = SPINS; spin > 0; spin--) if (atomic.load<i32>(control, DONE) == parts) return;
  atomic.store<i32>(control, 1, WAITING);
  for (;;) {
    const done = atomic.load<i32>(control, DONE);
    if (done == parts) break;
    const timedOut = atomic.wait<i32>(control + DONE, done, patience) == 2;
    if (timedOut && atomic.load<i32>(control, DONE) == done) {
      store<i32>(control, 1, LOST);
      threadLost();
    }
  }
  atomic.store<i32>(control, 0, WAITING);
}
