const waiting: (() => void)[] = [];
let channel: MessageChannel | null = null;

/**
 * Lets the host's event loop take a turn: timers, input, painting. A message is delivered sooner than setTimeout, which browsers clamp to 4 ms, and the port is
 * released when nobody waits, so that it keeps no process alive.
 */
export function pause(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (channel) return;
    channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel!.port1.close();
      channel = null;
      for (const go of waiting.splice(0)) go();
    };
    channel.port2.postMessage(0);
  });
}
