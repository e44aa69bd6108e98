export { createEngine, type Engine, type EngineOptions } from './runtime/engine.js';
export { type AnswerStats, type GenerateOptions, type Session, type SessionOptions } from './runtime/session.js';
export { createRuntime, memoryReport, type MemoryReport, type Runtime, type RuntimeOptions } from './arena/runtime.js';
export { type AdapterBank, type ListedAdapter, type Unloaded } from './adapters/bank.js';
export type { AdapterReport, AppliedModule, Blend } from './adapters/adapter.js';
export type { AdapterLimits, LoadAdapterOptions } from './adapters/load.js';
export type { SamplingOptions } from './sample/options.js';
export type { ChatMessage } from './text/chat-template.js';
export { isLorikeetError, LorikeetError } from './errors.js';
