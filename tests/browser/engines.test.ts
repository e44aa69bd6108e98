import { elsewhere } from './engines.js';
import { testSameBits, wholeTask } from './same-bits.js';

testSameBits('browser/engines', elsewhere, wholeTask);
