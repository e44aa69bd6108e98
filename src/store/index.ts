/** Where bytes come from. */
export { type FileOrigin, type FolderOrigin, openFile, openFolder } from './open.js';
export { writeFolder } from './node-write.js';
export type { ByteSource, Folder, FolderFiles, OpenOptions } from './source.js';
