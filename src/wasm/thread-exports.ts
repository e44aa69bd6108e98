/** What the host of several threads asks of an instance; assembly/parallel/control.ts says how they work together. In a build without threads all but the sizes do nothing. */
export interface ThreadExports {
  /** Bytes of an instance's own working memory, a multiple of 64. */
  workspaceBytes(): number;
  /** Bytes of the control block, which starts as zeros. */
  controlBytes(): number;
  /** From now on `count` threads share the work; one that has taken a part and not done it `milliseconds` after all others are done is lost. */
  useThreads(control: number, count: number, milliseconds: number): void;
  /** Makes each shared kernel call `env.threadLost` from now on. */
  loseThreads(): void;
  /** Lets every thread return from `work`. */
  stopThreads(): void;
  /** The life of thread 1, 2, …, in an instance of its own. */
  work(control: number, thread: number, workspace: number): void;
}
