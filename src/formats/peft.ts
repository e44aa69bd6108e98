/** PEFT's adapter folders: the configuration, the names of the tensors, the patterns. */
export { type AdapterConfig, parseAdapterConfig } from './adapter-config.js';
export { type AdapterKey, type AdapterRole, parseAdapterKey } from './adapter-keys.js';
export { layerPattern, type PathTest, pathPattern, savedPattern } from './adapter-patterns.js';
export { compileRegex, type Regex } from './regex.js';
