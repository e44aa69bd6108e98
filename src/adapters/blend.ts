import { addEntry, type Segment } from '../ops/frame.js';
import { startOf, type Adapter, type ResolvedBlend } from './adapter.js';

/** What multiplies an adapter's own scaling: its weight in the blend times the user's scale. */
export const effectiveScale = (adapter: Adapter, weight: number): number => weight * adapter.scale;

/** Gives a segment of a sequence its blend, scales as they stand now; of `tokens` the first `prompt` can invoke an aLoRA. */
export function addBlend(segment: Segment, { adapters, weights }: ResolvedBlend, tokens: readonly number[], prompt: number): void {
  for (let i = 0; i < adapters.length; i++) {
    const adapter = adapters[i]!;
    addEntry(segment, adapter.deltas, effectiveScale(adapter, weights[i]!), startOf(adapter, tokens, prompt));
  }
}
