/** The safetensors format: reading headers, writing files, shards. */
export { alignmentRank, bitsOf, byteLength, isSafetensorsDtype, SAFETENSORS_DTYPES, type SafetensorsDtype } from './dtypes.js';
export { MAX_HEADER_BYTES, parseHeader, type RangeReader, readHeader, readHeaderLength, type SafetensorsHeader, type TensorInfo } from './header.js';
export { shardedIndex, type ShardedIndex } from './index-json.js';
export { layOut, streamSafetensors, type TensorBytes, type TensorChunks, type TensorMeta, writeSafetensors } from './write.js';
