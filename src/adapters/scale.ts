import type { Adapter } from './adapter.js';

/** What multiplies an adapter's own scaling: its weight in the blend times the user's scale. */
export const effectiveScale = (adapter: Adapter, weight: number): number => weight * adapter.scale;
