import { nodeForArm64 } from './engines.js';
import { testSameBits, wholeTask } from './same-bits.js';

// Emulated, so tens of times slower: one place for the kernels' buffers, shorter answers.
testSameBits('browser/arm64', [nodeForArm64], { ...wholeTask, places: ['low'], answers: { ...wholeTask.answers, maxTokens: 12 } });
