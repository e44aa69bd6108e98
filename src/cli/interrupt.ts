/** The exit code of a program that Ctrl-C ended. */
export const INTERRUPTED = 130;

/**
 * Work that Ctrl-C ends by its signal, so that it can tidy up; a second Ctrl-C doesn't wait for that.
 *
 * @param ended what to do, and the exit code, when the work was broken off
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number | void>, ended: () => number): Promise<number | void> {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
  };
  process.on('SIGINT', onInterrupt);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) return ended();
    throw error;
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}
