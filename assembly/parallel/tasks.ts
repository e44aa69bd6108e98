// What the threads can be asked to do. The number of a task stands in the control block; each file below writes and reads its own arguments.
import { attentionPart } from './attention';
import { loraDownPart, loraUpPart, matmulPart, matmulQuantizedPart } from './linear';
import { addPart, activatePart, gatePart, layerNormPart, quantizePart, rmsNormPart, ropePart } from './rows';

export const MATMUL: i32 = 0;
export const MATMUL_QUANTIZED: i32 = 1;
export const LORA_DOWN: i32 = 2;
export const LORA_UP: i32 = 3;
export const ATTENTION: i32 = 4;
export const QUANTIZE: i32 = 5;
export const RMS_NORM: i32 = 6;
export const LAYER_NORM: i32 = 7;
export const ACTIVATE: i32 = 8;
export const GATE: i32 = 9;
export const ADD: i32 = 10;
export const ROPE: i32 = 11;

/** Does part `part` of `parts` on thread `thread`. */
export function perform(task: i32, part: i32, parts: i32, thread: i32): void {
  switch (task) {
    case MATMUL: matmulPart(part, parts); break;
    case MATMUL_QUANTIZED: matmulQuantizedPart(part, parts); break;
    case LORA_DOWN: loraDownPart(part, parts); break;
    case LORA_UP: loraUpPart(part, parts); break;
    case ATTENTION: attentionPart(part, parts, thread); break;
    case QUANTIZE: quantizePart(part, parts); break;
    case RMS_NORM: rmsNormPart(part, parts); break;
    case LAYER_NORM: layerNormPart(part, parts); break;
    case ACTIVATE: activatePart(part, parts); break;
    case GATE: gatePart(part, parts); break;
    case ADD: addPart(part, parts); break;
    default: ropePart(part, parts);
  }
}
