/** Where bytes come from. */
export { type FileOrigin, type FolderOrigin, type ModelOrigin, type OpenedFile, openFile, openFolder, openModelOrigin } from './open.js';
export { writeFolder } from './node-write.js';
export type { ByteSource, Folder, FolderFiles, OpenOptions } from './source.js';
